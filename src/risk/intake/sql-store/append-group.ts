/**
 * A group of ranges in as few statements as one range takes: what is held around all of them is read at once, each is
 * judged by itself against that and against those of the group before it, and what may be stored is stored together.
 *
 * The caller holds the rows of all logs that are meant, so nothing that is read here changes before the end.
 */
import { sql } from 'kysely';
import { equalBytes } from '../../../base/bytes.ts';
import { send } from '../../store/sending.ts';
import type { AppendAnswer, RangeAppend } from '../store.ts';
import { columnsOf, plain, rootsOf } from './rows.ts';
import { gatewayOf, type LockedLog, type Owner, type Trx } from './statements.ts';

/** Entries of one INSERT. */
const ENTRIES_AT_ONCE = 4_000;

/** A range as far as its neighbours ask for it. */
interface Edges {
  readonly first: number;
  readonly end: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** What is held around a range. Ranges are disjoint: the last that begins before its end tells all. */
interface Around {
  readonly last: Pick<Edges, 'first' | 'end' | 'after'> | undefined;
  /** Roots before the one that begins where the range ends. */
  readonly next: Uint8Array | undefined;
}

interface Placed {
  readonly range: RangeAppend;
  /** Of its first entry, in order of arrival. */
  readonly position: number;
}

export async function appendGroup(
  trx: Trx,
  ranges: readonly RangeAppend[],
  logs: ReadonlyMap<string, LockedLog>,
  owner: Owner,
): Promise<readonly AppendAnswer[]> {
  const around = await readAround(trx, ranges);
  const group = new Group(logs);
  const answers = ranges.map((range, i) => group.take(range, around[i] ?? { last: undefined, next: undefined }));
  if (group.placed.length > 0) await store(trx, group, owner);
  return answers;
}

class Group {
  readonly placed: Placed[] = [];
  /** By origin, as they will be. */
  readonly counts = new Map<string, { positions: number; carried: number }>();
  readonly #logs: ReadonlyMap<string, LockedLog>;
  readonly #taken = new Map<string, Edges[]>();

  constructor(logs: ReadonlyMap<string, LockedLog>) {
    this.#logs = logs;
  }

  take(range: RangeAppend, held: Around): Exclude<AppendAnswer, 'fenced' | 'refused'> {
    const own = edgesOf(range);
    const taken = this.#taken.get(range.origin) ?? [];
    const last = taken.filter(({ first }) => first < own.end).reduce(later, held.last);
    if (last !== undefined && last.end > own.first) return 'conflict';
    const grown = last?.end === own.first ? last : undefined;
    if (range.opens !== (grown === undefined)) return 'conflict';
    if (grown !== undefined && !equalBytes(grown.after, own.before)) return 'conflict';
    const next = taken.find(({ first }) => first === own.end)?.before ?? held.next;
    if (next !== undefined && !equalBytes(next, own.after)) return 'fork';
    this.#taken.set(range.origin, [...taken, own]);
    this.#place(range);
    return 'stored';
  }

  #place(range: RangeAppend): void {
    const { origin, rows } = range;
    const { positions, carried } = this.counts.get(origin) ?? this.#logs.get(origin) ?? { positions: 0, carried: 0 };
    this.placed.push({ range, position: positions });
    this.counts.set(origin, {
      positions: positions + rows.length,
      carried: carried + rows.filter(({ carries }) => carries !== undefined).length,
    });
  }
}

function later(a: Around['last'], b: Edges): Around['last'] {
  return a === undefined || a.first < b.first ? b : a;
}

function edgesOf({ before, after }: RangeAppend): Edges {
  return { first: before.size, end: after.size, before: rootsOf(before), after: rootsOf(after) };
}

interface AroundRow {
  readonly first: number | null;
  readonly end_size: number | null;
  readonly after_roots: Uint8Array | null;
  readonly next_roots: Uint8Array | null;
}

/** One answer for each range, in order. Both lookups are single steps into the primary key, however long the log is. */
async function readAround(trx: Trx, ranges: readonly RangeAppend[]): Promise<readonly Around[]> {
  const { rows } = await sql<AroundRow>`
    select l.first, l.end_size, l.after_roots, x.next_roots
    from unnest(${ranges.map(({ origin }) => origin)}::text[], ${ranges.map(({ after }) => after.size)}::bigint[])
      with ordinality as w (origin, size, i)
    left join lateral (select first, end_size, after_roots from custody.range
      where origin = w.origin and first < w.size order by first desc limit 1) l on true
    left join lateral (select before_roots as next_roots from custody.range
      where origin = w.origin and first = w.size limit 1) x on true
    order by w.i`.execute(trx);
  return rows.map(({ first, end_size, after_roots, next_roots }) => ({
    last:
      first === null || end_size === null || after_roots === null
        ? undefined
        : { first, end: end_size, after: plain(after_roots) },
    next: next_roots === null ? undefined : plain(next_roots),
  }));
}

/** Nobody waits for any but the last, with which the commit leaves. */
async function store(trx: Trx, { placed, counts }: Group, owner: Owner): Promise<void> {
  const logs = [...counts];
  await send(
    trx,
    sql`update custody.log l set positions = w.positions, carried = w.carried
      from unnest(${logs.map(([origin]) => origin)}::text[], ${logs.map(([, { positions }]) => positions)}::bigint[],
        ${logs.map(([, { carried }]) => carried)}::bigint[]) as w (origin, positions, carried)
      where l.origin = w.origin`,
    { name: 'intake_grow_logs', when: 'later' },
  );
  await insertRanges(trx, placed, owner);
  const entries = placed.flatMap(entriesOf);
  for (let from = 0; from < entries.length; from += ENTRIES_AT_ONCE) {
    const isLast = from + ENTRIES_AT_ONCE >= entries.length;
    await insertEntries(trx, entries.slice(from, from + ENTRIES_AT_ONCE), owner, isLast ? 'last' : 'later');
  }
}

async function insertRanges(trx: Trx, placed: readonly Placed[], { tenant, region }: Owner): Promise<void> {
  const edges = placed.map(({ range }) => edgesOf(range));
  await send(
    trx,
    sql`insert into custody.range
        (origin, first, end_size, before_roots, after_roots, note, position, tenant, region)
      select w.*, ${tenant}::text, ${region}::text
      from unnest(${placed.map(({ range }) => range.origin)}::text[], ${edges.map(({ first }) => first)}::bigint[],
        ${edges.map(({ end }) => end)}::bigint[], ${edges.map(({ before }) => before)}::bytea[],
        ${edges.map(({ after }) => after)}::bytea[], ${placed.map(({ range }) => range.note ?? null)}::bytea[],
        ${placed.map(({ position }) => position)}::bigint[]) as w`,
    { name: 'intake_insert_ranges', when: 'later' },
  );
}

type Entry = ReturnType<typeof entriesOf>[number];

function entriesOf({ range, position }: Placed) {
  const { origin, before, rows, storedAtMs } = range;
  const about = { origin, gateway: gatewayOf(origin), stored_at: new Date(storedAtMs).toISOString() };
  return rows.map((row, i) => ({
    ...about,
    ...columnsOf(row.use),
    n: before.size + i,
    position: position + i,
    leaf_hash: row.leafHash,
    leaf: row.leaf ?? null,
    carries: row.carries ?? null,
  }));
}

async function insertEntries(
  trx: Trx,
  entries: readonly Entry[],
  { tenant, region }: Owner,
  when: 'later' | 'last',
): Promise<void> {
  const column = <K extends keyof Entry>(name: K): Entry[K][] => entries.map((entry) => entry[name]);
  await send(
    trx,
    sql`insert into custody.entry (stored_at, origin, n, position, gateway, leaf_hash, leaf, status, why, paths,
        of_origin, of_n, withheld_why, carries, tenant, region)
      select w.stored_at, w.origin, w.n, w.position, w.gateway, w.leaf_hash, w.leaf, w.status, w.why, w.paths::jsonb,
        w.of_origin, w.of_n, w.withheld_why, w.carries, ${tenant}::text, ${region}::text
      from unnest(${column('stored_at')}::timestamptz[], ${column('origin')}::text[], ${column('n')}::bigint[],
        ${column('position')}::bigint[], ${column('gateway')}::text[], ${column('leaf_hash')}::bytea[],
        ${column('leaf')}::bytea[], ${column('status')}::text[], ${column('why')}::text[], ${column('paths')}::text[],
        ${column('of_origin')}::text[], ${column('of_n')}::bigint[], ${column('withheld_why')}::text[],
        ${column('carries')}::bytea[]) as w (stored_at, origin, n, position, gateway, leaf_hash, leaf, status, why,
        paths, of_origin, of_n, withheld_why, carries)`,
    { name: 'intake_insert_entries', when },
  );
}
