/**
 * The last tree of a log that may carry our cosignature: one line appended and synced before each new cosignature
 * leaves. The newest whole line counts.
 */
import { stat } from 'node:fs/promises';
import { base64, equalBytes, unbase64, utf8, utf8Text } from '../../../base/bytes.ts';
import { AppendFile, writeFileDurably } from '../../../platform/durable-file.ts';
import type { Cosigned } from '../store.ts';

/** Beyond this the file is written anew with its newest line alone. */
const COMPACT_BYTES = 65_536;

export class CosignedFile {
  readonly #path: string;
  #file: AppendFile | undefined;
  #last: Cosigned | undefined;
  #sizeBytes: number;

  private constructor(path: string, last: Cosigned | undefined, sizeBytes: number) {
    this.#path = path;
    this.#last = last;
    this.#sizeBytes = sizeBytes;
  }

  /** Reads the file, and cuts off a line that was not written to its end. */
  static async recover(path: string, isDurable: boolean): Promise<CosignedFile> {
    const file = await AppendFile.open(path, { isDurable });
    try {
      const bytes = await file.read(0, file.size);
      const whole = bytes.lastIndexOf(0x0a) + 1;
      const lines = (utf8Text(bytes.subarray(0, whole)) ?? '').split('\n').slice(0, -1);
      if (whole < file.size) await file.truncate(whole);
      const last = lines.at(-1);
      const cosigned = last === undefined ? undefined : parseCosigned(last);
      if (last !== undefined && cosigned === undefined) throw new Error(`${path}: its last line is damaged`);
      return new CosignedFile(path, cosigned, whole);
    } finally {
      await file.close();
    }
  }

  static fresh(path: string): CosignedFile {
    return new CosignedFile(path, undefined, 0);
  }

  get last(): Cosigned | undefined {
    return this.#last;
  }

  /** Durable when it resolves. After a rejection `cutBack` must succeed first. */
  async save(next: Cosigned): Promise<void> {
    const line = utf8(`${JSON.stringify({ note: base64(next.note), root: base64(next.root), size: next.size })}\n`);
    if (this.#sizeBytes + line.length > COMPACT_BYTES) {
      await this.release();
      await writeFileDurably(this.#path, line);
      this.#sizeBytes = line.length;
    } else {
      this.#file ??= await AppendFile.open(this.#path, { isDurable: true });
      await this.#file.append([line]);
      this.#sizeBytes = this.#file.size;
    }
    this.#last = next;
  }

  /** After a failure: takes back what may stand beyond the last durable line. */
  async cutBack(): Promise<void> {
    await this.release();
    if ((await stat(this.#path).catch(() => undefined)) === undefined) return;
    const file = await AppendFile.open(this.#path);
    try {
      if (file.size > this.#sizeBytes) await file.truncate(this.#sizeBytes);
    } finally {
      await file.close();
    }
  }

  async release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }
}

/** Same tree, whatever the note's spelling. */
export function sameTree(a: Cosigned | undefined, b: Cosigned | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && equalBytes(a.root, b.root);
}

function parseCosigned(line: string): Cosigned | undefined {
  try {
    const value = JSON.parse(line) as { readonly note?: unknown; readonly root?: unknown; readonly size?: unknown };
    const note = typeof value.note === 'string' ? unbase64(value.note) : undefined;
    const root = typeof value.root === 'string' ? unbase64(value.root) : undefined;
    if (note === undefined || root?.length !== 32 || typeof value.size !== 'number') return undefined;
    return { size: value.size, root, note };
  } catch {
    return undefined;
  }
}
