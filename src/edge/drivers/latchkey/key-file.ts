/**
 * What a gateway knows of one device, in a file of mode 0600: who it is, the key in use, the next key while it is rotated, the
 * highest boot number that was seen under it, how many events that boot had, and what was told of its counters (PROTOCOL.md sections 9 and 11). Replaced as a whole, durably, before
 * anything that relies on it is said on the wire.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { WireKey } from '../../../../firmware-protocol/codec/session.ts';
import { base64, hex, unbase64, unhex, utf8, utf8Text } from '../../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../../base/errors.ts';
import { isMissing, makeDirectory, writeFileDurably } from '../../../platform/durable-file.ts';
import type { ToldCounts } from './device-counts.ts';

const FILE_BYTES_MAX = 4_096;
const KEY_BYTES = 16;

export interface DeviceKeys {
  readonly identity: Uint8Array;
  readonly current?: WireKey;
  readonly next?: WireKey;
  readonly boot: number;
  /** Newest event number of that boot that is known here: at the last opening of a session or orderly stop. */
  readonly events?: number;
  /** What was told of its own counters in that boot. */
  readonly told?: ToldCounts;
}

const keySchema = z.strictObject({ number: z.int().min(1).max(65_535), key: z.string().max(24) });
const countSchema = z.int().min(0).max(0xffff_ffff);
const toldSchema = z.strictObject({
  forged: countSchema,
  replayed: countSchema,
  skipped: countSchema,
  dropped: countSchema,
});
const fileSchema = z.strictObject({
  latchkey_device_keys: z.literal(1),
  identity: z.string().regex(/^[0-9a-f]{16}$/),
  current: keySchema.exactOptional(),
  next: keySchema.exactOptional(),
  boot: z.int().min(0).max(0xffff_ffff),
  events: countSchema.exactOptional(),
  told: toldSchema.exactOptional(),
});

/** Undefined when there is no file. Throws KEY_PERMISSIONS when others may read it, KEY_LOST when it holds something else. */
export async function readDeviceKeys(path: string): Promise<DeviceKeys | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw new LatchkeyError('KEY_PERMISSIONS', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  });
  if (handle === undefined) return undefined;
  try {
    const { mode, uid } = await handle.stat();
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
      throw new LatchkeyError('KEY_PERMISSIONS', `${path}: expected a file of this user with mode 0600`);
    }
    const bytes = new Uint8Array(FILE_BYTES_MAX);
    const { bytesRead } = await handle.read(bytes, 0, FILE_BYTES_MAX, 0);
    const keys = parse(utf8Text(bytes.subarray(0, bytesRead)) ?? '');
    bytes.fill(0);
    if (keys === undefined)
      throw new LatchkeyError('KEY_LOST', `${path}: expected the keys of a device, found something else`);
    return keys;
  } finally {
    await handle.close();
  }
}

/** Resolves when it is on the disk. */
export async function writeDeviceKeys(path: string, keys: DeviceKeys): Promise<void> {
  const file = {
    latchkey_device_keys: 1,
    identity: hex(keys.identity),
    ...(keys.current !== undefined && { current: shown(keys.current) }),
    ...(keys.next !== undefined && { next: shown(keys.next) }),
    boot: keys.boot,
    ...(keys.events !== undefined && { events: keys.events }),
    ...(keys.told !== undefined && { told: keys.told }),
  };
  try {
    await makeDirectory(dirname(path));
    await writeFileDurably(path, utf8(`${JSON.stringify(file, null, 2)}\n`));
  } catch (error) {
    throw new LatchkeyError('STORE_IO', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function shown({ number, key }: WireKey): { number: number; key: string } {
  return { number, key: base64(key) };
}

function parse(text: string): DeviceKeys | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = fileSchema.safeParse(json);
  const identity = read.success ? unhex(read.data.identity) : undefined;
  if (!read.success || identity === undefined) return undefined;
  const current = keyOf(read.data.current);
  const next = keyOf(read.data.next);
  if (current === null || next === null) return undefined;
  const { boot, events, told } = read.data;
  return {
    identity,
    boot,
    ...(events !== undefined && { events }),
    ...(told !== undefined && { told }),
    ...(current && { current }),
    ...(next && { next }),
  };
}

/** Null when it is no key. */
function keyOf(saved: z.infer<typeof keySchema> | undefined): WireKey | undefined | null {
  if (saved === undefined) return undefined;
  const key = unbase64(saved.key);
  return key?.length === KEY_BYTES ? { number: saved.number, key } : null;
}
