/**
 * Bundles out of the database: what is known of a parcel, and what a refund was decided on, with everything that
 * `latchkey verify` needs to judge it offline.
 *
 * An entry whose body was erased is in it as its leaf hash. Entries of which no signed note is stored yet cannot be
 * proved: they are left out, and the question says so.
 */
import type { Transaction } from 'kysely';
import { present } from '../../base/assert.ts';
import { type Clock, wallText } from '../../base/clock.ts';
import {
  BUNDLE_DECISIONS_MAX,
  BUNDLE_ENTRIES_MAX,
  BUNDLE_ENVELOPES_MAX,
  BUNDLE_LOGS_MAX,
  type Bundle,
  type BundleDecision,
  type BundleLog,
  formatBundle,
} from '../../evidence/verify/bundle.ts';
import { entriesNamed, verifyDecisions } from '../../evidence/verify/bundle-decisions.ts';
import { parseTlogProof } from '../../evidence/verify/tlog-proof.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import { distinctEnvelopes, storedEnrolments } from './enrolments.ts';
import { type LogParts, type LogWish, logParts, type MadeLog } from './log-part.ts';
import type { SealKey } from './seal-key.ts';
import { gatewayOf, statementsOf } from './statements.ts';

export interface BundlesParts extends LogParts {
  readonly database: RiskDatabase;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Absent: bundles are not sealed, and whoever was given one cannot see what was taken out of it. */
  readonly seal?: SealKey;
  /** Summaries of enrolment records of these gateways, oldest first, beside those that intake kept. */
  readonly enrolments?: (gateways: readonly string[]) => Promise<readonly Envelope[]>;
}

type Trx = Transaction<Database>;

/** `<origin>#<n>`. */
const REF = /^(.+)#(0|[1-9][0-9]{0,15})$/;

export class Bundles {
  readonly #parts: BundlesParts;

  constructor(parts: BundlesParts) {
    this.#parts = parts;
  }

  /** Undefined when no entry that can be proved names the parcel. */
  async ofParcel(ref: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const asked = wallText(this.#parts.clock.wallMs());
    return this.#make(
      `What is known of parcel ${ref.slice(0, 200)} at ${asked}?`,
      await this.#refsOf([ref]),
      [],
      signal,
    );
  }

  /** Undefined when there is no such refund, or nothing was decided about it. */
  async ofRefund(refundId: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const stored = await this.#decisionsOf(refundId);
    if (stored === undefined || stored.decisions.length === 0) return undefined;
    signal?.throwIfAborted();
    const refs = new Set([...(await this.#refsOf(stored.parcels)), ...stored.decisions.flatMap(entriesNamed)]);
    const asked = wallText(this.#parts.clock.wallMs());
    const question = `Why was refund ${refundId.slice(0, 200)} decided as it was, as of ${asked}?`;
    return this.#make(question, refs, stored.decisions, signal);
  }

  async #make(
    question: string,
    refs: ReadonlySet<string>,
    decisions: readonly BundleDecision[],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const { database, seal, clock, enrolments } = this.#parts;
    const wishes = wishesOf(refs);
    const { logs, chains, kept } = await database.as('custody', async (trx) => {
      const logs = await this.#logs(trx, wishes.slice(0, BUNDLE_LOGS_MAX), signal);
      const origins = logs.map(({ log }) => log);
      const gateways = [...new Set(origins.map(gatewayOf))];
      const chains = await statementsOf(trx, origins, BUNDLE_ENVELOPES_MAX);
      return { logs, chains, kept: await storedEnrolments(trx, gateways) };
    });
    if (logs.length === 0) return undefined;
    const inside = logs.flatMap(({ log, entries }) => entries.map(({ proof }) => `${log}#${indexOf(proof)}`));
    // Which level each has is the reader's to judge: here it is asked whether they are there.
    const held = new Map(inside.map((ref) => [ref, 'A3'] as const));
    const sound = decisions.filter((each) => verifyDecisions(this.#parts.crypto, [each], held).ok);
    const gateways = [...new Set(logs.map(({ log }) => gatewayOf(log)))];
    const bundle: Bundle = {
      question: [question, ...leftOut(refs, held, decisions.length - sound.length, chains.omitted)].join(' '),
      logs,
      successors: chains.statements,
      enrolments: distinctEnvelopes([...kept, ...((await enrolments?.(gateways)) ?? [])], BUNDLE_ENVELOPES_MAX),
      decisions: sound,
    };
    return formatBundle(seal === undefined ? bundle : seal.seal(bundle, wallText(clock.wallMs())));
  }

  async #logs(trx: Trx, wishes: readonly LogWish[], signal: AbortSignal | undefined): Promise<readonly BundleLog[]> {
    const made = new Map<string, MadeLog>();
    const make = async (wish: LogWish): Promise<void> => {
      signal?.throwIfAborted();
      made.set(wish.origin, await logParts(trx, this.#parts, wish));
    };
    for (const wish of wishes) await make(wish);
    // Logs that are there for the anchors of others come last: what was asked for has the room first.
    const others = withAnchors(wishes, made);
    for (const wish of others) await make(wish);
    const inOrder = [...wishes, ...others.filter(({ origin }) => wishes.every((wish) => wish.origin !== origin))];
    return inOrder.flatMap(({ origin }) => made.get(origin)?.parts ?? []).slice(0, BUNDLE_LOGS_MAX);
  }

  /** Entries that name the parcels, and those that the ledger read beside them. */
  async #refsOf(parcels: readonly string[]): Promise<ReadonlySet<string>> {
    const { database, ledger, clock } = this.#parts;
    const refs = new Set<string>();
    for (const parcel of parcels) {
      const rows = await database.as('custody', (trx) => mentionsOf(trx, parcel));
      for (const { origin, n } of rows) refs.add(`${origin}#${n}`);
      if (rows.length === 0) continue;
      const { timeline, facts } = await ledger.ledger(parcel, clock.wallMs());
      for (const { ref } of timeline) if (REF.test(ref)) refs.add(ref);
      for (const ref of facts.contradictions.flatMap(({ events }) => events)) if (REF.test(ref)) refs.add(ref);
    }
    return refs;
  }

  #decisionsOf(
    refundId: string,
  ): Promise<{ readonly parcels: readonly string[]; readonly decisions: readonly BundleDecision[] } | undefined> {
    return this.#parts.database.as('payments', async (trx) => {
      const refund = await trx
        .selectFrom('payments.refund')
        .select('parcel_refs')
        .where('refund_id', '=', refundId)
        .executeTakeFirst();
      if (refund === undefined) return undefined;
      const decisions = await trx
        .selectFrom('payments.decision')
        .select(['answer', 'facts', 'parameters'])
        .where('refund_id', '=', refundId)
        .orderBy('decided_at', 'desc')
        .limit(BUNDLE_DECISIONS_MAX)
        .execute();
      return { parcels: refund.parcel_refs as readonly string[], decisions: decisions.reverse() };
    });
  }
}

function mentionsOf(trx: Trx, parcel: string): Promise<readonly { readonly origin: string; readonly n: number }[]> {
  return trx
    .selectFrom('custody.mention')
    .select(['origin', 'n'])
    .where('key', '=', `parcel ${parcel}`)
    .orderBy('origin')
    .orderBy('n')
    .limit(BUNDLE_ENTRIES_MAX)
    .execute();
}

function wishesOf(
  refs: ReadonlySet<string>,
): readonly { readonly origin: string; readonly indices: readonly number[] }[] {
  const byLog = new Map<string, number[]>();
  for (const ref of refs) {
    const [, origin = '', index = ''] = REF.exec(ref) ?? [];
    const indices = byLog.get(origin) ?? [];
    indices.push(Number(index));
    byLog.set(origin, indices);
  }
  // Room for the two anchors beside them.
  return [...byLog]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([origin, indices]) => {
      return { origin, indices: indices.sort((a, b) => a - b).slice(0, BUNDLE_ENTRIES_MAX - 2) };
    });
}

/** Of logs that hold anchors of those that were made: what is wished of them, those entries as well. */
function withAnchors(wishes: readonly LogWish[], made: ReadonlyMap<string, MadeLog>): readonly LogWish[] {
  const wanted = new Map<string, Set<number>>();
  for (const { parts, elsewhere } of made.values()) {
    // Of what is not in the bundle nothing is anchored.
    for (const { origin, index } of parts.length === 0 ? [] : elsewhere) {
      wanted.set(origin, (wanted.get(origin) ?? new Set()).add(index));
    }
  }
  return [...wanted].map(([origin, indices]) => {
    const own = wishes.find((wish) => wish.origin === origin)?.indices ?? [];
    return {
      origin,
      indices: [...new Set([...indices, ...own])].sort((a, b) => a - b).slice(0, BUNDLE_ENTRIES_MAX - 2),
    };
  });
}

function leftOut(
  refs: ReadonlySet<string>,
  held: ReadonlyMap<string, unknown>,
  decisions: number,
  statements: number,
): readonly string[] {
  const entries = [...refs].filter((ref) => !held.has(ref)).length;
  return [
    ...(entries > 0 ? [`(${entries} entries are not in it: nothing that is stored proves them.)`] : []),
    ...(decisions > 0
      ? [`(${decisions} decisions are not in it: they rest on such entries, or were made before persons were erased.)`]
      : []),
    ...(statements > 0
      ? [`(${statements} older successor statements are not in it: it takes ${BUNDLE_ENVELOPES_MAX}.)`]
      : []),
  ];
}

/** Of a proof that was made here. */
function indexOf(proof: string): number {
  const parsed = parseTlogProof(proof);
  return present(parsed.ok ? parsed.value : undefined, 'a proof').index;
}
