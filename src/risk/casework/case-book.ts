/**
 * Cases: what somebody has to look at. One for each refund that is not simply paid, joined by its later decisions; one for
 * each late fact that would have changed a decision; one for a settlement that contradicts what was decided; and one for
 * each command about money that was given up.
 *
 * A case only collects: queues, approvals and outcomes of analysts stand on it and are not here.
 */
import { type Selectable, sql } from 'kysely';
import { hex, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { CaseTable } from '../store/schema.ts';
import { send } from '../store/sending.ts';
import { caseClocks, nextCaseStep } from './clocks.ts';
import type { HistoryLine } from './hold-book.ts';
import type { Owner, Trx } from './rights.ts';

export interface CaseView {
  readonly case_id: string;
  readonly kind: CaseTable['kind'];
  readonly refund_id: string;
  readonly decision_id: string;
  readonly opened_at_ms: number;
  /** Containment clock: the payment side has acted by then, or somebody is told. */
  readonly contain_by_ms: number;
  readonly contained_at_ms?: number;
  /** Evidence clock: due, and late. */
  readonly evidence_due_at_ms: number;
  readonly evidence_by_ms: number;
  readonly evidence_at_ms?: number;
  readonly state: 'open' | 'closed';
  readonly closed_at_ms?: number;
}

export interface CaseQuery {
  readonly state?: 'open' | 'closed';
  readonly refundId?: string;
  readonly limit?: number;
}

export interface Opening {
  readonly kind: CaseTable['kind'];
  readonly refundId: string;
  readonly decisionId: string;
  /** What makes it another case of the same refund. */
  readonly mark: string;
  readonly ledger?: string;
  readonly atMs: number;
  readonly containmentMs: number;
  readonly what: string;
  readonly detail: string;
}

export interface KeptEvidence {
  /** What it is found by: `evidenceName` of a bundle. */
  readonly name: string;
  readonly actor: string;
  readonly atMs: number;
}

const LIMIT = 100;
const LIMIT_MAX = 500;
const HISTORY_MAX = 1_000;

export class CaseBook {
  readonly #database: RiskDatabase;

  constructor(database: RiskDatabase) {
    this.#database = database;
  }

  /** The newest first. */
  list({ state, refundId, limit = LIMIT }: CaseQuery = {}): Promise<readonly CaseView[]> {
    return this.#database.as('cases', async (trx) => {
      let query = trx.selectFrom('cases.case').selectAll().orderBy('opened_at', 'desc').orderBy('case_id');
      if (state !== undefined) query = query.where('state', '=', state);
      if (refundId !== undefined) query = query.where('refund_id', '=', refundId);
      const rows = await query.limit(Math.min(Math.max(Math.trunc(limit), 1), LIMIT_MAX)).execute();
      return rows.map(caseView);
    });
  }

  show(caseId: string): Promise<(CaseView & { readonly history: readonly HistoryLine[] }) | undefined> {
    return this.#database.as('cases', async (trx) => {
      const row = await trx.selectFrom('cases.case').selectAll().where('case_id', '=', caseId).executeTakeFirst();
      if (row === undefined) return undefined;
      const events = await trx
        .selectFrom('cases.case_event')
        .selectAll()
        .where('case_id', '=', caseId)
        .orderBy('id')
        .limit(HISTORY_MAX)
        .execute();
      const history = events.map(({ at, what, actor, detail }) => ({
        at_ms: at.getTime(),
        what,
        actor,
        ...(detail !== null && { detail }),
      }));
      return { ...caseView(row), history };
    });
  }

  /**
   * The evidence about a refund is kept under this name: the clocks of its open cases stop. Resolves with the cases whose
   * clock ran until now; a case that is opened again asks for it again.
   */
  evidenceKept(refundId: string, { name, actor, atMs }: KeptEvidence, owner: Owner): Promise<readonly string[]> {
    return this.#database.as('cases', async (trx) => {
      const rows = await trx
        .selectFrom('cases.case')
        .selectAll()
        .where('refund_id', '=', refundId)
        .where('state', '=', 'open')
        .where('evidence_at', 'is', null)
        .orderBy('case_id')
        .forUpdate()
        .execute();
      const evidence_at = new Date(atMs);
      for (const row of rows) {
        await trx
          .updateTable('cases.case')
          .set({ evidence_at, due_at: nextCaseStep({ ...row, evidence_at }) })
          .where('case_id', '=', row.case_id)
          .execute();
        await caseEvent(trx, owner, { caseId: row.case_id, atMs, what: 'evidence_kept', actor, detail: name });
      }
      return rows.map(({ case_id }) => case_id);
    });
  }
}

/** Of a bundle, after its bytes. */
export function evidenceName(crypto: Pick<EvidenceCrypto, 'sha256'>, bundle: Uint8Array, keptAs?: string): string {
  return [...(keptAs === undefined ? [] : [keptAs]), `sha256:${hex(crypto.sha256(bundle))}`].join(' ');
}

export function caseIdOf(
  crypto: Pick<EvidenceCrypto, 'sha256'>,
  { kind, mark }: Pick<Opening, 'kind' | 'mark'>,
): string {
  return `c-${hex(crypto.sha256(utf8(`${kind} ${mark}`))).slice(0, 32)}`;
}

/** Under the rights of cases. The same fact, seen twice, is the same case. */
export async function openCase(
  trx: Trx,
  crypto: Pick<EvidenceCrypto, 'sha256'>,
  owner: Owner,
  opening: Opening & { readonly kind: 'late_fact' | 'settlement' },
): Promise<{ readonly caseId: string; readonly made: boolean }> {
  const { kind, refundId, decisionId, ledger, atMs, containmentMs, what, detail } = opening;
  const caseId = caseIdOf(crypto, opening);
  const clocks = caseClocks(atMs, containmentMs);
  const { tenant, region } = owner;
  const made = await trx
    .insertInto('cases.case')
    .values({
      case_id: caseId,
      kind,
      refund_id: refundId,
      decision_id: decisionId,
      ledger: ledger ?? null,
      opened_at: new Date(atMs),
      ...clocks,
      steps: '[]',
      due_at: nextCaseStep({ ...clocks, contained_at: null, evidence_at: null, steps: [] }),
      state: 'open',
      tenant,
      region,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('case_id')
    .executeTakeFirst();
  if (made === undefined) return { caseId, made: false };
  await caseEvent(trx, owner, { caseId, atMs, what, actor: 'system', detail });
  return { caseId, made: true };
}

/** What begins anew when a closed case is opened again. */
const FRESH = ['contain_by', 'contained_at', 'evidence_due_at', 'evidence_by', 'evidence_at', 'steps', 'due_at'];

/** Under the rights of cases: the one case of each mark is opened, or joined, or opened again, and is told why. */
export async function joinCases(
  trx: Trx,
  crypto: Pick<EvidenceCrypto, 'sha256'>,
  { tenant, region }: Owner,
  openings: readonly Opening[],
): Promise<void> {
  const fresh = FRESH.map((name) => {
    const column = sql.raw(name);
    return sql`${column} = case when c.state = 'closed' then excluded.${column} else c.${column} end`;
  });
  const rows = JSON.stringify(openings.map((opening) => rowOf(crypto, opening)));
  const query = sql`with opening as (select * from jsonb_to_recordset(${rows}::jsonb) as x (case_id text, kind text, refund_id text,
      decision_id text, opened_at timestamptz, contain_by timestamptz, evidence_due_at timestamptz,
      evidence_by timestamptz, due_at timestamptz, what text, detail text)),
    joined as (insert into cases.case as c (case_id, kind, refund_id, decision_id, opened_at, contain_by, evidence_due_at,
        evidence_by, steps, due_at, state, tenant, region)
      select case_id, kind, refund_id, decision_id, opened_at, contain_by, evidence_due_at, evidence_by, '[]', due_at,
        'open', ${tenant}::text, ${region}::text from opening order by case_id
      on conflict (case_id) do update set decision_id = excluded.decision_id, ${sql.join(fresh)}, state = 'open',
        closed_at = null)
    insert into cases.case_event (case_id, at, what, actor, detail, tenant, region)
      select case_id, opened_at, what, 'system', detail, ${tenant}::text, ${region}::text from opening`;
  await send(trx, query, { name: 'join_cases', when: 'later' });
}

function rowOf(crypto: Pick<EvidenceCrypto, 'sha256'>, opening: Opening) {
  const { kind, refundId, decisionId, atMs, containmentMs, what, detail } = opening;
  const clocks = caseClocks(atMs, containmentMs);
  return {
    case_id: caseIdOf(crypto, opening),
    kind,
    refund_id: refundId,
    decision_id: decisionId,
    opened_at: new Date(atMs),
    ...clocks,
    due_at: nextCaseStep({ ...clocks, contained_at: null, evidence_at: null, steps: [] }),
    what,
    detail,
  };
}

/** Under the rights of cases: late facts about a refund that was answered since then ask nothing more. */
export async function closeCases(
  trx: Trx,
  owner: Owner,
  refundId: string,
  kinds: readonly CaseTable['kind'][],
  why: { readonly atMs: number; readonly what: string; readonly actor: string; readonly detail: string },
): Promise<void> {
  const closed = await trx
    .updateTable('cases.case')
    .set({ state: 'closed', closed_at: new Date(why.atMs), due_at: null })
    .where('refund_id', '=', refundId)
    .where('kind', 'in', kinds)
    .where('state', '=', 'open')
    .returning('case_id')
    .execute();
  for (const { case_id: caseId } of closed) await caseEvent(trx, owner, { caseId, ...why });
}

/** Under the rights of cases. Nothing happens to one that is closed, or that there is not. */
export async function closeCase(trx: Trx, owner: Owner, why: CaseEvent): Promise<void> {
  const closed = await trx
    .updateTable('cases.case')
    .set({ state: 'closed', closed_at: new Date(why.atMs), due_at: null })
    .where('case_id', '=', why.caseId)
    .where('state', '=', 'open')
    .returning('case_id')
    .executeTakeFirst();
  if (closed !== undefined) await caseEvent(trx, owner, why);
}

export interface CaseEvent {
  readonly caseId: string;
  readonly atMs: number;
  readonly what: string;
  readonly actor: string;
  readonly detail?: string;
}

export async function caseEvent(trx: Trx, owner: Owner, event: CaseEvent): Promise<void> {
  const { caseId, atMs, what, actor, detail } = event;
  const { tenant, region } = owner;
  await trx
    .insertInto('cases.case_event')
    .values({ case_id: caseId, at: new Date(atMs), what, actor, detail: detail ?? null, tenant, region })
    .execute();
}

export function caseView(row: Selectable<CaseTable>): CaseView {
  return {
    case_id: row.case_id,
    kind: row.kind,
    refund_id: row.refund_id,
    decision_id: row.decision_id,
    opened_at_ms: row.opened_at.getTime(),
    contain_by_ms: row.contain_by.getTime(),
    ...(row.contained_at !== null && { contained_at_ms: row.contained_at.getTime() }),
    evidence_due_at_ms: row.evidence_due_at.getTime(),
    evidence_by_ms: row.evidence_by.getTime(),
    ...(row.evidence_at !== null && { evidence_at_ms: row.evidence_at.getTime() }),
    state: row.state,
    ...(row.closed_at !== null && { closed_at_ms: row.closed_at.getTime() }),
  };
}
