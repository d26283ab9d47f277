/** The worked command of FORMAT.md section 11, by a key with a fixed seed, and the reply to it by the example log's key. */
import { hex, utf8Text } from '../../src/base/bytes.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import { formatVkey, logVkey, type Vkey } from '../../src/evidence/log/note.ts';
import {
  COMMAND_TYPE,
  type Command,
  commandEnvelope,
  commandHash,
  commandPayload,
  REPLY_TYPE,
  replyEnvelope,
  replyPayload,
} from '../../src/evidence/wire/command.ts';
import { type Envelope, formatEnvelope } from '../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { TestKey, type TestLog } from './test-log.ts';

const SEED = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
const key = new TestKey(SEED);
const vkey: Vkey = logVkey(nodeCrypto, 'ops.lockers.example/commands', key.publicKey);

export interface ExampleCommand {
  readonly vkey: Vkey;
  readonly command: Command;
  readonly envelope: Envelope;
  readonly reply: Envelope;
}

export function exampleCommand(log: TestLog): ExampleCommand {
  const command: Command = {
    gateway: 'gw-0001',
    log: log.vkey.name,
    start: 'AAECAwQFBgcICQoLDA0ODw',
    id: 'EBESExQVFhcYGRobHB0eHw',
    until_up_ms: 64_000,
    not_after: '2026-11-22T09:01:00.000Z',
    verb: 'open',
    args: { compartment: 'A07' },
    by: { kind: 'operator', ref: 'desk-7' },
  };
  const payload = commandPayload(command);
  const { gateway, start, id, verb } = command;
  const answer = replyPayload({
    gateway,
    log: log.vkey.name,
    start,
    up_ms: 4_612,
    id,
    command: commandHash(nodeCrypto, payload),
    verb,
    outcome: 'executed',
    result: 'opened',
    entry: { log: log.vkey.name, n: 5 },
    took_ms: 240,
  });
  return {
    vkey,
    command,
    envelope: commandEnvelope(payload, vkey.keyId, key.sign(pae(COMMAND_TYPE, payload))),
    reply: replyEnvelope(answer, log.vkey.keyId, log.key.sign(pae(REPLY_TYPE, answer))),
  };
}

/** Lines of the example, without fences: the key; the command; the reply. */
export function commandExampleLines(log: TestLog): readonly (readonly string[])[] {
  const { envelope, reply } = exampleCommand(log);
  return [
    [`command seed  ${hex(SEED)}`, `command vkey  ${formatVkey(vkey)}`],
    messageLines(COMMAND_TYPE, envelope),
    messageLines(REPLY_TYPE, reply),
  ];
}

function messageLines(type: string, envelope: Envelope): readonly string[] {
  const text = utf8Text(envelope.payload) ?? '';
  return [
    text,
    '',
    ...(hex(pae(type, envelope.payload)).match(/.{1,96}/g) ?? []),
    '',
    hex(envelope.signatures[0]?.sig ?? new Uint8Array()),
    '',
    formatEnvelope(envelope),
  ];
}
