/**
 * Notes, cosignatures and batches verified by another hand: OpenSSL's command line (`openssl pkeyutl -verify -rawin`).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { BATCH_TYPE, parseBatch } from '../../../src/evidence/batch/batch.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import { cosignatureMessage } from '../../../src/evidence/log/cosignature.ts';
import { parseNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { TestLog, TestWitness } from '../../support/test-log.ts';

const directory = mkdtempSync(join(tmpdir(), 'latchkey-openssl-'));
afterAll(() => rmSync(directory, { recursive: true }));

function openssl(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const at = (name: string): string => join(directory, name);
  // RFC 8410: the SubjectPublicKeyInfo of an Ed25519 key.
  writeFileSync(at('key.der'), Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]));
  writeFileSync(at('message'), message);
  writeFileSync(at('signature'), signature);
  const args = ['pkeyutl', '-verify', '-pubin', '-inkey', at('key.der'), '-keyform', 'DER', '-rawin'];
  const run = spawnSync('openssl', [...args, '-in', at('message'), '-sigfile', at('signature')], { encoding: 'utf8' });
  expect(run.error).toBeUndefined();
  return run.status === 0 && run.stdout.includes('Signature Verified Successfully');
}

const log = new TestLog('openssl').append(utf8('{"a":1}'), utf8('{"a":2}'));
const witness = new TestWitness('store.example/w1');

test("OpenSSL verifies a log's note and its receipt over the bytes that the formats name, and no others", () => {
  const receipt = witness.cosign(log.note(), 1_700_000_000);
  const [own, cosigned] = receipt.signatures;
  if (own === undefined || cosigned === undefined) throw new Error('two signatures');
  expect(openssl(log.vkey.publicKey, utf8(receipt.text), own.signature)).toBe(true);
  expect(openssl(log.vkey.publicKey, utf8(`${receipt.text}\n`), own.signature)).toBe(false);
  const message = cosignatureMessage(receipt.text, 1_700_000_000);
  expect(openssl(witness.vkey.publicKey, message, cosigned.signature.subarray(8))).toBe(true);
  expect(openssl(witness.vkey.publicKey, utf8(receipt.text), cosigned.signature.subarray(8))).toBe(false);
});

test('OpenSSL verifies the signature of a batch over the DSSE encoding', () => {
  const batch = parseBatch(log.batch(0));
  if (!batch.ok) throw new Error(batch.detail);
  const { payload, signature, head } = batch.value;
  expect(openssl(log.vkey.publicKey, pae(BATCH_TYPE, payload), signature)).toBe(true);
  expect(openssl(log.vkey.publicKey, payload, signature)).toBe(false);
  const note = parseNote(utf8(head.note));
  expect(
    note.ok && openssl(log.vkey.publicKey, utf8(note.value.text), note.value.signatures[0]?.signature ?? signature),
  ).toBe(true);
});

test('a signature that OpenSSL made verifies here', () => {
  writeFileSync(join(directory, 'm'), 'a message');
  const run = (args: readonly string[]): Buffer => {
    const done = spawnSync('openssl', args, { cwd: directory });
    expect(done.status).toBe(0);
    return done.stdout;
  };
  run(['genpkey', '-algorithm', 'ed25519', '-out', 'made.pem']);
  const spki = run(['pkey', '-in', 'made.pem', '-pubout', '-outform', 'DER']);
  run(['pkeyutl', '-sign', '-inkey', 'made.pem', '-rawin', '-in', 'm', '-out', 's']);
  const signature = run(['base64', '-A', '-in', 's']).toString();
  const publicKey = new Uint8Array(spki.subarray(-32));
  const bytes = new Uint8Array(Buffer.from(signature, 'base64'));
  expect(nodeCrypto.verifyEd25519(publicKey, utf8('a message'), bytes)).toBe(true);
  expect(nodeCrypto.verifyEd25519(publicKey, utf8('a massage'), bytes)).toBe(false);
});
