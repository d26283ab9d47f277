/** The programs that a simulated TPM is made of: found through PATH, and named with their Debian packages when absent. */
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { LatchkeyError } from '../../src/base/errors.ts';

const PACKAGES = {
  swtpm: 'swtpm',
  swtpm_setup: 'swtpm-tools',
  swtpm_localca: 'swtpm-tools',
  openssl: 'openssl',
  setpriv: 'util-linux',
  setsid: 'util-linux',
} as const;

export type TpmProgram = keyof typeof PACKAGES;

/** Absolute path of each program. */
export type TpmPrograms = Readonly<Record<TpmProgram, string>>;

/** Throws NEEDS_MISSING, which names every missing program and the packages that bring them. */
export function findTpmPrograms(path = process.env['PATH'] ?? ''): TpmPrograms {
  const folders = path.split(delimiter).filter(isAbsolute);
  const found: Partial<Record<TpmProgram, string>> = {};
  const missing: TpmProgram[] = [];
  for (const program of Object.keys(PACKAGES) as TpmProgram[]) {
    const place = folders.map((folder) => join(folder, program)).find(executable);
    if (place === undefined) missing.push(program);
    else found[program] = place;
  }
  if (missing.length === 0) return found as TpmPrograms;
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))];
  throw new LatchkeyError(
    'NEEDS_MISSING',
    `a simulated TPM needs ${missing.join(', ')}, not found in PATH: apt-get install ${packages.join(' ')}`,
  );
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
