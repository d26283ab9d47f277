/**
 * The holds as people and programs see them: what is held, until when, what would release it, what a passed deadline does,
 * and what happened so far. Reads only.
 */
import type { Selectable } from 'kysely';
import type { RiskDatabase } from '../store/open-database.ts';
import type { CaseEventTable, HoldEventTable, HoldTable } from '../store/schema.ts';
import { type CaseView, caseView } from './case-book.ts';
import { type ActionView, actionView } from './outbox.ts';
import { asCases, type Trx } from './rights.ts';

export type HoldState = HoldTable['state'];
export const HOLD_STATES: readonly HoldState[] = [
  'open',
  'paid',
  'released',
  'deadline_paid',
  'denied',
  'cancelled',
  'superseded',
];

export interface HoldView {
  readonly hold_id: string;
  readonly decision_id: string;
  readonly refund_id: string;
  readonly outcome: string;
  /** Reasons of the decision: rules, contradictions, words of custody. */
  readonly codes: readonly string[];
  /** What would change the answer, as the decision says it. */
  readonly release_when: readonly string[];
  readonly approvals: number;
  /** It can never be paid as it stands. */
  readonly blocked: boolean;
  readonly placed_at_ms: number;
  readonly next_check_at_ms: number;
  /** By then somebody, or another look, must have answered. */
  readonly answer_by_ms: number;
  /** Where the law or the policy ends the waiting, and what happens then. */
  readonly deadline_at_ms: number;
  readonly on_deadline: 'pay' | 'escalate';
  readonly basis: string;
  /** Warnings given so far. */
  readonly steps: readonly string[];
  readonly state: HoldState;
  readonly ended_at_ms?: number;
}

export interface HistoryLine {
  readonly at_ms: number;
  readonly what: string;
  readonly actor: string;
  readonly detail?: string;
}

export interface HoldDetail extends HoldView {
  readonly history: readonly HistoryLine[];
  readonly actions: readonly ActionView[];
  readonly cases: readonly CaseView[];
}

export interface HoldQuery {
  readonly state?: HoldState;
  /** 1 to 500; 100 unless given. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface HoldPage {
  /** The nearest deadline first. */
  readonly holds: readonly HoldView[];
  readonly next?: string;
}

const LIMIT = 100;
const LIMIT_MAX = 500;
const HISTORY_MAX = 1_000;

export class HoldBook {
  readonly #database: RiskDatabase;

  constructor(database: RiskDatabase) {
    this.#database = database;
  }

  /** An `after` that no page gave begins anew. */
  list({ state, limit = LIMIT, after }: HoldQuery = {}): Promise<HoldPage> {
    const rows = Math.min(Math.max(Math.trunc(limit), 1), LIMIT_MAX);
    const place = after === undefined ? undefined : placeOf(after);
    return this.#database.as('payments', async (trx) => {
      let query = trx.selectFrom('payments.hold').selectAll().orderBy('deadline_at').orderBy('hold_id');
      if (state !== undefined) query = query.where('state', '=', state);
      if (place !== undefined) {
        query = query.where(({ eb, and, or }) =>
          or([eb('deadline_at', '>', place.at), and([eb('deadline_at', '=', place.at), eb('hold_id', '>', place.id)])]),
        );
      }
      const found = await query.limit(rows + 1).execute();
      const holds = found.slice(0, rows).map(holdView);
      const last = holds.at(-1);
      return { holds, ...(found.length > rows && last !== undefined && { next: tokenOf(last) }) };
    });
  }

  show(holdId: string): Promise<HoldDetail | undefined> {
    return this.#database.as('payments', async (trx) => {
      const row = await trx.selectFrom('payments.hold').selectAll().where('hold_id', '=', holdId).executeTakeFirst();
      if (row === undefined) return undefined;
      const history = await trx
        .selectFrom('payments.hold_event')
        .selectAll()
        .where('hold_id', '=', holdId)
        .orderBy('id')
        .limit(HISTORY_MAX)
        .execute();
      return { ...holdView(row), history: history.map(historyLine), ...(await followedUp(trx, row.refund_id)) };
    });
  }
}

/** What was ordered about a refund, and which cases it has. Under the rights of payments. */
export async function followedUp(trx: Trx, refundId: string): Promise<Pick<HoldDetail, 'actions' | 'cases'>> {
  const actions = await trx
    .selectFrom('payments.outbox')
    .selectAll()
    .where('refund_id', '=', refundId)
    .orderBy('seq')
    .execute();
  const cases = await asCases(trx, () => casesOf(trx, refundId));
  return { actions: actions.map(actionView), cases };
}

async function casesOf(trx: Trx, refundId: string): Promise<readonly CaseView[]> {
  const rows = await trx
    .selectFrom('cases.case')
    .selectAll()
    .where('refund_id', '=', refundId)
    .orderBy('opened_at')
    .orderBy('case_id')
    .execute();
  return rows.map(caseView);
}

export function holdView(row: Selectable<HoldTable>): HoldView {
  return {
    hold_id: row.hold_id,
    decision_id: row.decision_id,
    refund_id: row.refund_id,
    outcome: row.outcome,
    codes: row.codes,
    release_when: row.release_when,
    approvals: row.approvals,
    blocked: row.blocked,
    placed_at_ms: row.placed_at.getTime(),
    next_check_at_ms: row.next_check_at.getTime(),
    answer_by_ms: row.answer_by.getTime(),
    deadline_at_ms: row.deadline_at.getTime(),
    on_deadline: row.on_deadline,
    basis: row.basis,
    steps: row.steps,
    state: row.state,
    ...(row.ended_at !== null && { ended_at_ms: row.ended_at.getTime() }),
  };
}

export function historyLine(row: Selectable<HoldEventTable> | Selectable<CaseEventTable>): HistoryLine {
  const { at, what, actor, detail } = row;
  return { at_ms: at.getTime(), what, actor, ...(detail !== null && { detail }) };
}

function tokenOf({ deadline_at_ms, hold_id }: HoldView): string {
  return `${deadline_at_ms}.${hold_id}`;
}

function placeOf(token: string): { readonly at: Date; readonly id: string } | undefined {
  const found = /^(\d{1,15})\.(.{1,80})$/.exec(token);
  return found?.[2] === undefined ? undefined : { at: new Date(Number(found[1])), id: found[2] };
}
