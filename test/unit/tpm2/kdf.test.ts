/** KDFa and KDFe against OpenSSL's KBKDF (SP 800-108, counter mode, HMAC) and SSKDF (SP 800-56A). */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { concatBytes, hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { type HashAlg, TPM_ALG } from '../../../src/tpm2/algorithms.ts';
import { kdfa, kdfe } from '../../../src/tpm2/kdf.ts';

const DIGESTS: readonly (readonly [HashAlg, string])[] = [
  [TPM_ALG.SHA256, 'SHA256'],
  [TPM_ALG.SHA384, 'SHA384'],
];

function openssl(bits: number, options: readonly string[], kdf: string): string {
  const args = options.flatMap((option) => ['-kdfopt', option]);
  const printed = execFileSync('openssl', ['kdf', '-keylen', String(bits / 8), ...args, kdf]).toString();
  return printed.trim().replaceAll(':', '').toLowerCase();
}

const key = unhex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f') ?? new Uint8Array();
const u = unhex('aabbccddeeff') ?? new Uint8Array();
const v = unhex('1122334455667788') ?? new Uint8Array();

test.each(DIGESTS)('KDFa is the KBKDF of OpenSSL (hash %#)', (alg, digest) => {
  for (const [label, bits] of [
    ['ATH', 256],
    ['CFB', 256],
    ['INTEGRITY', 384],
    ['STORAGE', 1024],
  ] as const) {
    const options = ['mac:HMAC', `digest:${digest}`, 'mode:COUNTER', `hexkey:${hex(key)}`];
    const theirs = openssl(bits, [...options, `salt:${label}`, `hexinfo:${hex(concatBytes(u, v))}`], 'KBKDF');
    expect(hex(kdfa(nodeTpmCrypto, alg, key, label, u, v, bits))).toBe(theirs);
    expect(theirs).toHaveLength(bits / 4);
  }
});

test.each(DIGESTS)('KDFe is the SSKDF of OpenSSL (hash %#)', (alg, digest) => {
  for (const [label, bits] of [
    ['SECRET', 256],
    ['IDENTITY', 384],
    ['DUPLICATE', 1024],
  ] as const) {
    const info = concatBytes(utf8(`${label}\0`), u, v);
    const theirs = openssl(bits, [`digest:${digest}`, `hexkey:${hex(key)}`, `hexinfo:${hex(info)}`], 'SSKDF');
    expect(hex(kdfe(nodeTpmCrypto, alg, key, label, u, v, bits))).toBe(theirs);
    expect(theirs).toHaveLength(bits / 4);
  }
});
