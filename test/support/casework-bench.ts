/** Refunds, their holds and commands on a database of a test, with a clock that is turned by hand. */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { ManualScheduler } from '../../src/base/manual-scheduler.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import type { Action } from '../../src/risk/casework/actions.ts';
import { ACTION_NAMES } from '../../src/risk/casework/actions.ts';
import { Caseworker } from '../../src/risk/casework/caseworker.ts';
import { importPayments } from '../../src/risk/casework/imports.ts';
import type { ActionSink, Delivery } from '../../src/risk/casework/outbox-worker.ts';
import { RefundDesk, type RefundDeskParts } from '../../src/risk/casework/refund-desk.ts';
import type { RefundRequest } from '../../src/risk/casework/refund-request.ts';
import type { Decision } from '../../src/risk/decision/decision.ts';
import { makeRuleset } from '../../src/risk/decision/ruleset.ts';
import type { ClaimBody } from '../../src/risk/ledger/inputs.ts';
import { LedgerStore } from '../../src/risk/ledger/ledger-store.ts';
import type { RiskDatabase } from '../../src/risk/store/open-database.ts';
import { TextLogger } from '../unit/intake/harness.ts';

export const NOW_MS = Date.UTC(2026, 10, 22, 12);
export const DAY_MS = 86_400_000;
export const owner = { tenant: 'default', region: 'eu' };

/** The other side: does a command once for its key, however often it comes. */
export class PaymentSide implements ActionSink {
  readonly actions: readonly Action[] = ACTION_NAMES;
  readonly done = new Map<string, { readonly action: Action; readonly body: string; times: number }>();
  /** What it answers next; it takes everything unless told otherwise. */
  answer: (action: Action, body: string) => Delivery = () => ({ taken: true, said: 'HTTP 200' });

  async deliver({ key, action, body }: { readonly key: string; readonly action: Action; readonly body: string }) {
    const answer = this.answer(action, body);
    if (!answer.taken) return answer;
    const known = this.done.get(key);
    if (known === undefined) this.done.set(key, { action, body, times: 1 });
    else known.times += 1;
    return answer;
  }

  paid(): readonly string[] {
    const bodies = [...this.done.values()].filter(({ action }) => action === 'pay');
    return bodies.map(({ body }) => (JSON.parse(body) as { data: { refund_id: string } }).data.refund_id).sort();
  }
}

/** A service on a database; another one on the same database is the same after a restart. */
export class CaseworkBench {
  readonly clock: ManualScheduler;
  readonly desk: RefundDesk;
  readonly ledger: LedgerStore;
  readonly worker: Caseworker;
  readonly logger = new TextLogger();
  readonly parts: RefundDeskParts & { readonly ledger: LedgerStore };

  /** Entries are A2 where it is not asked what is proved of them. */
  constructor(database: RiskDatabase, clock: ManualScheduler, side: ActionSink, levels: 'A2' | 'proved' = 'A2') {
    this.clock = clock;
    this.ledger = new LedgerStore({ database, ...owner, ...(levels === 'A2' && { levelOf: () => levels }) });
    const ruleset = makeRuleset(nodeCrypto, {});
    const parts = { database, ledger: this.ledger, crypto: nodeCrypto, ruleset, ...owner, logger: this.logger };
    this.parts = { ...parts, clock };
    this.desk = new RefundDesk(this.parts);
    // Whoever comes next finds no lease that still runs: the hand that turns the clock does not wait for it.
    this.worker = new Caseworker({ ...parts, scheduler: clock, sink: side, leaseMs: 0 });
  }

  async decided(request: RefundRequest, key = `k-${request.refund_id}`): Promise<Decision> {
    const answer = await this.desk.decide(key, request);
    if (!answer.ok) throw new Error(`${answer.reason}: ${answer.detail}`);
    return answer.value;
  }

  claim(parcel: string, ref: string, body: ClaimBody): Promise<void> {
    return this.ledger.claim(parcel, { kind: 'claim', ref, at_ms: NOW_MS, body, level: 'declared' }, NOW_MS);
  }

  round() {
    return this.worker.once(new AbortController().signal);
  }
}

export function requestOf(id: string, more: Partial<RefundRequest> = {}): RefundRequest {
  return {
    refund_id: id,
    kind: 'return',
    parcel_refs: [`k1.${id}`],
    amount_minor: 8_000,
    currency: 'USD',
    operator: `op-${id}`,
    requested_at: new Date(NOW_MS).toISOString(),
    payment_ref: `pay-${id}`,
    destination: 'original',
    ...more,
  };
}

export async function captured(database: RiskDatabase, ...ids: readonly string[]): Promise<void> {
  const rows = ids.map((id) => ({
    payment_ref: `pay-${id}`,
    currency: 'USD',
    captured_minor: 100_000,
    disputed_minor: 0,
  }));
  await importPayments(database, rows, owner);
}

/** Tables of refunds, with what counts of each row, and in an order that no sequence number makes. */
const STATE = [
  'select refund_id, state, requested_at from payments.refund order by 1',
  'select idempotency_key, decision_id from payments.request order by 1',
  'select decision_id, refund_id, outcome, answer from payments.decision order by 1',
  'select hold_id, refund_id, state, steps, due_at, next_check_at, ended_at from payments.hold order by 1',
  'select hold_id, at, what, actor, detail from payments.hold_event order by 1, 2, 3, 5',
  'select key, action, refund_id, body, state from payments.outbox order by 1',
  'select refund_id, reference, amount_minor from payments.settlement order by 1',
  'select decision_id from payments.fresh_decision order by 1',
  'select case_id, kind, decision_id, ledger, state, steps, contained_at, due_at from cases.case order by 1',
  'select case_id, at, what, actor, detail from cases.case_event order by 1, 2, 3, 5',
  'select decision_id, actor, verdict, reason from cases.verdict order by 1, 2, 3',
  'select parcel, ref from custody.claim order by 1, 2',
  'select parcel from custody.fresh_claim order by 1',
] as const;

export async function stateHash(database: RiskDatabase): Promise<string> {
  const hash = createHash('sha256');
  for (const query of STATE) hash.update(JSON.stringify((await sql.raw(query).execute(database.kysely)).rows));
  return hash.digest('hex');
}

const OF_REFUNDS = [
  'payments.payment, payments.refund, payments.decision, payments.request, payments.hold, payments.outbox',
  'cases.case, cases.verdict, custody.claim, custody.fresh_claim',
] as const;

/** Takes everything of refunds away, against all guards: only an owner of the server may. */
export async function emptyRefunds({ kysely }: RiskDatabase): Promise<void> {
  await kysely.transaction().execute(async (trx) => {
    await sql.raw("set local session_replication_role = 'replica'").execute(trx);
    for (const tables of OF_REFUNDS) await sql.raw(`truncate ${tables} restart identity cascade`).execute(trx);
  });
}
