/**
 * The ledger's own tables: which entries are about which parcel, read from the store's use stream, each entry once; and
 * the claims of declared sources. A parcel's ledger is folded from them anew at each question.
 */
import { sql, type Transaction } from 'kysely';
import { utf8Text } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { readTime } from '../../base/wall-time.ts';
import type { CustodyEvent } from '../../evidence/event/event.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { isTrusted } from '../../evidence/verify/entry-levels.ts';
import type { Assumption, ParcelFacts } from '../decision/facts.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import { send } from '../store/sending.ts';
import { awaitedAt } from './awaited.ts';
import { type EntryLevel, type LogProof, provedLevel, trustedOf } from './entry-level.ts';
import { foldParcel, type ParcelLedger } from './fold.ts';
import { noteOrder } from './gateway-order.ts';
import { grantsOf } from './grants.ts';
import { handsIn, handsOn } from './hands.ts';
import type { Claim, LedgerEntry, Surroundings } from './inputs.ts';
import { type EntryRow, inputsOf, type LogRow } from './ledger-inputs.ts';
import { type PhotosNamed, photoKeyOf, photosNamed, reusedIn } from './photos.ts';
import { codeKeyOf, EntryIndex, isAround, liesAfter, parcelsOf } from './select.ts';
import { LEDGER_DEFAULTS, type LedgerSettings } from './settings.ts';
import type { Place } from './state.ts';

export interface LedgerStoreParts {
  readonly database: RiskDatabase;
  readonly tenant: string;
  readonly region: string;
  /** How much an entry of a gateway counts; what its anchors prove unless given. */
  readonly levelOf?: (gateway: string, n: number, proof: LogProof) => EntryLevel;
  /** What of that, and of its clock, is the operator's word: beyond what is proved. */
  readonly assumptionOf?: (gateway: string) => Assumption | undefined;
  /** A gateway of which nothing was stored for so long is awaited; none is, for its silence alone, unless given. */
  readonly silentMs?: number;
  /** About one parcel: with more of them nothing is said of it. */
  readonly entriesMax?: number;
  /** Where lockers stand: without it nobody is seen to be in two places. */
  readonly sites?: NonNullable<Surroundings['sites']>;
  /** Its defaults unless given. */
  readonly settings?: LedgerSettings;
}

type Trx = Transaction<Database>;

const PAGE_ROWS = 1_000;
const ENTRIES_MAX = 20_000;

export class LedgerStore {
  readonly #parts: LedgerStoreParts;

  constructor(parts: LedgerStoreParts) {
    this.#parts = parts;
  }

  /** Reads on in every log, to what is stored now. Resolves with how many entries were read. */
  async catchUp(signal?: AbortSignal): Promise<number> {
    // Most have nothing new: all are compared in one statement, and those that have are read.
    const logs = await this.#parts.database.as('custody', (trx) =>
      trx
        .selectFrom('custody.log as l')
        .leftJoin('custody.read_to as r', 'r.origin', 'l.origin')
        .select(['l.origin', 'l.gateway'])
        .where(({ eb, fn, val, ref }) => eb(fn.coalesce('r.position', val(0)), '<', ref('l.positions')))
        .orderBy('l.origin')
        .execute(),
    );
    let read = 0;
    for (const { origin, gateway } of logs) {
      for (;;) {
        signal?.throwIfAborted();
        const count = await this.#parts.database.as('custody', (trx) => this.#readOn(trx, origin, gateway));
        read += count;
        if (count < PAGE_ROWS) break;
      }
    }
    return read;
  }

  /** The same claim again changes nothing. */
  async claim(parcel: string, claim: Claim, receivedAtMs: number): Promise<void> {
    const { database, tenant, region } = this.#parts;
    const row = {
      ref: claim.ref,
      parcel,
      at: new Date(claim.at_ms),
      received_at: new Date(receivedAtMs),
      body: JSON.stringify(claim.body),
      tenant,
      region,
    };
    await database.as('custody', (trx) =>
      trx
        .insertInto('custody.claim')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
  }

  async ledger(parcel: string, asOfMs: number, around: Surroundings = {}): Promise<ParcelLedger> {
    return this.#fold(parcel, await this.#read([parcel], asOfMs), asOfMs, around);
  }

  /** Of several parcels, in their order. */
  async ledgers(parcels: readonly string[], asOfMs: number): Promise<readonly ParcelLedger[]> {
    if (parcels.length === 0) return [];
    const inputs = await this.#read(parcels, asOfMs);
    return parcels.map((parcel) => this.#fold(parcel, inputs, asOfMs, {}));
  }

  #fold(parcel: string, { entries, claims, logs, photos }: Inputs, asOfMs: number, around: Surroundings): ParcelLedger {
    const about = entriesSeen(parcel, entries.about(parcel), photos);
    const told = [...about, ...(claims.get(parcel) ?? [])];
    const { sites, settings = LEDGER_DEFAULTS } = this.#parts;
    const known: Surroundings = { settings, ...(sites !== undefined && { sites }), ...around };
    const folded = foldParcel(parcel, told, asOfMs, known);
    const assumptions = this.#assumptions(about);
    const awaited = known.awaited ?? awaitedAt([...folded.places, ...suspected(folded.facts, about)], logs);
    // What a gateway owes may be the innocent cause of what its entries seem to contradict.
    const judged = awaited === undefined ? folded : foldParcel(parcel, told, asOfMs, { ...known, awaited });
    const facts: ParcelFacts = {
      ...judged.facts,
      ...(awaited !== undefined && { waiting_for: awaited }),
      ...(assumptions.length > 0 && { assumptions }),
    };
    return { facts, timeline: judged.timeline, hands: handsOn(facts, about) };
  }

  #levelOf(gateway: string, n: number, proof: LogProof): EntryLevel {
    return this.#parts.levelOf?.(gateway, n, proof) ?? provedLevel(n, proof);
  }

  #assumptions(entries: readonly LedgerEntry[]): readonly Assumption[] {
    const gateways = [...new Set(entries.map(({ gateway }) => gateway))].sort();
    return gateways.flatMap((gateway) => this.#parts.assumptionOf?.(gateway) ?? []);
  }

  /** One page of a log, and how far it was read: in one transaction, so that nothing is noted twice or left out. */
  async #readOn(trx: Trx, origin: string, gateway: string): Promise<number> {
    const { tenant, region } = this.#parts;
    await trx
      .insertInto('custody.read_to')
      .values({ origin, position: 0, tenant, region })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const { position } = await trx
      .selectFrom('custody.read_to')
      .select('position')
      .where('origin', '=', origin)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const rows = await trx
      .selectFrom('custody.entry')
      // As text, which has its microseconds: a mention must name the very moment.
      .select(['n', 'leaf', 'status', 'stored_at as at', sql<string>`stored_at::text`.as('stored_at')])
      .where('origin', '=', origin)
      .where('position', '>=', position)
      .orderBy('position')
      .limit(PAGE_ROWS)
      .execute();
    const read = rows.flatMap(({ n, leaf, status, at, stored_at }) => {
      const event = status === 'used' && leaf !== null ? eventOf(leaf) : undefined;
      if (event === undefined) return [];
      return [{ n, event, storedMs: at.getTime(), row: { origin, n, gateway, stored_at, tenant, region } }];
    });
    const mentioned = read.map((one) => ({ ...one, mentions: mentionsIn(one.event, gateway) }));
    const mentions = mentioned.flatMap(({ mentions: own, row }) => own.map((mention) => ({ ...mention, ...row })));
    const named = parseOrigin(origin);
    const log = named.ok ? named.value.number : 0;
    const noted = mentioned.filter((one) => one.mentions.length > 0);
    await noteOrder(trx, { gateway, log, tenant, region }, noted);
    for (const some of pagesOf(mentions)) {
      await trx
        .insertInto('custody.mention')
        .values(some)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    const hands = read.flatMap(({ event, row }) =>
      handsIn(event).flatMap((hand) => parcelsOf(event).map((parcel) => ({ ...hand, parcel, ...row }))),
    );
    for (const some of pagesOf(hands)) {
      await trx
        .insertInto('custody.hand')
        .values(some)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    if (rows.length > 0) {
      await trx
        .updateTable('custody.read_to')
        .set({ position: position + rows.length })
        .where('origin', '=', origin)
        .execute();
    }
    return rows.length;
  }

  async #read(parcels: readonly string[], asOfMs: number): Promise<Inputs> {
    const { database, silentMs, entriesMax = ENTRIES_MAX } = this.#parts;
    const most = entriesMax * parcels.length;
    // One name, one text.
    const name = silentMs === undefined ? 'ledger_inputs_owed' : 'ledger_inputs_owed_or_silent';
    const silentBeforeMs = silentMs === undefined ? undefined : asOfMs - silentMs;
    const rows = await database.as('custody', (trx) =>
      send(trx, inputsOf(parcels, most + 1, silentBeforeMs), { name, when: 'last' }),
    );
    const found = rows.filter((row) => row.kind === 'entry');
    if (found.length > most) {
      const detail = `more than ${most} entries concern ${parcels.length} parcels`;
      throw new LatchkeyError('STORE_IO', `${detail}: nothing is decided on a part of them`);
    }
    const entries = found.flatMap((row) => this.#entryOf(row) ?? []);
    const claims = new Map<string, Claim[]>();
    for (const row of rows) {
      if (row.kind !== 'claim') continue;
      const { parcel, ref, at, body, level } = row;
      const own = claims.get(parcel) ?? [];
      own.push({ kind: 'claim', ref, at_ms: at.getTime(), body, level });
      claims.set(parcel, own);
    }
    const logs = rows.filter((row) => row.kind === 'log');
    const grants = await grantsOf(database, entries);
    // One that is among both is taken as it stands among the entries.
    const index = new EntryIndex([...grants, ...entries]);
    return { entries: index, claims, logs, photos: await photosNamed(database, entries) };
  }

  #entryOf({ origin, n, leaf, gateway, forked, at, ...proof }: EntryRow): LedgerEntry | undefined {
    const event = leaf === null ? undefined : eventOf(leaf);
    const named = parseOrigin(origin);
    if (event === undefined || !named.ok) return undefined;
    const level = isTrusted(n, trustedOf(proof)) ? this.#levelOf(gateway, n, proof) : 'A0';
    const clock = this.#parts.assumptionOf?.(gateway)?.clock;
    const ref = `${origin}#${n}`;
    const entry = {
      kind: 'entry',
      ref,
      gateway,
      log: named.value.number,
      n,
      storedMs: at.getTime(),
      event,
      level,
    } as const;
    const refused = proof.refuted !== null;
    return { ...entry, ...(clock && { clock }), ...(refused && { refused }), ...(forked && { forked: true }) };
  }
}

interface Mentioned {
  readonly key: string;
  readonly compartment: string | null;
  readonly lies: boolean | null;
}

/** Under which keys an entry is found again. Where it lies is said of parcels alone. */
function mentionsIn(event: CustodyEvent, gateway: string): readonly Mentioned[] {
  const place = { compartment: event.compartment ?? '', lies: liesAfter(event) ?? null };
  const parcels = parcelsOf(event).map((ref) => ({ key: `parcel ${ref}`, ...place }));
  const others = [
    isAround(event) ? `around ${gateway}` : undefined,
    photoKeyOf(event),
    event.type === 'access.granted' ? codeKeyOf(gateway, event) : undefined,
  ].flatMap((key) => (key === undefined ? [] : [{ key, compartment: null, lies: null }]));
  return [...parcels, ...others];
}

interface Inputs {
  readonly entries: EntryIndex;
  readonly claims: ReadonlyMap<string, readonly Claim[]>;
  readonly logs: readonly LogRow[];
  readonly photos: PhotosNamed;
}

/** A statement has 65 535 parameters at most, and an entry may name many parcels. */
function pagesOf<T>(rows: readonly T[]): readonly (readonly T[])[] {
  const pages = Math.ceil(rows.length / PAGE_ROWS);
  return Array.from({ length: pages }, (_, i) => rows.slice(i * PAGE_ROWS, (i + 1) * PAGE_ROWS));
}

/** Contradictions that entries explain which have not arrived yet: where they would come from. */
const AWAITING: ReadonlySet<string> = new Set(['C01', 'C11']);

function suspected({ contradictions }: ParcelFacts, entries: readonly LedgerEntry[]): readonly Place[] {
  const refs = new Set(contradictions.flatMap(({ code, events }) => (AWAITING.has(code) ? events : [])));
  return entries.flatMap(({ gateway, ref, event }) =>
    refs.has(ref)
      ? [{ gateway, compartment: event.compartment ?? '', sinceMs: readTime(event.at) ?? 0, errMs: 0, ref }]
      : [],
  );
}

/** With what is known of their photos. */
function entriesSeen(parcel: string, entries: readonly LedgerEntry[], photos: PhotosNamed): readonly LedgerEntry[] {
  if (photos.size === 0) return entries;
  const reused = reusedIn(
    entries.filter(({ event }) => parcelsOf(event).includes(parcel)),
    photos,
  );
  return entries.map((entry) => (reused.has(entry.ref) ? { ...entry, photoSeen: true } : entry));
}

function eventOf(leaf: Uint8Array): CustodyEvent | undefined {
  const text = utf8Text(Uint8Array.from(leaf));
  // Intake judged it before it was stored; an erased body is not there at all.
  return text === undefined ? undefined : (JSON.parse(text) as CustodyEvent);
}
