/** Files of keys and secrets that the settings name: there, of the right owner, and nobody else's to read. */
import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadReferenceKeys } from '../../edge/gateway/references.ts';
import { type Check, fault, faultOf, sound } from './check.ts';
import type { KnownSettings } from './known-settings.ts';

export async function checkKeyFiles({ parts, whole }: KnownSettings): Promise<readonly Check[]> {
  const checks: Check[] = [];
  if (parts.references !== undefined) checks.push(checkReferences(parts.references));
  for (const { name, totp_file: secret, password_file: password } of parts.console?.people ?? []) {
    const makes = (command: string, path: string): string =>
      `"latchkey console ${command} ${path}" makes one, for the user of the daemon`;
    if (secret !== undefined) checks.push(await checkOwnFile(`key:${name}`, secret, makes('secret', secret)));
    if (password !== undefined) {
      checks.push(await checkOwnFile(`password:${name}`, password, makes('password', password)));
    }
  }
  for (const device of whole?.ports.flatMap((port) => port.devices) ?? []) {
    if (device.driver !== 'latchkey') continue;
    checks.push(await checkOwnFile(`key:${device.name}`, device.key_file, `"latchkey pair ${device.name}" makes it`));
  }
  if (parts.gateway !== undefined) checks.push(await checkLogKeys(join(parts.gateway.data_dir, 'keys')));
  return checks;
}

function checkReferences(references: NonNullable<KnownSettings['parts']['references']>): Check {
  const name = 'key-references';
  if (references.kind === 'clear') return sound(name, 'parcels stand in the log as they were scanned: no key');
  try {
    const keys = loadReferenceKeys(references);
    return sound(name, `keys of parcel names: ${keys.map(({ id }) => id).join(', ')}`);
  } catch (error) {
    const { found } = faultOf(name, error);
    const make = `"openssl rand -hex 32 > ${references.keys_dir}/2026-01.key", mode 0600, of the user of the daemon`;
    return fault(name, found, `mend what is named; a key is made by ${make}`);
  }
}

async function checkLogKeys(folder: string): Promise<Check> {
  const name = 'key-log';
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => error.code ?? 'unreadable');
  if (names === 'ENOENT') return sound(name, 'none yet: the first start makes them');
  if (typeof names === 'string') return fault(name, `${folder}: ${names}`, 'run this as the user of the daemon');
  for (const each of names) {
    if (each.endsWith('.tmp')) continue;
    const check = await checkOwnFile(
      name,
      join(folder, each),
      'the file must belong to the user of the daemon, mode 0600',
    );
    if (!check.ok) return check;
  }
  return sound(name, `${folder}: ${names.length} files, nobody else's to read`);
}

/** Never opens it: what it holds is none of the doctor's business. */
async function checkOwnFile(name: string, path: string, remedy: string): Promise<Check> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code ?? 'unreadable');
  if (typeof found === 'string') return fault(name, `expected a file at ${path}, found ${found}`, remedy);
  if (!found.isFile()) return fault(name, `expected a file at ${path}, found something else`, remedy);
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    return fault(name, `${path}: expected mode 0600, found ${mode}`, `"chmod 600 ${path}"`);
  }
  const isReadable = await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
  if (!isReadable)
    return fault(
      name,
      `${path}: user ${process.getuid?.()} may not read it`,
      'give it to the user of the daemon (chown), mode 0600',
    );
  return sound(name, `${path}: there, nobody else's to read`);
}
