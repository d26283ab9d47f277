/**
 * The worked example of FORMAT.md: one log with fixed keys, its batch to the byte, every intermediate hash, a receipt
 * and a successor statement. `exampleText()` is the generated part of FORMAT.md; a test compares the two.
 */
import { base64, concatBytes, hex, utf8, utf8Text } from '../../src/base/bytes.ts';
import { BATCH_TYPE, parseBatch } from '../../src/evidence/batch/batch.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import type { JsonObject } from '../../src/evidence/event/event.ts';
import { encodeLeaf } from '../../src/evidence/event/leaf.ts';
import { pseudonym } from '../../src/evidence/event/reference.ts';
import { formatCheckpoint } from '../../src/evidence/log/checkpoint.ts';
import { cosignature, cosignatureMessage } from '../../src/evidence/log/cosignature.ts';
import { formatNote, formatVkey, logVkey, type Vkey, witnessVkey } from '../../src/evidence/log/note.ts';
import { originFor } from '../../src/evidence/log/origin.ts';
import { inclusionProof, subtreesOf } from '../../src/evidence/log/proofs.ts';
import { leafHash, nodeHash } from '../../src/evidence/log/tree.ts';
import { formatTlogProof } from '../../src/evidence/verify/tlog-proof.ts';
import { formatEnvelope } from '../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { anchorExampleLines } from './anchor-example.ts';
import { commandExampleLines } from './command-example.ts';
import { eventOf } from './test-events.ts';
import { noteText, TestKey, TestLog } from './test-log.ts';
import { statement } from './test-trust.ts';

const counting = (from: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, i) => from + i);

/** A log whose key's seed is 00 01 02 ... 1f. */
class ExampleLog extends TestLog {
  override readonly key = new TestKey(counting(0));
  override readonly origin = originFor(nodeCrypto, 'lockers.example', 'gw-0001', 1, this.key.publicKey);
  override readonly vkey: Vkey = logVkey(nodeCrypto, this.origin, this.key.publicKey);
}

const PSEUDONYM_KEY = { id: '2026-11', key: counting(0x40) };

export function exampleLog(): TestLog {
  const log = new ExampleLog();
  const parcel = { ref: pseudonym(nodeCrypto, PSEUDONYM_KEY, 'parcel', 'sscc', '340123450000000017'), scheme: 'sscc' };
  const add = (type: string, data: JsonObject, more: object = {}): void => {
    log.append(encodeLeaf(eventOf(log, log.size, type, data, more)));
  };
  add('journal.opened', { version: '0.1.0' });
  add(
    'code.scanned',
    { certainty: 'check_digit', candidates: ['sscc'], size_bytes: 20 },
    { device: 'scanner-1', parcel },
  );
  add(
    'door.opened',
    { channel: 7, feedback: 0 },
    { device: 'board-1', compartment: 'A07', seen: { from_ms: 1900, to_ms: 2000 } },
  );
  add(
    'door.closed',
    { channel: 7, feedback: 1 },
    { device: 'board-1', compartment: 'A07', seen: { from_ms: 2900, to_ms: 3000 } },
  );
  add('gateway.alive', { interval_ms: 60_000 });
  return log;
}

/** Entries 0 to 2 with the note at 3, and entries 3 and 4 with `left`, sent when five were there. */
export function exampleBatches(log = exampleLog()): readonly [Uint8Array, Uint8Array] {
  return [log.batch(0, 3, { size: 5 }), log.batch(3, 5, { left: true, size: 5 })];
}

export function exampleReceipt(log = exampleLog()): { readonly note: Uint8Array; readonly vkey: Vkey } {
  const key = new TestKey(counting(0x20));
  const vkey = witnessVkey(nodeCrypto, 'store.example/w1', key.publicKey);
  const note = log.note(5);
  const timestampS = 1_795_338_005;
  const line = cosignature(vkey, timestampS, key.sign(cosignatureMessage(note.text, timestampS)));
  return { vkey, note: formatNote({ text: note.text, signatures: [...note.signatures, line] }) };
}

export function exampleText(): string {
  const log = exampleLog();
  const [first, second] = exampleBatches(log);
  const receipt = exampleReceipt(log);
  const parsed = parseBatch(first);
  if (!parsed.ok) throw new Error(parsed.detail);
  const { payload, signature } = parsed.value;
  const [l0, l1, l2, l3, l4] = log.leafHashes;
  if (!l0 || !l1 || !l2 || !l3 || !l4) throw new Error('five leaves');
  const n01 = nodeHash(nodeCrypto, l0, l1);
  const n23 = nodeHash(nodeCrypto, l2, l3);
  const root3 = nodeHash(nodeCrypto, n01, l2);
  const n0123 = nodeHash(nodeCrypto, n01, n23);
  const root5 = nodeHash(nodeCrypto, n0123, l4);
  if (hex(root5) !== hex(log.checkpoint(5).root)) throw new Error('two roots');
  const next = new TestLog('the next log', 'gw-0001', 2);
  const proof = inclusionProof(nodeCrypto, subtreesOf(nodeCrypto, log.leafHashes), 2, 5);
  return [
    '**Keys.**',
    block([
      `log seed         ${hex(counting(0))}`,
      `log public key   ${hex(log.vkey.publicKey)}`,
      `origin           ${log.origin}`,
      `key id input     ${hex(concatBytes(utf8(log.origin), Uint8Array.of(0x0a, 0x01), log.vkey.publicKey))}`,
      `log key id       ${hex(log.vkey.keyId)}`,
      `log vkey         ${formatVkey(log.vkey)}`,
      `witness seed     ${hex(counting(0x20))}`,
      `witness vkey     ${formatVkey(receipt.vkey)}`,
      `reference key    ${PSEUDONYM_KEY.id} ${hex(PSEUDONYM_KEY.key)}`,
      'pseudonym input  "latchkey/ref/v1\\nparcel\\nsscc\\n340123450000000017"',
    ]),
    '**Leaves**, entries 0 to 4, each one line without its newline, and SHA-256(00 || leaf).',
    ...log.leaves.map((leaf, n) => block([utf8Text(leaf) ?? '', `leaf hash ${n}  ${hex(leafHash(nodeCrypto, leaf))}`])),
    '**Tree**, with [a, b) for the node over entries a to b - 1.',
    block([
      `[0, 2)  ${hex(n01)}   SHA-256(01 || leaf 0 || leaf 1)`,
      `[0, 3)  ${hex(root3)}   SHA-256(01 || [0, 2) || leaf 2), the root at size 3`,
      `[2, 4)  ${hex(n23)}   SHA-256(01 || leaf 2 || leaf 3)`,
      `[0, 4)  ${hex(n0123)}   SHA-256(01 || [0, 2) || [2, 4))`,
      `[0, 5)  ${hex(root5)}   SHA-256(01 || [0, 4) || leaf 4), the root at size 5`,
      `inclusion proof of entry 2 at size 5: leaf 3, [0, 2), leaf 4 = ${proof.map((h) => hex(h).slice(0, 8)).join(', ')}`,
    ]),
    '**Checkpoint at size 3**: the text in hex, which is what is signed, its Ed25519 signature, and the note.',
    block([
      hexLines(utf8(formatCheckpoint(log.checkpoint(3)))),
      '',
      hexLines(log.note(3).signatures[0]?.signature ?? payload),
    ]),
    block([noteText(log.note(3)).trimEnd()]),
    '**Batch of entries 0 to 2**, first its header as text, then its payload (header and events) in hex, then the signed bytes: this prefix and the payload, then the signature.',
    block([(utf8Text(payload) ?? '').split('\n')[0] ?? '']),
    block([hexLines(payload)]),
    block([
      `prefix     ${hex(pae(BATCH_TYPE, payload).subarray(0, pae(BATCH_TYPE, payload).length - payload.length))}`,
      `           ${JSON.stringify(utf8Text(pae(BATCH_TYPE, payload).subarray(0, pae(BATCH_TYPE, payload).length - payload.length)))}`,
      `SHA-256 of the signed bytes  ${hex(nodeCrypto.sha256(pae(BATCH_TYPE, payload)))}`,
      `signature  ${hex(signature)}`,
      `SHA-256 of the whole batch   ${hex(nodeCrypto.sha256(first))}`,
    ]),
    'The complete batch is the payload above and this line, ended by a newline; below it the line in hex:',
    block([utf8Text(first.subarray(payload.length))?.trimEnd() ?? '']),
    block([hexLines(first.subarray(payload.length))]),
    '**Batch of entries 3 and 4**, whole, as text; `left` holds [0, 2) and leaf 2. After the first batch it makes an export.',
    block([(utf8Text(second) ?? '').trimEnd()]),
    block([`SHA-256 of both batches one after the other  ${hex(nodeCrypto.sha256(concatBytes(first, second)))}`]),
    '**Receipt** for size 5, and the message that its witness signed.',
    block([(utf8Text(receipt.note) ?? '').trimEnd()]),
    block([(utf8Text(cosignatureMessage(log.note(5).text, 1_795_338_005)) ?? '').trimEnd()]),
    '**Inclusion of entry 2**, as a tlog-proof that leads to the note at size 5.',
    block([formatTlogProof({ index: 2, hashes: proof, note: noteText(log.note(5)) }).trimEnd()]),
    '**Successor statement** at size 5, for a next log with the vkey that it names; payload and envelope.',
    block([
      utf8Text(statement(log, next.vkey, { size: 5 }).payload) ?? '',
      '',
      formatEnvelope(statement(log, next.vkey, { size: 5 })),
    ]),
    ...anchorText(log),
    ...commandText(log),
    `Roots as base64: size 3 \`${base64(root3)}\`, size 5 \`${base64(root5)}\`.`,
  ].join('\n\n');
}

function anchorText(log: TestLog): readonly string[] {
  const [keys = [], attestation = [], line = []] = anchorExampleLines(log);
  return [
    '**Anchor** over the checkpoint at size 5, by an AK with this secret, counter value 3; the signature is by RFC 6979, a TPM draws its own.',
    block(keys),
    block(attestation),
    block(line),
  ];
}

function commandText(log: TestLog): readonly string[] {
  const [keys = [], command = [], reply = []] = commandExampleLines(log);
  return [
    '**Command** `open`, signed by a key with this seed: payload, the signed bytes (PAE) in hex, the signature, and the envelope.',
    block(keys),
    block(command),
    '**Reply** to it, by the log key: the same four.',
    block(reply),
  ];
}

function block(lines: readonly string[]): string {
  return ['```', ...lines, '```'].join('\n');
}

/** 48 bytes a line. */
function hexLines(bytes: Uint8Array): string {
  return (hex(bytes).match(/.{1,96}/g) ?? []).join('\n');
}
