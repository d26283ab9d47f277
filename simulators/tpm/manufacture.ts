/**
 * Makes a TPM as a factory does: swtpm_setup creates the endorsement keys, has the vendor sign their certificates and
 * writes these into the NV indices that TCG reserves for them (RSA-2048 and P-384; swtpm 0.7.1 makes no P-256 EK).
 *
 * It gets settings of its own: the packaged ones write below /var/lib, where an ordinary user may not.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError } from '../../src/base/errors.ts';
import { runToEnd } from '../demo/child-process.ts';
import type { TpmPrograms } from './needs.ts';
import type { TpmVendor } from './vendor.ts';

export interface EkCertificate {
  readonly kind: 'rsa2048' | 'p384';
  readonly path: string;
  readonly der: Uint8Array;
}

export interface ManufacturedTpm {
  /** swtpm's state directory. */
  readonly stateDir: string;
  readonly ekDir: string;
}

/** Where the parts of the TPM in `dir` lie, made or not. */
export function tpmPlaces(dir: string): ManufacturedTpm {
  return { stateDir: join(dir, 'state'), ekDir: join(dir, 'ek') };
}

/** The TPM in `dir`, made when it is not there. `name` becomes the subject of its EK certificates. */
export async function manufacture(
  dir: string,
  name: string,
  vendor: TpmVendor,
  programs: TpmPrograms,
): Promise<ManufacturedTpm> {
  const places = tpmPlaces(dir);
  if (existsSync(places.stateDir)) return places;
  const making = join(dir, `making-${randomBytes(4).toString('hex')}`);
  const file = (part: string): string => join(making, part);
  for (const part of ['state', 'ek', 'temporary']) mkdirSync(file(part), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file('localca.conf'), localcaSettings(vendor));
    writeFileSync(file('localca.options'), '');
    writeFileSync(file('setup.conf'), setupSettings(file, programs));
    const { code, out, err } = await runToEnd(
      programs.swtpm_setup,
      [
        ...['--tpm2', '--tpm', `${programs.swtpm} socket`, '--tpmstate', file('state'), '--config', file('setup.conf')],
        ...['--create-ek-cert', '--lock-nvram', '--vmid', name, '--write-ek-cert-files', file('ek')],
      ],
      { env: { TMPDIR: file('temporary') } },
    );
    if (code !== 0) {
      throw new LatchkeyError('INTERNAL', `swtpm_setup ended with ${code}: ${`${out}\n${err}`.trim().slice(-800)}`);
    }
    rmSync(places.ekDir, { recursive: true, force: true });
    renameSync(file('ek'), places.ekDir);
    // Last: its presence says that the TPM is whole.
    renameSync(file('state'), places.stateDir);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return places;
}

/** The EK certificates as their vendor signed them, P-384 first: the one to prefer. */
export function readEkCertificates(ekDir: string): readonly EkCertificate[] {
  const files = { p384: 'ek-secp384r1.crt', rsa2048: 'ek-rsa2048.crt' } as const;
  return (['p384', 'rsa2048'] as const).map((kind) => {
    const path = join(ekDir, files[kind]);
    return { kind, path, der: new Uint8Array(readFileSync(path)) };
  });
}

function localcaSettings(vendor: TpmVendor): string {
  return [
    `statedir = ${vendor.dir}`,
    `signingkey = ${vendor.issuerKeyPath}`,
    `issuercert = ${vendor.issuerPath}`,
    `certserial = ${join(vendor.dir, 'certserial')}`,
    '',
  ].join('\n');
}

function setupSettings(file: (part: string) => string, programs: TpmPrograms): string {
  return [
    `create_certs_tool = ${programs.swtpm_localca}`,
    `create_certs_tool_config = ${file('localca.conf')}`,
    `create_certs_tool_options = ${file('localca.options')}`,
    'active_pcr_banks = sha256',
    '',
  ].join('\n');
}
