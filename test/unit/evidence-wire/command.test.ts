/** Commands and replies as FORMAT.md prints them: both implementations of the crypto, and what no parser may take. */
import { describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { logVkey } from '../../../src/evidence/log/note.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import {
  commandHash,
  parseCommand,
  parseReply,
  verifyCommand,
  verifyReply,
} from '../../../src/evidence/wire/command.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { exampleCommand } from '../../support/command-example.ts';
import { exampleLog } from '../../support/format-example.ts';

const log = exampleLog();
const { vkey, command, envelope, reply } = exampleCommand(log);

describe.each([
  ['node:crypto', nodeCrypto],
  ['@noble', portableCrypto()],
])('with %s', (_name, crypto) => {
  test('the example verifies by its key, and by no other', () => {
    expect(verifyCommand(crypto, envelope, vkey)).toEqual({ ok: true, value: command });
    const answer = verifyReply(crypto, reply, log.vkey);
    expect(answer).toMatchObject({ ok: true, value: { command: commandHash(crypto, envelope.payload) } });
    expect(verifyCommand(crypto, envelope, log.vkey)).toMatchObject({ ok: false, reason: 'key' });
    expect(verifyReply(crypto, reply, vkey)).toMatchObject({ ok: false, reason: 'key' });
    expect(verifyReply(crypto, envelope, vkey)).toMatchObject({ ok: false, reason: 'form' });
  });

  test('a reply of a log by the key of another is refused', () => {
    const renamed = logVkey(nodeCrypto, log.vkey.name.replace('/1-', '/2-'), log.vkey.publicKey);
    const [signature] = reply.signatures;
    const keyid = Buffer.from(renamed.keyId).toString('hex');
    const relabelled = { ...reply, signatures: signature === undefined ? [] : [{ ...signature, keyid }] };
    expect(verifyReply(crypto, relabelled, renamed)).toMatchObject({ ok: false, reason: 'key' });
  });
});

describe('a payload', () => {
  const text = utf8Text(envelope.payload) ?? '';
  test.each([
    ['form', text.replace('"v":1', '"v": 1')],
    ['form', text.replace('"id":"EBES', '"id":"EBE')],
    ['form', text.replace('"until_up_ms":64000', '"until_up_ms":-1')],
    ['form', text.replace('"kind":"operator"', '"kind":"root"')],
    ['form', text.replace('gw-0001"', 'gw-0002"')],
    ['form', text.replace('"verb":"open"', '"verb":"Open"')],
    ['unknown_version', text.replace('"v":1', '"v":2')],
    ['unknown_version', text.replace('"verb":"open"', '"verb":"open","verbs":1')],
  ])('%s: %s', (reason, changed) => {
    expect(changed).not.toBe(text);
    expect(parseCommand(utf8(changed))).toMatchObject({ ok: false, reason });
    expect(parseReply(utf8(changed)).ok).toBe(false);
  });

  test('that is too long is refused before it is parsed', () => {
    expect(parseCommand(utf8(`{"args":{"a":"${'x'.repeat(32_768)}"}}`))).toMatchObject({ ok: false, reason: 'form' });
  });
});
