/**
 * The vendor roots that an operator believes, from a directory:
 *
 *     <ek_roots>/hardware/*.pem     roots and intermediates of vendors whose TPMs are chips or processor firmware
 *     <ek_roots>/emulated/*.pem     those of swtpm, of clouds and of hypervisors: what they certify can be cloned
 *
 * A file holds one certificate or several. Self-signed ones are roots, others only lead to one.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing } from '../../platform/durable-file.ts';
import { readCertificate } from './certificate.ts';
import { type Authority, isRoot, type RootClass } from './chain.ts';

const CLASSES: readonly RootClass[] = ['hardware', 'emulated'];
const FILE_BYTES_MAX = 1_048_576;
const FILES_MAX = 1_000;
const BLOCK = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]*?)-----END CERTIFICATE-----/g;

/** Rejects with CONFIG_INVALID, all problems named at once. */
export async function loadAuthorities(directory: string): Promise<readonly Authority[]> {
  const problems: string[] = [];
  const authorities: Authority[] = [];
  for (const rootClass of CLASSES) {
    for (const path of await filesOf(join(directory, rootClass), problems)) {
      for (const certificate of await certificatesOf(path, problems)) {
        authorities.push({ certificate, class: rootClass });
      }
    }
  }
  if (problems.length === 0 && !authorities.some(({ certificate }) => isRoot(certificate))) {
    problems.push(`expected a root certificate in ${join(directory, 'hardware')} or emulated beside it, found none`);
  }
  if (problems.length > 0) {
    throw new LatchkeyError(
      'CONFIG_INVALID',
      `the roots of TPM vendors:${problems.map((line) => `\n  ${line}`).join('')}`,
    );
  }
  return authorities;
}

async function filesOf(directory: string, problems: string[]): Promise<readonly string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => !name.startsWith('.')).sort();
    if (names.length > FILES_MAX) problems.push(`${directory}: expected at most ${FILES_MAX} files`);
    return names.slice(0, FILES_MAX).map((name) => join(directory, name));
  } catch (error) {
    if (!isMissing(error)) problems.push(messageOf(error));
    return [];
  }
}

async function certificatesOf(path: string, problems: string[]) {
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw new Error(`expected at most ${FILE_BYTES_MAX} bytes, found ${size}`);
    const blocks = [...(await readFile(path, 'latin1')).matchAll(BLOCK)];
    if (blocks.length === 0) throw new Error('expected certificates in PEM, found none');
    return blocks.map(([, base64 = ''], i) => {
      const certificate = readCertificate(Uint8Array.from(Buffer.from(base64, 'base64')));
      if (certificate === undefined) throw new Error(`certificate ${i + 1} of ${blocks.length} cannot be read`);
      if (!certificate.isAuthority) throw new Error(`certificate ${i + 1} of ${blocks.length} is not of an authority`);
      return certificate;
    });
  } catch (error) {
    problems.push(`${path}: ${messageOf(error)}`);
    return [];
  }
}
