/**
 * Anchors verified by another hand: OpenSSL's command line over what FORMAT.md prints and over what a TPM signed, and the
 * printed hashes computed again from the printed inputs.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { derOfP1363 } from '../../../src/tpm2/signature.ts';

const root = join(import.meta.dirname, '../../..');
const directory = mkdtempSync(join(tmpdir(), 'latchkey-anchor-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** `openssl dgst -sha256 -verify`: hashes the bytes and verifies the DER signature with the key. */
function openssl(spki: Buffer, message: Buffer, der: Uint8Array): boolean {
  const at = (name: string): string => join(directory, name);
  writeFileSync(at('key.der'), spki);
  writeFileSync(at('message'), message);
  writeFileSync(at('signature'), der);
  const pem = spawnSync('openssl', ['pkey', '-pubin', '-inform', 'DER', '-in', at('key.der'), '-out', at('key.pem')]);
  expect(pem.status, `${pem.stderr}`).toBe(0);
  const run = spawnSync('openssl', [
    'dgst',
    '-sha256',
    '-verify',
    at('key.pem'),
    '-signature',
    at('signature'),
    at('message'),
  ]);
  return run.status === 0 && run.stdout.toString().includes('Verified OK');
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

describe('the anchor that FORMAT.md prints', () => {
  const format = readFileSync(join(root, 'src/evidence/FORMAT.md'), 'utf8');
  const printed = (label: string): Buffer => {
    const found = new RegExp(`^${label} +([0-9a-f]+)$`, 'm').exec(format)?.[1];
    if (found === undefined) throw new Error(`FORMAT.md prints no "${label}"`);
    return Buffer.from(found, 'hex');
  };
  const attest = printed('attestation');
  const ak = printed('AK');
  const signature = Buffer.concat([printed('r'), printed('s')]);

  test('verifies with OpenSSL, and no other attestation does', () => {
    expect(openssl(ak, attest, derOfP1363(signature))).toBe(true);
    const changed = Buffer.from(attest);
    changed[148] = (changed[148] ?? 0) ^ 1;
    expect(openssl(ak, changed, derOfP1363(signature))).toBe(false);
  });

  test('has the hashes that its printed inputs give', () => {
    const name = Buffer.concat([Buffer.from('000b', 'hex'), sha256(printed('AK public area'))]);
    expect(name).toEqual(printed('AK Name'));
    expect(Buffer.concat([Buffer.from('4000000b', 'hex'), name])).toEqual(printed('QN input'));
    expect(Buffer.concat([Buffer.from('000b', 'hex'), sha256(printed('QN input'))])).toEqual(
      printed('qualifiedSigner'),
    );
    expect(Buffer.concat([Buffer.from('000b', 'hex'), sha256(printed('counter area'))])).toEqual(
      printed('counter Name'),
    );
    expect(sha256(printed('extraData input'))).toEqual(printed('extraData'));
    expect(sha256(printed('anchor id input')).subarray(0, 4)).toEqual(printed('anchor key id'));
    expect(sha256(attest)).toEqual(printed('its SHA-256'));
    // The point stands in the key and in the public area.
    expect(printed('AK public area').includes(ak.subarray(27, 59))).toBe(true);
  });

  test('is put together from its printed parts, byte by byte as the text says', () => {
    const sized = (bytes: Buffer): Buffer =>
      Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
    const expected = Buffer.concat([
      Buffer.from('ff5443478014', 'hex'),
      sized(printed('qualifiedSigner')),
      sized(printed('extraData')),
      attest.subarray(76, 101),
      sized(printed('counter Name')),
      Buffer.from('0000', 'hex'),
      sized(Buffer.from('0000000000000003', 'hex')),
    ]);
    expect(attest).toEqual(expected);
    const whole = Buffer.concat([printed('anchor key id'), sized(attest), signature]);
    expect(whole).toHaveLength(4 + 215);
    expect(format).toContain(`\u2014 lockers.example/gw-0001/1-56475aa7 ${whole.toString('base64')}\n`);
    const text = printed('extraData input').toString('latin1');
    expect(text.startsWith('latchkey/tpm2-nv-certify/v1\nlockers.example/gw-0001/1-56475aa7\n5\n')).toBe(true);
  });
});

test('what a TPM signed verifies with OpenSSL, as its own DER and as r and s', () => {
  const path = join(root, 'test/vectors/tpm-attestations.json');
  const vectors: {
    readonly ak: { readonly spki: string };
    readonly attested: Readonly<Record<string, { readonly attest: string; readonly signature: string }>>;
  } = JSON.parse(readFileSync(path, 'utf8'));
  const rows = Object.values(vectors.attested);
  expect(rows).toHaveLength(5);
  for (const { attest, signature } of rows) {
    const p1363 = Buffer.from(signature.replace(/^0018000b0020(.{64})0020/, '$1'), 'hex');
    expect(openssl(Buffer.from(vectors.ak.spki, 'hex'), Buffer.from(attest, 'hex'), derOfP1363(p1363))).toBe(true);
  }
});
