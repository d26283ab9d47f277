/**
 * The maker of simulated TPMs: a root and an intermediate of our own (P-256), which vouch for their EK certificates as a
 * chip vendor does. Their keys lie beside them in the clear: whoever believes this root believes everybody.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError } from '../../src/base/errors.ts';
import { runToEnd } from '../demo/child-process.ts';
import type { TpmPrograms } from './needs.ts';

export interface TpmVendor {
  readonly dir: string;
  /** PEM: what an enrolment service must believe, and keep in its directory of vendor roots. */
  readonly rootPath: string;
  /** PEM: between the root and every EK certificate. */
  readonly issuerPath: string;
  /** For swtpm_localca, which signs the EK certificates. */
  readonly issuerKeyPath: string;
}

const DAYS = '36500';
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
/** RFC 5280 section 4.2.1: only certificates may be signed with these keys, and the issuer may not appoint another. */
const EXTENSIONS = {
  root: ['basicConstraints=critical,CA:TRUE,pathlen:1', 'subjectKeyIdentifier=hash'],
  issuer: [
    'basicConstraints=critical,CA:TRUE,pathlen:0',
    'subjectKeyIdentifier=hash',
    'authorityKeyIdentifier=keyid:always',
  ],
  both: ['keyUsage=critical,keyCertSign,cRLSign'],
};

/** The vendor in `dir`, made when it is not there. */
export async function openTpmVendor(dir: string, programs: TpmPrograms): Promise<TpmVendor> {
  const vendor: TpmVendor = {
    dir,
    rootPath: join(dir, 'roots', 'simulated-tpm-root.pem'),
    issuerPath: join(dir, 'issuer.pem'),
    issuerKeyPath: join(dir, 'issuer.key'),
  };
  if (existsSync(vendor.rootPath)) return vendor;
  // Made aside and renamed, so that a vendor is either whole or not there.
  const making = `${dir}.making-${randomBytes(4).toString('hex')}`;
  mkdirSync(join(making, 'roots'), { recursive: true, mode: 0o700 });
  try {
    await makeCertificates(making, programs.openssl);
    renameSync(making, dir);
  } catch (error) {
    // Another process may have been faster; its vendor is as good.
    if (!existsSync(vendor.rootPath)) throw error;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return vendor;
}

async function makeCertificates(dir: string, openssl: string): Promise<void> {
  const file = (name: string): string => join(dir, name);
  const settings = ['[req]', 'distinguished_name=dn', '[dn]', '[root]', ...EXTENSIONS.root, ...EXTENSIONS.both];
  writeFileSync(
    file('openssl.cnf'),
    [...settings, '[issuer]', ...EXTENSIONS.issuer, ...EXTENSIONS.both, ''].join('\n'),
  );
  const root = file('roots/simulated-tpm-root.pem');
  await run(openssl, [
    ...['req', '-x509', '-config', file('openssl.cnf'), '-extensions', 'root', ...KEY, '-days', DAYS],
    ...['-subj', '/CN=Latchkey simulated TPM root', '-keyout', file('root.key'), '-out', root],
  ]);
  await run(openssl, [
    ...['req', '-new', '-config', file('openssl.cnf'), ...KEY, '-subj', '/CN=Latchkey simulated TPM issuer'],
    ...['-keyout', file('issuer.key'), '-out', file('issuer.csr')],
  ]);
  await run(openssl, [
    ...['x509', '-req', '-in', file('issuer.csr'), '-CA', root, '-CAkey', file('root.key'), '-set_serial', '2'],
    ...['-days', DAYS, '-extfile', file('openssl.cnf'), '-extensions', 'issuer', '-out', file('issuer.pem')],
  ]);
  for (const done of ['openssl.cnf', 'issuer.csr']) rmSync(file(done));
}

async function run(openssl: string, args: readonly string[]): Promise<void> {
  const { code, err } = await runToEnd(openssl, args);
  if (code !== 0) throw new LatchkeyError('INTERNAL', `openssl ${args[0]} ended with ${code}: ${err.slice(-500)}`);
}
