/**
 * The stretches of a log without a gap, as far as it is stored, each of one tree. What stands before the gap may be of another
 * tree than what stands behind it, and a proof that does not hold would refute a whole bundle.
 */
import { sql, type Transaction } from 'kysely';
import { utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type Checkpoint, parseCheckpoint } from '../../evidence/log/checkpoint.ts';
import { parseNote } from '../../evidence/log/note.ts';
import { verifyConsistency, verifyInclusion } from '../../evidence/log/proofs.ts';
import { leafHash } from '../../evidence/log/tree.ts';
import type { BundleEntry, BundleLog } from '../../evidence/verify/bundle.ts';
import { parseTlogProof } from '../../evidence/verify/tlog-proof.ts';
import type { Database } from '../store/schema.ts';

/** Entries [first, end). */
export interface StoredStretch {
  readonly first: number;
  readonly end: number;
}

/** Of a log without a gap, which is nearly every one, the last range alone is read. Ascending. */
export async function stretchesOf(trx: Transaction<Database>, origin: string): Promise<readonly StoredStretch[]> {
  const { rows } = await sql<{ readonly positions: number; readonly end: number | null }>`
    select l.positions, (select r.end_size from custody.range r where r.origin = l.origin order by r.first desc limit 1) as end
      from custody.log l where l.origin = ${origin}`.execute(trx);
  const [log] = rows;
  if (log === undefined || log.end === null) return [];
  if (log.positions === log.end) return [{ first: 0, end: log.end }];
  const found = await sql<StoredStretch>`
    select min(first) as first, max(end_size) as end from (
      select first, end_size, sum(opens) over (order by first) as stretch from (
        select first, end_size,
          case when first = lag(end_size) over (order by first) then 0 else 1 end as opens
          from custody.range where origin = ${origin}) r) s
      group by stretch order by 1`.execute(trx);
  return found.rows.map(({ first, end }) => ({ first: Number(first), end: Number(end) }));
}

/**
 * What of a stretch was looked through for mentions: from the first entry that retention left, to the first that nobody
 * has read yet.
 */
export async function searchedIn(
  trx: Transaction<Database>,
  origin: string,
  { first, end }: StoredStretch,
): Promise<StoredStretch> {
  const { rows } = await sql<{ readonly first: number | null; readonly unread: number | null }>`
    select (select e.n from custody.entry e where e.origin = ${origin} and e.n >= ${first} and e.n < ${end} order by e.n limit 1) as first,
      (select min(e.n) from custody.entry e where e.origin = ${origin} and e.n >= ${first} and e.n < ${end}
        and e.position >= coalesce((select r.position from custody.read_to r where r.origin = ${origin}), 0)) as unread`.execute(
    trx,
  );
  const [row] = rows;
  const from = Number(row?.first ?? end);
  return { first: from, end: Math.max(from, Number(row?.unread ?? end)) };
}

/** Whether every proof in it leads to its checkpoint, and each checkpoint goes on from the one before. */
export function isSound(crypto: EvidenceCrypto, { checkpoints, entries }: BundleLog): boolean {
  const read = checkpoints.map(({ note }) => checkpointOf(note));
  const goesOn = checkpoints.every(({ consistency }, i) => {
    const [old, next] = [read[i - 1], read[i]];
    if (next === undefined || i === 0) return next !== undefined;
    if (old === undefined) return false;
    const trees = { oldSize: old.size, oldRoot: old.root, newSize: next.size, newRoot: next.root };
    return verifyConsistency(crypto, { ...trees, proof: consistency });
  });
  return goesOn && entries.every((entry) => isIncluded(crypto, entry));
}

function isIncluded(crypto: EvidenceCrypto, { body, proof: text }: BundleEntry): boolean {
  const proof = parseTlogProof(text);
  const tree = proof.ok ? checkpointOf(proof.value.note) : undefined;
  if (!proof.ok || tree === undefined) return false;
  const hash = 'hash' in body ? body.hash : leafHash(crypto, utf8(body.leaf));
  const { index, hashes } = proof.value;
  return verifyInclusion(crypto, { leafHash: hash, index, size: tree.size, root: tree.root, proof: hashes });
}

function checkpointOf(note: string): Checkpoint | undefined {
  const parsed = parseNote(utf8(note));
  const checkpoint = parsed.ok ? parseCheckpoint(parsed.value.text) : undefined;
  return checkpoint?.ok ? checkpoint.value : undefined;
}
