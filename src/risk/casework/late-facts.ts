/**
 * Entries and claims that come after a decision, and would have changed it: each opens a case, once for each decision and
 * state of its parcels' ledgers. The decision itself stays as it was.
 *
 * Looked at are the parcels of what is new: entries by a place in each log, moved on in the order in which the ledger read
 * them; claims and decisions by queues, whose rows go once they were looked at. A decision is in the queue because an entry
 * may be stored between the reading of its ledger and its commit. Whatever is looked at twice, after a crash or by two
 * services at once, opens the same case.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { judge } from '../decision/decide.ts';
import type { Facts, ParcelFacts } from '../decision/facts.ts';
import { rulesetSchema } from '../decision/ruleset.ts';
import { openCase } from './case-book.ts';
import type { KeptDecision } from './explain.ts';
import type { FollowUp } from './follow-up.ts';
import { keptDecision, keptRefund } from './kept.ts';
import { followUpOf, type RefundDeskParts } from './refund-desk.ts';
import { asCases, type Trx } from './rights.ts';

export interface LateReport {
  /** Decisions that were decided again. */
  readonly looked: number;
  /** Cases that were opened by it. */
  readonly opened: number;
}

/** New facts of one page, and how to have done with them. */
interface Page {
  readonly parcels: readonly string[];
  readonly decisions: readonly string[];
  done(): Promise<void>;
}

const ENTRIES_MAX = 500;
const QUEUE_MAX = 500;
/** What happens to a whole gateway, or to a compartment, concerns the parcels that came there last. */
const PARCELS_AROUND_MAX = 2_000;
const PARCELS_MAX = 200;
const PAGES_MAX = 10_000;

export class LateFacts {
  readonly #parts: RefundDeskParts;
  readonly #followUp: FollowUp;

  constructor(parts: RefundDeskParts) {
    this.#parts = parts;
    this.#followUp = followUpOf(parts);
  }

  /** All that is new since the last time, page by page. Ends when nothing is. Rejects where the database does. */
  async look(signal?: AbortSignal): Promise<LateReport> {
    let looked = 0;
    let opened = 0;
    const sources = [() => this.#entries(), () => this.#claims(), () => this.#decided()];
    for (const source of sources) {
      for (let page = 0; page < PAGES_MAX; page += 1) {
        signal?.throwIfAborted();
        const found = await source();
        if (found === undefined) break;
        const decisions = new Set([...found.decisions, ...(await this.#concerned(found.parcels))]);
        for (const decisionId of decisions) {
          signal?.throwIfAborted();
          looked += 1;
          if (await this.#compare(decisionId)) opened += 1;
        }
        await found.done();
      }
    }
    return { looked, opened };
  }

  /** The next entries of the first log that has some, as far as the ledger has read it. */
  #entries(): Promise<Page | undefined> {
    return this.#parts.database.as('custody', async (trx) => {
      const log = await trx
        .selectFrom('custody.read_to as r')
        .leftJoin('custody.looked_to as l', 'l.origin', 'r.origin')
        .select(({ fn, val }) => ['r.origin', 'r.position as end', fn.coalesce('l.position', val(0)).as('position')])
        .where(({ eb, fn, val }) => eb('r.position', '>', fn.coalesce('l.position', val(0))))
        .orderBy('r.origin')
        .executeTakeFirst();
      if (log === undefined) return undefined;
      const { origin } = log;
      const from = Number(log.position);
      const end = Math.min(log.end, from + ENTRIES_MAX);
      const rows = await trx
        .selectFrom('custody.entry as e')
        .innerJoin('custody.mention as m', (join) => join.onRef('m.origin', '=', 'e.origin').onRef('m.n', '=', 'e.n'))
        .select(['m.key', 'm.gateway'])
        .distinct()
        .where('e.origin', '=', origin)
        .where('e.position', '>=', from)
        .where('e.position', '<', end)
        .execute();
      const parcels = new Set(rows.flatMap(({ key }) => parcelOf(key)));
      const gateways = new Set(rows.flatMap(({ key, gateway }) => (key.startsWith('around ') ? [gateway] : [])));
      for (const gateway of gateways) for (const ref of await parcelsAround(trx, gateway)) parcels.add(ref);
      return { parcels: [...parcels], decisions: [], done: () => this.#lookedTo(origin, from, end) };
    });
  }

  /** Nobody else moved it meanwhile, or they looked at the same. */
  async #lookedTo(origin: string, from: number, end: number): Promise<void> {
    await this.#parts.database.as('custody', async (trx) => {
      await trx
        .insertInto('custody.looked_to')
        .values({ origin, position: 0 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await trx
        .updateTable('custody.looked_to')
        .set({ position: end })
        .where('origin', '=', origin)
        .where('position', '=', from)
        .execute();
    });
  }

  async #claims(): Promise<Page | undefined> {
    const rows = await this.#parts.database.as('custody', (trx) =>
      trx.selectFrom('custody.fresh_claim').selectAll().orderBy('id').limit(QUEUE_MAX).execute(),
    );
    if (rows.length === 0) return undefined;
    const ids = rows.map(({ id }) => id);
    return {
      parcels: [...new Set(rows.map(({ parcel }) => parcel))],
      decisions: [],
      done: async () => {
        await this.#parts.database.as('custody', (trx) =>
          trx.deleteFrom('custody.fresh_claim').where('id', 'in', ids).execute(),
        );
      },
    };
  }

  async #decided(): Promise<Page | undefined> {
    const rows = await this.#parts.database.as('payments', (trx) =>
      trx.selectFrom('payments.fresh_decision').selectAll().orderBy('decision_id').limit(QUEUE_MAX).execute(),
    );
    if (rows.length === 0) return undefined;
    const decisions = rows.map(({ decision_id }) => decision_id);
    return {
      parcels: [],
      decisions,
      done: async () => {
        await this.#parts.database.as('payments', (trx) =>
          trx.deleteFrom('payments.fresh_decision').where('decision_id', 'in', decisions).execute(),
        );
      },
    };
  }

  /** The newest decision of each refund that names one of these parcels. */
  async #concerned(parcels: readonly string[]): Promise<readonly string[]> {
    const found: string[] = [];
    for (let at = 0; at < parcels.length; at += PARCELS_MAX) {
      const some = parcels.slice(at, at + PARCELS_MAX);
      const rows = await this.#parts.database.as('payments', (trx) =>
        trx
          .selectFrom('payments.refund_parcel as p')
          .innerJoin('payments.decision as d', 'd.refund_id', 'p.refund_id')
          .select(['d.decision_id', 'd.refund_id'])
          .distinctOn('d.refund_id')
          .where('p.parcel', 'in', some)
          .orderBy('d.refund_id')
          .orderBy('d.decided_at', 'desc')
          .orderBy('d.decision_id')
          .execute(),
      );
      found.push(...rows.map(({ decision_id }) => decision_id));
    }
    return found;
  }

  /** Undefined when a later decision took its place: that one is looked at for itself. */
  #newest(decisionId: string): Promise<KeptDecision | undefined> {
    return this.#parts.database.as('payments', async (trx) => {
      const kept = await keptDecision(trx, decisionId);
      if (kept === undefined) return undefined;
      const { decision_id } = await trx
        .selectFrom('payments.decision')
        .select('decision_id')
        .where('refund_id', '=', kept.decision.refund_id)
        .orderBy('decided_at', 'desc')
        .orderBy('decision_id')
        .executeTakeFirstOrThrow();
      return decision_id === decisionId ? kept : undefined;
    });
  }

  /** True when a case was opened. */
  async #compare(decisionId: string): Promise<boolean> {
    const kept = await this.#newest(decisionId);
    // What was decided without a ledger is decided again by its hold.
    if (kept === undefined || kept.facts.failed.includes('ledger')) return false;
    const parcels = await this.#parcelsNow(kept.facts);
    const ledger = this.#digest(parcels);
    if (ledger === this.#digest(kept.facts.parcels)) return false;
    const again = judge({ ...kept.facts, parcels }, rulesetSchema.parse(kept.parameters));
    if (again.outcome === kept.decision.outcome) return false;
    return this.#report(kept, ledger, again.outcome);
  }

  /** As of the decision: what time alone changes is no late fact. */
  async #parcelsNow(facts: Facts): Promise<readonly ParcelFacts[]> {
    const refs = facts.parcels.map(({ ref }) => ref);
    const ledgers = await this.#parts.ledger.ledgers(refs, facts.as_of_ms);
    return ledgers.map((ledger) => ledger.facts);
  }

  #digest(parcels: readonly ParcelFacts[]): string {
    return hex(this.#parts.crypto.sha256(utf8(canonicalJson({ parcels } as unknown as JsonObject))));
  }

  #report({ decision, facts }: KeptDecision, ledger: string, outcome: string): Promise<boolean> {
    const { database, crypto, clock, ruleset } = this.#parts;
    const atMs = clock.wallMs();
    const { decision_id: decisionId, refund_id: refundId } = decision;
    return database.as('payments', async (trx) => {
      const refund = await keptRefund(trx, refundId);
      if (refund === undefined || refund.state === 'cancelled') return false;
      const { caseId: subject, made } = await asCases(trx, () =>
        openCase(trx, crypto, this.#parts, {
          kind: 'late_fact',
          refundId,
          decisionId,
          mark: `${decisionId} ${ledger}`,
          ledger,
          atMs,
          containmentMs: ruleset.parameters.containment_ms,
          what: 'late_fact',
          detail: `${decision.outcome} would be ${outcome} on what is known now of ${facts.parcels.length} parcels`,
        }),
      );
      if (!made) return false;
      await this.#lookSoon(trx, refundId, atMs);
      const codes = [`was ${decision.outcome}`, `would be ${outcome}`];
      const ticket = this.#followUp.actions.ticket(refund, { decisionId, atMs }, { subject, what: 'late_fact', codes });
      await this.#followUp.send(trx, ticket, atMs);
      return true;
    });
  }

  /** What is held still is decided again with the next sweep: the fact may be what it waits for. */
  async #lookSoon(trx: Trx, refundId: string, atMs: number): Promise<void> {
    const at = new Date(atMs);
    await trx
      .updateTable('payments.hold')
      .set({ next_check_at: at, due_at: at })
      .where('refund_id', '=', refundId)
      .where('state', '=', 'open')
      .execute();
  }
}

function parcelOf(key: string): readonly string[] {
  return key.startsWith('parcel ') ? [key.slice('parcel '.length)] : [];
}

async function parcelsAround(trx: Trx, gateway: string): Promise<readonly string[]> {
  const rows = await trx
    .selectFrom('custody.mention')
    .select('key')
    .where('gateway', '=', gateway)
    .orderBy('n', 'desc')
    .limit(PARCELS_AROUND_MAX)
    .execute();
  return [...new Set(rows.flatMap(({ key }) => parcelOf(key)))];
}
