/**
 * What becomes known after a decision, and would have changed it, opens a case: once for each decision and state of its
 * parcels' ledgers. The decision itself stays as it was.
 *
 * Known later are entries, claims, and what entries count for once an anchor, a cosignature, a revocation or a fork came
 * (`late-news.ts`). Whatever is looked at twice, after a crash or by two services at once, opens the same case.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { judge } from '../decision/decide.ts';
import { ledgerPin } from '../decision/decision.ts';
import type { Facts, ParcelFacts } from '../decision/facts.ts';
import { rulesetSchema } from '../decision/ruleset.ts';
import type { ParcelLedger } from '../ledger/fold.ts';
import { openCase } from './case-book.ts';
import type { KeptDecision } from './explain.ts';
import type { FollowUp } from './follow-up.ts';
import { keptDecision, keptRefund } from './kept.ts';
import { withLateHands } from './late-hands.ts';
import { LateNews, type NewsPage } from './late-news.ts';
import { followUpOf, type RefundDeskParts } from './refund-desk.ts';
import { asCases, type Trx } from './rights.ts';

export interface LateReport {
  /** Decisions that were decided again. */
  readonly looked: number;
  /** Cases that were opened by it. */
  readonly opened: number;
  /** There is more: the next look goes on with it. */
  readonly more: boolean;
}

const PARCELS_MAX = 200;
/** Named in a case; the others are counted. */
const NAMED_MAX = 8;
/** Of each source in one look: the other work of a round waits meanwhile. */
const PAGES_MAX = 1_000;
/** Decisions of one page that are not looked at twice in it. */
const KNOWN_MAX = 10_000;

export class LateFacts {
  readonly #parts: RefundDeskParts;
  readonly #followUp: FollowUp;
  readonly #news: LateNews;
  readonly #pagesMax: number;
  #unread = 0;

  constructor(parts: RefundDeskParts, pagesMax = PAGES_MAX) {
    this.#parts = parts;
    this.#followUp = followUpOf(parts);
    this.#news = new LateNews(parts);
    this.#pagesMax = pagesMax;
  }

  /** How often a decision could not be looked at again, in this run. */
  get unread(): number {
    return this.#unread;
  }

  /** All that is new since the last time, page by page. Ends when nothing is. Rejects where the database does. */
  async look(signal?: AbortSignal): Promise<LateReport> {
    let looked = 0;
    let opened = 0;
    let more = false;
    for (const source of this.#news.sources) {
      for (let pages = 0; ; ) {
        signal?.throwIfAborted();
        const page = await source(Math.max(1, this.#pagesMax - pages));
        if (page === undefined) break;
        if (pages >= this.#pagesMax) {
          more = true;
          break;
        }
        for await (const decisionId of this.#concerned(page)) {
          signal?.throwIfAborted();
          looked += 1;
          if (await this.#comparedAlone(decisionId)) opened += 1;
        }
        await page.done();
        pages += page.pages ?? 1;
      }
    }
    return { looked, opened, more };
  }

  async *#concerned(page: NewsPage): AsyncIterable<string> {
    const known = new Set<string>();
    const isNew = (decisionId: string): boolean => {
      if (known.has(decisionId)) return false;
      if (known.size >= KNOWN_MAX) known.clear();
      known.add(decisionId);
      return true;
    };
    yield* page.decisions.filter(isNew);
    for await (const parcels of page.parcels()) yield* (await this.#about(parcels)).filter(isNew);
  }

  /** The newest decision of each refund that names one of these parcels. */
  async #about(parcels: readonly string[]): Promise<readonly string[]> {
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

  /**
   * What cannot be read whatever is tried, such as a parcel with more entries than anybody folds, is named in the log,
   * counted, and hides nothing else: a gateway can bring that about. Where the database fails, all is looked at again.
   */
  async #comparedAlone(decisionId: string): Promise<boolean> {
    try {
      return await this.#compare(decisionId);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      this.#unread += 1;
      const fields = { error: messageOf(error), decision: decisionId };
      this.#parts.logger.error(fields, 'a decision cannot be looked at again for late facts');
      return false;
    }
  }

  /** True when a case was opened. */
  async #compare(decisionId: string): Promise<boolean> {
    const kept = await this.#newest(decisionId);
    // What was decided without a ledger is decided again by its hold.
    if (kept === undefined || kept.facts.failed.includes('ledger')) return false;
    const ledgers = await this.#ledgersNow(kept.facts);
    const parcels = ledgers.map(({ facts }) => facts);
    const ledger = this.#digest(parcels);
    if (ledger === this.#digest(kept.facts.parcels)) return false;
    const hands = ledgers.flatMap(({ hands: own = [] }) => own.map(({ courier, event }) => ({ courier, event })));
    const { database, clock } = this.#parts;
    const facts = await withLateHands(database, kept.facts, hands, clock.wallMs());
    const again = judge({ ...facts, parcels }, rulesetSchema.parse(kept.parameters));
    if (again.outcome === kept.decision.outcome) return false;
    return this.#report(kept, { ledger, outcome: again.outcome, moved: this.#moved(kept.facts.parcels, parcels) });
  }

  /** As of the decision: what time alone changes is no late fact. */
  #ledgersNow(facts: Facts): Promise<readonly ParcelLedger[]> {
    const refs = facts.parcels.map(({ ref }) => ref);
    return this.#parts.ledger.ledgers(refs, facts.as_of_ms);
  }

  #digest(parcels: readonly ParcelFacts[]): string {
    return hex(this.#parts.crypto.sha256(utf8(canonicalJson({ parcels } as unknown as JsonObject))));
  }

  /** Of which parcels another state of the ledger is known now. */
  #moved(then: readonly ParcelFacts[], now: readonly ParcelFacts[]): readonly string[] {
    const pins = now.map((parcel) => ledgerPin(this.#parts.crypto, parcel));
    return then.flatMap((parcel, i) => {
      const [before, after] = [ledgerPin(this.#parts.crypto, parcel), pins[i]];
      if (after === undefined || before.digest === after.digest) return [];
      const { version } = after;
      return [`${before.parcel} (version ${before.version}${version === before.version ? '' : ` to ${version}`})`];
    });
  }

  #report(
    { decision }: KeptDecision,
    {
      ledger,
      outcome,
      moved,
    }: { readonly ledger: string; readonly outcome: string; readonly moved: readonly string[] },
  ): Promise<boolean> {
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
          detail: `${decision.outcome} would be ${outcome} on what is known now of ${listed(moved)}`,
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

function listed(moved: readonly string[]): string {
  const more = moved.length > NAMED_MAX ? ` and ${moved.length - NAMED_MAX} more` : '';
  return `${moved.slice(0, NAMED_MAX).join(', ')}${more}`;
}
