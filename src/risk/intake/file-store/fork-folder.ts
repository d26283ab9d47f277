/**
 * Both sides of each fork, kept as proof: `<12 hex>-theirs`, `<12 hex>-ours`, named by the hash of what was refused, so
 * the same bytes are kept once however often they come.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hex } from '../../../base/bytes.ts';
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import { makeDirectory, removeTemporary, writeFileDurably } from '../../../platform/durable-file.ts';
import { FORK_BYTES_MAX, FORKS_MAX, type ForkProof } from '../store.ts';

export class ForkFolder {
  readonly #crypto: EvidenceCrypto;
  readonly #path: string;
  #names = new Set<string>();

  constructor(crypto: EvidenceCrypto, path: string) {
    this.#crypto = crypto;
    this.#path = path;
  }

  get count(): number {
    return this.#names.size;
  }

  async recover(): Promise<void> {
    const names = await readdir(this.#path).catch(() => []);
    await removeTemporary(this.#path, names);
    this.#names = new Set(names.filter((name) => name.endsWith('-theirs')).map((name) => name.slice(0, -7)));
  }

  async keep(fork: ForkProof): Promise<'kept' | 'known' | 'full'> {
    const name = `${fork.kind}-${hex(this.#crypto.sha256(fork.theirs)).slice(0, 12)}`;
    if (this.#names.has(name)) return 'known';
    if (this.#names.size >= FORKS_MAX) return 'full';
    await makeDirectory(this.#path);
    // `theirs` is written last: a pair counts only when both sides are there.
    await writeFileDurably(join(this.#path, `${name}-ours`), fork.ours.subarray(0, FORK_BYTES_MAX));
    await writeFileDurably(join(this.#path, `${name}-theirs`), fork.theirs.subarray(0, FORK_BYTES_MAX));
    this.#names.add(name);
    return 'kept';
  }
}
