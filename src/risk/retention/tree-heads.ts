/** One digest over the heads of logs as they are stored: what retention and erasure must leave as it was. */
import type { Transaction } from 'kysely';
import { base64, hex, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { TreeBuilder } from '../../evidence/log/tree.ts';
import type { Database } from '../store/schema.ts';

const HASH_BYTES = 32;

/** Of every segment that these logs hold, computed from its leaf hashes where those are kept, and from its roots where not. */
export async function digestOfHeads(
  trx: Transaction<Database>,
  crypto: EvidenceCrypto,
  origins: readonly string[],
): Promise<string> {
  if (origins.length === 0) return hex(crypto.sha256(new Uint8Array()));
  const ranges = await trx
    .selectFrom('custody.range')
    .select(['origin', 'first', 'end_size', 'before_roots', 'after_roots'])
    .where('origin', 'in', [...origins])
    .orderBy('origin')
    .orderBy('first')
    .execute();
  const lines: string[] = [];
  for (const { origin, first, end_size, before_roots, after_roots } of ranges) {
    const tree = new TreeBuilder(crypto, { size: first, roots: rootsIn(before_roots) });
    const rows = await trx
      .selectFrom('custody.entry')
      .select('leaf_hash')
      .where('origin', '=', origin)
      .where('n', '>=', first)
      .where('n', '<', end_size)
      .orderBy('n')
      .execute();
    for (const { leaf_hash } of rows) tree.push(Uint8Array.from(leaf_hash));
    const isWhole = rows.length === end_size - first;
    const end = isWhole ? tree : new TreeBuilder(crypto, { size: end_size, roots: rootsIn(after_roots) });
    lines.push(`${origin} ${end_size} ${base64(end.root())}\n`);
  }
  return hex(crypto.sha256(utf8(lines.join(''))));
}

/** Of all logs, by their roots alone: cheap, whatever they hold. */
export async function digestOfRoots(trx: Transaction<Database>, crypto: EvidenceCrypto): Promise<string> {
  const ranges = await trx
    .selectFrom('custody.range')
    .distinctOn('origin')
    .select(['origin', 'end_size', 'after_roots'])
    .orderBy('origin')
    .orderBy('end_size', 'desc')
    .execute();
  const lines = ranges.map(({ origin, end_size, after_roots }) => {
    const tree = new TreeBuilder(crypto, { size: end_size, roots: rootsIn(after_roots) });
    return `${origin} ${end_size} ${base64(tree.root())}\n`;
  });
  return hex(crypto.sha256(utf8(lines.join(''))));
}

function rootsIn(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) =>
    Uint8Array.from(bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
  );
}
