/**
 * The text of a checkpoint: C2SP tlog-checkpoint, without extension lines.
 */
import { assert } from '../../base/assert.ts';
import { base64, unbase64 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { isKeyName } from './key-name.ts';
import { HASH_BYTES } from './tree.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** `origin\nsize\nroot\n`: exactly the bytes that a log key signs. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root } = checkpoint;
  assert(isKeyName(origin), 'an origin is a key name');
  assert(Number.isSafeInteger(size) && size >= 0, `checkpoint size ${size}`);
  assert(root.length === HASH_BYTES, `root of ${root.length} bytes`);
  return `${origin}\n${size}\n${base64(root)}\n`;
}

/** Three lines and nothing else; no leading zero, canonical base64. The origin's own grammar is not looked at. */
export function parseCheckpoint(text: string): Result<Checkpoint, 'checkpoint'> {
  const lines = text.split('\n');
  const [origin = '', sizeText = '', rootText = '', rest] = lines;
  if (lines.length !== 4 || rest !== '') return refuse('checkpoint', `expected 3 lines, found ${lines.length - 1}`);
  if (!isKeyName(origin)) return refuse('checkpoint', 'the origin is empty or holds a space or a plus');
  const size = /^(0|[1-9][0-9]{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN;
  if (!Number.isSafeInteger(size)) return refuse('checkpoint', 'the size is not a decimal number up to 2^53 - 1');
  const root = rootText.length === 44 ? unbase64(rootText) : undefined;
  if (root?.length !== HASH_BYTES) return refuse('checkpoint', 'the root is not 32 bytes of canonical base64');
  return accept({ origin, size, root });
}
