/** Looks for secrets in files and texts: raw, hex, base64, base64url, wherever they begin in a run of base64. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Fewer bytes are found by chance. */
const SECRET_BYTES_MIN = 16;

/** The spellings that do not depend on what stands around the secret. */
export function spellingsOf(secret: Uint8Array): readonly Buffer[] {
  if (secret.length < SECRET_BYTES_MIN) throw new Error(`a secret of at least ${SECRET_BYTES_MIN} bytes`);
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const texts = [hex, hex.toUpperCase()];
  for (const before of [0, 1, 2]) {
    // Three bytes make four characters: the first and the last ones mix with the neighbours.
    const whole = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const inner = whole.slice(Math.ceil((8 * before) / 6), Math.floor((8 * (before + bytes.length)) / 6));
    texts.push(inner, inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [bytes, ...texts.map((text) => Buffer.from(text, 'latin1'))];
}

/** Names of the secrets that lie in these bytes. */
export function secretsIn(where: Uint8Array, secrets: Readonly<Record<string, Uint8Array>>): readonly string[] {
  const hay = Buffer.from(where.buffer, where.byteOffset, where.length);
  return Object.entries(secrets)
    .filter(([, secret]) => spellingsOf(secret).some((spelling) => hay.includes(spelling)))
    .map(([name]) => name);
}

/** `file: secret` for everything below the folder. */
export function secretsBelow(folder: string, secrets: Readonly<Record<string, Uint8Array>>): readonly string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.push(...secretsIn(readFileSync(path), secrets).map((name) => `${path}: ${name}`));
  }
  return found;
}
