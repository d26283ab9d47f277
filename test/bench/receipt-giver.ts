/**
 * The cheapest consumer there can be: cosigns the note of each batch that arrives and verifies nothing, so that it takes
 * little of a processor from what is measured. It also counts the bytes of the PUBLISH packets.
 *
 *     node receipt-giver.js URL GATEWAY
 */
import { createInterface } from 'node:readline';
import { connectAsync, type IPublishPacket } from 'mqtt';
import { utf8 } from '../../src/base/bytes.ts';
import { formatNote, parseNote } from '../../src/evidence/log/note.ts';
import { parseOrigin } from '../../src/evidence/log/origin.ts';
import { gatewayRoot, receiptName } from '../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { TestWitness } from '../support/test-log.ts';
import type { WireAnswer } from './protocol.ts';
import { GIVER, PREFIX } from './site.ts';

const RECEIPT_EVERY_MS = 100;

const [url = '', gateway = ''] = process.argv.slice(2);
const root = gatewayRoot(nodeCrypto, PREFIX, gateway);
const witness = new TestWitness(GIVER);
const client = await connectAsync(url, { protocolVersion: 5 });
const batches = new Map<number, { entries: number; batches: number; bytes: number }>();
let checkpoints = 0;
let checkpointBytes = 0;
let newest: { readonly origin: string; readonly note: string } | undefined;

client.on('packetreceive', (packet) => {
  if (packet.cmd !== 'publish' || packet.retain) return;
  if (packet.topic === `${root}/batch`) takeBatch(packet);
  else {
    checkpoints += 1;
    checkpointBytes += wireBytes(packet);
  }
});
await client.subscribeAsync([`${root}/batch`, `${root}/checkpoint/+`], { qos: 1 });
setInterval(giveReceipt, RECEIPT_EVERY_MS);
process.stdout.write('ready\n');

for await (const _line of createInterface({ input: process.stdin })) {
  const answer: WireAnswer = { batches: [...batches.values()], checkpoints, checkpointBytes };
  process.stdout.write(`${JSON.stringify({ answer })}\n`);
  batches.clear();
  checkpoints = 0;
  checkpointBytes = 0;
}
process.exit(0);

function takeBatch(packet: IPublishPacket): void {
  const payload = Buffer.from(packet.payload);
  const head = JSON.parse(payload.toString('utf8', 0, payload.indexOf(0x0a))) as {
    readonly log: string;
    readonly count: number;
    readonly checkpoint: string;
  };
  newest = { origin: head.log, note: head.checkpoint };
  const seen = batches.get(head.count) ?? { entries: head.count, batches: 0, bytes: 0 };
  seen.batches += 1;
  seen.bytes += wireBytes(packet);
  batches.set(head.count, seen);
}

function giveReceipt(): void {
  if (newest === undefined) return;
  const { origin, note } = newest;
  newest = undefined;
  const parsed = parseNote(utf8(note));
  const log = parseOrigin(origin);
  if (!parsed.ok || !log.ok) throw new Error('a batch without a note');
  const receipt = formatNote(witness.cosign(parsed.value, Math.floor(Date.now() / 1_000)));
  client.publish(`${root}/${receiptName(log.value, witness.vkey.keyId)}`, Buffer.from(receipt), {
    qos: 1,
    retain: true,
  });
}

/** Fixed header and the rest, MQTT 5.0 section 2.1. The broker passes properties on, so this is what the gateway sent. */
function wireBytes(packet: IPublishPacket): number {
  const rest = packet.length ?? 0;
  return rest + (rest < 128 ? 2 : rest < 16_384 ? 3 : 4);
}
