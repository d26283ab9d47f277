/** The EK certificate chain of a simulated TPM, checked by OpenSSL; what the TPM itself holds, read by tpm2-tools. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runToEnd } from '../../../simulators/demo/child-process.ts';
import { openSimulatedTpm, type SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { equalBytes } from '../../../src/base/bytes.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { tpm2 } from '../../support/tpm-tools.ts';

let dir: TempDir;
let tpm: SimulatedTpm;

beforeAll(async () => {
  dir = makeTempDir('tpm-vendor');
  tpm = await openSimulatedTpm({ dir: dir.file('one'), name: 'gw-0001' });
});

afterAll(async () => {
  await tpm.powerOff();
  dir.remove();
});

async function verify(root: string, issuer: string, der: Uint8Array): Promise<string> {
  writeFileSync(dir.file('ek.der'), der);
  // The subject alternative name is critical and its form is TCG's: OpenSSL does not know it.
  const args = ['verify', '-ignore_critical', '-x509_strict', '-CAfile', root, '-untrusted', issuer];
  const { code, out, err } = await runToEnd('openssl', [...args, dir.file('ek.der')]);
  return code === 0 ? 'good' : out + err;
}

test('OpenSSL builds the chain from each EK certificate through the issuer to the root', async () => {
  const { vendor, ekCertificates } = tpm;
  expect(ekCertificates.map(({ kind }) => kind)).toEqual(['p384', 'rsa2048']);
  for (const { der } of ekCertificates) expect(await verify(vendor.rootPath, vendor.issuerPath, der)).toBe('good');
});

test('the root of another vendor does not vouch for it', async () => {
  const other = await openSimulatedTpm({ dir: dir.file('other') });
  await other.powerOff();
  const [p384] = tpm.ekCertificates;
  expect(await verify(other.vendor.rootPath, tpm.vendor.issuerPath, p384?.der ?? new Uint8Array(0))).toMatch(/error/);
});

test('the certificates in the reserved NV indices are those files, for the keys that the TPM holds', async () => {
  const handles = { p384: ['0x01c00016', '0x81010016'], rsa2048: ['0x01c00002', '0x81010001'] } as const;
  for (const { kind, der } of tpm.ekCertificates) {
    const [index, handle] = handles[kind];
    await tpm2(tpm, 'nvread', index, '-C', 'o', '-o', dir.file('nv.der'));
    await tpm2(tpm, 'readpublic', '-c', handle, '-f', 'pem', '-o', dir.file('ek.pem'));
    const { publicKey, subject } = new X509Certificate(der);
    expect(equalBytes(new Uint8Array(readFileSync(dir.file('nv.der'))), der)).toBe(true);
    expect(publicKey.export({ type: 'spki', format: 'pem' })).toBe(readFileSync(dir.file('ek.pem'), 'utf8'));
    expect(subject).toBe('CN=gw-0001');
  }
});

test('the root lies alone in a directory that an enrolment service can be given', () => {
  expect(readdirSync(dirname(tpm.vendor.rootPath))).toEqual(['simulated-tpm-root.pem']);
  expect(new X509Certificate(readFileSync(tpm.vendor.rootPath)).ca).toBe(true);
});

test('nobody else may read the keys of the vendor and the seeds of the TPM', () => {
  for (const path of [tpm.dir, tpm.vendor.dir]) expect(statSync(path).mode & 0o077).toBe(0);
});
