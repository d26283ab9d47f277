/**
 * Whether parcels are named by pseudonym or in clear text, and the keys of the pseudonyms.
 *
 * Keys are files that the operator loads ahead, usually one a month: `<key id>.key` with 64 hex digits. The newest is the
 * one whose id sorts last; the box's clock never chooses, since it may be wrong.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { unhex } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { ReferenceKey } from '../../evidence/event/reference.ts';

const KEY_FILE = /^([a-z0-9][a-z0-9-]{0,11})\.key$/;
const KEY_BYTES = 32;

export const referenceSettingsSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('clear') }).describe('tracking numbers stand in the log as they were scanned'),
  z
    .strictObject({
      kind: z.literal('pseudonym'),
      keys_dir: z
        .string()
        .max(4_096)
        .regex(/^\/[^\0]*$/, 'an absolute path'),
    })
    .describe('only keyed hashes leave the box; files <key id>.key of 64 hex digits, mode 0600'),
]);

export type ReferenceSettings = z.infer<typeof referenceSettingsSchema>;

/** Every key, oldest first; empty for clear text. Throws KEY_PERMISSIONS, CONFIG_UNREADABLE or CONFIG_INVALID. */
export function loadReferenceKeys(settings: ReferenceSettings): readonly ReferenceKey[] {
  if (settings.kind === 'clear') return [];
  const names = namesIn(settings.keys_dir);
  if (names.length === 0) {
    const expected = 'expected at least one file <key id>.key of 64 hex digits';
    throw new LatchkeyError('CONFIG_INVALID', `references.keys_dir ${settings.keys_dir}: ${expected}, found none`);
  }
  return names.map((name) => keyIn(join(settings.keys_dir, name), name));
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
      .filter((name) => KEY_FILE.test(name))
      .sort();
  } catch (error) {
    throw new LatchkeyError('CONFIG_UNREADABLE', `references.keys_dir: ${messageOf(error)}`);
  }
}

function keyIn(path: string, name: string): ReferenceKey {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected mode 0600, found 0${mode.toString(8)}`);
  }
  const key = unhex(readFileSync(path, 'latin1').trim());
  if (key?.length !== KEY_BYTES) {
    throw new LatchkeyError(
      'CONFIG_INVALID',
      `${path}: expected ${2 * KEY_BYTES} lowercase hex digits, found something else`,
    );
  }
  return { id: KEY_FILE.exec(name)?.[1] ?? '', key };
}
