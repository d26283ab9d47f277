/**
 * Which entries of this log stand for an entry of another one: original leaf hash and own index, a line each. Written
 * and synced before the commit that holds the entries, so a line whose entry is not held came from a torn commit.
 */
import { base64, unbase64, utf8, utf8Text } from '../../../base/bytes.ts';
import { AppendFile, writeFileDurably } from '../../../platform/durable-file.ts';

export interface CarriedLine {
  /** Leaf hash of the original entry. */
  readonly leaf: Uint8Array;
  readonly n: number;
}

export class CarriedFile {
  readonly #path: string;
  readonly #byLeaf = new Map<string, number>();
  #file: AppendFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads the file; lines whose entry is not held are dropped, from the file as well. */
  static async recover(path: string, isDurable: boolean, isHeld: (n: number) => boolean): Promise<CarriedFile> {
    const carried = new CarriedFile(path);
    const file = await AppendFile.open(path, { isDurable });
    let lines: readonly string[];
    try {
      lines = (utf8Text(await file.read(0, file.size)) ?? '').split('\n');
    } finally {
      await file.close();
    }
    const sound = lines.filter((line) => {
      const parsed = parseCarried(line);
      if (parsed === undefined || !isHeld(parsed.n)) return false;
      carried.#byLeaf.set(base64(parsed.leaf), parsed.n);
      return true;
    });
    // The text after the last newline is empty in a whole file, and torn otherwise.
    if (sound.length + 1 !== lines.length || lines.at(-1) !== '') {
      await writeFileDurably(path, utf8(sound.map((line) => `${line}\n`).join('')));
    }
    return carried;
  }

  get count(): number {
    return this.#byLeaf.size;
  }

  find(leaf: string): number | undefined {
    return this.#byLeaf.get(leaf);
  }

  /** Durable when it resolves. */
  async append(lines: readonly CarriedLine[]): Promise<void> {
    if (lines.length === 0) return;
    this.#file ??= await AppendFile.open(this.#path, { isDurable: true });
    await this.#file.append(lines.map((line) => utf8(`${JSON.stringify({ leaf: base64(line.leaf), n: line.n })}\n`)));
    for (const line of lines) this.#byLeaf.set(base64(line.leaf), line.n);
  }

  async release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }
}

function parseCarried(line: string): CarriedLine | undefined {
  try {
    const value = JSON.parse(line) as { readonly leaf?: unknown; readonly n?: unknown };
    const leaf = typeof value.leaf === 'string' ? unbase64(value.leaf) : undefined;
    return leaf?.length === 32 && typeof value.n === 'number' ? { leaf, n: value.n } : undefined;
  } catch {
    return undefined;
  }
}
