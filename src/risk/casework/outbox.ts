/**
 * Commands on their way out, in the database of the decisions: written in the transaction that causes them, so that there
 * is none without its cause and no cause without its command.
 *
 * A worker takes some under a lease, and whoever comes back with an older token than the row has is too late: its word is
 * not taken. So several workers may run, and one that froze does no harm. A command may reach the other side twice, with
 * the same key; it is never lost, and never forgotten: what is refused too often is dead, stays, and shows, and one about
 * money opens a case.
 */
import { type Selectable, sql } from 'kysely';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { OutboxTable } from '../store/schema.ts';
import { ACTION_NAMES, type Action, type ActionMessage } from './actions.ts';
import type { GivenUp } from './given-up.ts';
import { keptRefund } from './kept.ts';
import { lockRefund } from './locks.ts';
import type { Owner, Trx } from './rights.ts';

export interface ActionView {
  readonly key: string;
  readonly action: string;
  readonly refund_id: string;
  readonly decision_id: string;
  readonly state: OutboxTable['state'];
  readonly attempts: number;
  readonly created_at_ms: number;
  /** When it is tried next; absent when it is not. */
  readonly due_at_ms?: number;
  readonly ended_at_ms?: number;
  /** The last answer of the other side, in a few words. */
  readonly said?: string;
}

export interface Leased {
  readonly key: string;
  readonly action: Action;
  readonly body: string;
  readonly attempts: number;
  readonly token: number;
}

export interface OutboxStatus {
  readonly waiting: number;
  readonly delivered: number;
  readonly dead: number;
  /** Of what waits; absent when nothing does. */
  readonly oldest_at_ms?: number;
}

export type Ending =
  | { readonly state: 'delivered'; readonly said: string }
  | { readonly state: 'waiting'; readonly dueMs: number; readonly said: string }
  | { readonly state: 'dead'; readonly said: string };

/** `command_unknown`: none of that key is dead. `overtaken`: what was ordered since undoes it. */
export type ReviveRefusal = 'command_unknown' | 'overtaken';

/**
 * What ends that for which a command was ordered: sent after it, the command would bring back what is over. A payment does
 * not end a freeze: whose payouts are frozen is looked into also when the refund was owed.
 */
const OVERTAKEN_BY: Readonly<Partial<Record<Action, readonly Action[]>>> = {
  hold_settlement: ['pay', 'deny', 'cancel'],
  freeze_payout: ['release_payout', 'deny', 'cancel'],
};

const SAID_MAX = 200;
const LIST_MAX = 500;

/** Under the rights of payments. What is known under its key stays as it is; false then. */
export async function enqueue(trx: Trx, owner: Owner, message: ActionMessage, atMs: number): Promise<boolean> {
  const { key, action, lane, refundId, decisionId, body } = message;
  const at = new Date(atMs);
  const made = await trx
    .insertInto('payments.outbox')
    .values({
      key,
      action,
      lane,
      refund_id: refundId,
      decision_id: decisionId,
      body,
      created_at: at,
      due_at: at,
      attempts: 0,
      state: 'waiting',
      lease_until: null,
      token: 0,
      ended_at: null,
      said: null,
      tenant: owner.tenant,
      region: owner.region,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('key')
    .executeTakeFirst();
  return made !== undefined;
}

export class Outbox {
  readonly #database: RiskDatabase;
  readonly #givenUp: GivenUp | undefined;

  /** Whoever ends commands brings what opens cases of those that are given up. */
  constructor(database: RiskDatabase, givenUp?: GivenUp) {
    this.#database = database;
    this.#givenUp = givenUp;
  }

  /** The oldest that are due, at most `most`, of the actions that somebody takes. Leased to the caller until `untilMs`. */
  lease(actions: readonly Action[], nowMs: number, untilMs: number, most: number): Promise<readonly Leased[]> {
    if (actions.length === 0) return Promise.resolve([]);
    const now = new Date(nowMs);
    return this.#database.as('payments', async (trx) => {
      const due = trx
        .selectFrom('payments.outbox as o')
        .select('o.seq')
        .where('o.state', '=', 'waiting')
        .where('o.due_at', '<=', now)
        .where('o.action', 'in', actions)
        .where(({ eb, or }) => or([eb('o.lease_until', 'is', null), eb('o.lease_until', '<=', now)]))
        // Of one lane the first alone: what follows it waits until it arrived, or was given up.
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('payments.outbox as before')
                .select('before.seq')
                .whereRef('before.refund_id', '=', 'o.refund_id')
                .whereRef('before.lane', '=', 'o.lane')
                .whereRef('before.seq', '<', 'o.seq')
                .where('before.state', '=', 'waiting'),
            ),
          ),
        )
        .orderBy('o.due_at')
        .orderBy('o.seq')
        .limit(most)
        .forUpdate()
        .skipLocked();
      const rows = await trx
        .updateTable('payments.outbox')
        .set(({ eb }) => ({
          lease_until: new Date(untilMs),
          token: eb('token', '+', 1),
          attempts: eb('attempts', '+', 1),
        }))
        .where('seq', 'in', due)
        .returning(['key', 'action', 'body', 'attempts', 'token', 'seq'])
        .execute();
      return rows
        .sort((a, b) => a.seq - b.seq)
        .flatMap(({ action, ...row }) => (isAction(action) ? [{ ...row, action }] : []));
    });
  }

  /** False when the lease went to somebody else meanwhile, or it was ended: the word comes too late. */
  end({ key, token }: Pick<Leased, 'key' | 'token'>, ending: Ending, nowMs: number): Promise<boolean> {
    const said = ending.said.slice(0, SAID_MAX);
    const change =
      ending.state === 'waiting'
        ? { state: ending.state, due_at: new Date(ending.dueMs), lease_until: null, said }
        : { state: ending.state, ended_at: new Date(nowMs), lease_until: null, said };
    return this.#database.as('payments', async (trx) => {
      const row = await trx
        .updateTable('payments.outbox')
        .set(change)
        .where('key', '=', key)
        .where('token', '=', token)
        .where('state', '=', 'waiting')
        .returning(['action', 'lane', 'refund_id', 'decision_id', 'attempts'])
        .executeTakeFirst();
      if (row?.lane === 'money') await this.#told(trx, { ...row, key, token, said }, ending.state, nowMs);
      return row !== undefined;
    });
  }

  async #told(
    trx: Trx,
    row: Pick<Selectable<OutboxTable>, 'action' | 'refund_id' | 'decision_id' | 'attempts'> &
      Pick<Leased, 'key' | 'token'> & { readonly said: string },
    state: Ending['state'],
    nowMs: number,
  ): Promise<void> {
    const { refund_id: refundId, decision_id: decisionId, ...command } = row;
    if (state === 'dead') await this.#givenUp?.open(trx, { ...command, refundId, decisionId }, nowMs);
    // Tokens count every lease, attempts those since a person had it tried again.
    if (state === 'delivered' && row.token > row.attempts) await this.#givenUp?.close(trx, row.key, 'delivered', nowMs);
  }

  /**
   * A person has a dead command tried again. One that is overtaken is ended instead, with its case: it is never sent, and
   * nobody can do anything about it.
   */
  revive(key: string, nowMs: number): Promise<Result<'waiting', ReviveRefusal>> {
    return this.#database.as('payments', async (trx) => {
      const dead = await deadCommand(trx, key);
      const refund = dead && (await keptRefund(trx, dead.refund_id));
      // Whatever is ordered of a refund is ordered under its lock: what is not there now comes later, and waits behind it.
      if (refund !== undefined) await lockRefund(trx, refund);
      const row = await deadCommand(trx, key);
      if (row === undefined) return refuse('command_unknown', `there is no dead command ${JSON.stringify(key)}`);
      const later = await overtaking(trx, row);
      const now = new Date(nowMs);
      const change =
        later === undefined
          ? { state: 'waiting' as const, attempts: 0, due_at: now, ended_at: null }
          : { state: 'delivered' as const, ended_at: now, said: `not sent: overtaken by ${later}` };
      await trx.updateTable('payments.outbox').set(change).where('key', '=', key).where('state', '=', 'dead').execute();
      if (later === undefined) return accept('waiting');
      await this.#givenUp?.close(trx, key, 'overtaken', nowMs);
      const { action, refund_id } = row;
      return refuse('overtaken', `${later} of refund ${JSON.stringify(refund_id)} came after ${action}`);
    });
  }

  status(): Promise<OutboxStatus> {
    return this.#database.as('payments', async (trx) => {
      const { rows } = await sql<{
        readonly state: OutboxTable['state'];
        readonly count: number;
        readonly oldest: Date;
      }>`
        select state, count(*) as count, min(created_at) as oldest from payments.outbox group by state`.execute(trx);
      const of = (state: OutboxTable['state']): number => Number(rows.find((row) => row.state === state)?.count ?? 0);
      const oldest = rows.find(({ state }) => state === 'waiting')?.oldest;
      return {
        waiting: of('waiting'),
        delivered: of('delivered'),
        dead: of('dead'),
        ...(oldest !== undefined && { oldest_at_ms: oldest.getTime() }),
      };
    });
  }

  /** The oldest first. */
  list(state: OutboxTable['state'], limit = LIST_MAX): Promise<readonly ActionView[]> {
    return this.#database.as('payments', async (trx) => {
      const rows = await trx
        .selectFrom('payments.outbox')
        .selectAll()
        .where('state', '=', state)
        .orderBy('seq')
        .limit(Math.min(Math.max(Math.trunc(limit), 1), LIST_MAX))
        .execute();
      return rows.map(actionView);
    });
  }
}

export function actionView(row: Selectable<OutboxTable>): ActionView {
  return {
    key: row.key,
    action: row.action,
    refund_id: row.refund_id,
    decision_id: row.decision_id,
    state: row.state,
    attempts: row.attempts,
    created_at_ms: row.created_at.getTime(),
    ...(row.state === 'waiting' && { due_at_ms: row.due_at.getTime() }),
    ...(row.ended_at !== null && { ended_at_ms: row.ended_at.getTime() }),
    ...(row.said !== null && { said: row.said }),
  };
}

function deadCommand(trx: Trx, key: string) {
  return trx
    .selectFrom('payments.outbox')
    .select(['seq', 'action', 'refund_id'])
    .where('key', '=', key)
    .where('state', '=', 'dead')
    .executeTakeFirst();
}

/** The first that overtook it, on its way, delivered or given up itself. */
async function overtaking(
  trx: Trx,
  { seq, action, refund_id }: Pick<Selectable<OutboxTable>, 'seq' | 'action' | 'refund_id'>,
): Promise<string | undefined> {
  if (action === 'pay') {
    // Before 0033 a settlement did not end the order that it made needless.
    const paid = await trx
      .selectFrom('payments.settlement')
      .select('reference')
      .where('refund_id', '=', refund_id)
      .executeTakeFirst();
    return paid && 'a settlement';
  }
  const actions = isAction(action) ? OVERTAKEN_BY[action] : undefined;
  if (actions === undefined) return undefined;
  const later = await trx
    .selectFrom('payments.outbox')
    .select('action')
    .where('refund_id', '=', refund_id)
    .where('action', 'in', actions)
    .where('seq', '>', seq)
    .orderBy('seq')
    .executeTakeFirst();
  return later?.action;
}

function isAction(text: string): text is Action {
  return (ACTION_NAMES as readonly string[]).includes(text);
}
