/** `latchkey risk holds`, `hold-release`, `settle` and `work`: what follows from decisions, for people at the database. */
import { LatchkeyError } from '../../base/errors.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { Caseworker } from '../../risk/casework/caseworker.ts';
import { HOLD_STATES, HoldBook, type HoldState, type HoldView } from '../../risk/casework/hold-book.ts';
import { Outbox } from '../../risk/casework/outbox.ts';
import { WebhookSink } from '../../risk/casework/webhook-sink.ts';
import type { CommandIo, CommandRun } from '../command.ts';
import { keptText } from '../kept-text.ts';
import { refusedWord } from '../refused-word.ts';
import { type RiskSide, withRiskSide } from '../risk-store.ts';

const HOLDS_MAX = 500;

export const riskHoldsCommand: CommandRun = async (args, io) => {
  const [id] = args.positionals;
  const text = args.text('state') ?? 'open';
  const state = HOLD_STATES.find((one) => one === text);
  if (state === undefined) {
    throw new LatchkeyError(
      'USAGE',
      `option --state: expected ${HOLD_STATES.join(', ')}; found ${JSON.stringify(text)}`,
    );
  }
  const show = async ({ database }: RiskSide): Promise<number> => {
    const book = new HoldBook(database);
    if (id === undefined) return listHolds(book, state, args.flag('json'), io);
    const hold = await book.show(id);
    if (hold === undefined) throw new LatchkeyError('NAME_UNKNOWN', `there is no hold ${JSON.stringify(id)}`);
    if (args.flag('json')) io.out(JSON.stringify(hold));
    else {
      showHold(hold, io);
      for (const text of hold.release_when) io.out(`  ${text}`);
      for (const { at_ms, what, actor, detail } of hold.history) {
        io.out(`  ${at(at_ms)}  ${what.padEnd(16)} ${actor}${detail === undefined ? '' : `: ${detail}`}`);
      }
      for (const { action, state: sent, said } of hold.actions)
        io.out(`  ${action} ${sent}${said ? ` (${said})` : ''}`);
      for (const { case_id, kind, state: standing } of hold.cases) io.out(`  case ${case_id} ${kind} ${standing}`);
    }
    return 0;
  };
  return withRiskSide(args, io, show, true);
};

async function listHolds(book: HoldBook, state: HoldState, json: boolean, io: CommandIo): Promise<number> {
  const { holds, next } = await book.list({ state, limit: HOLDS_MAX });
  if (json) io.out(JSON.stringify({ holds, ...(next !== undefined && { next }) }));
  else for (const hold of holds) showHold(hold, io);
  if (!json && next !== undefined) io.err(`only the first ${HOLDS_MAX} are shown, the nearest deadline first`);
  return 0;
}

function showHold(hold: HoldView, io: CommandIo): void {
  const { hold_id, refund_id, outcome, codes, deadline_at_ms, on_deadline, state } = hold;
  const ends = on_deadline === 'pay' ? 'is paid then unless it may be withheld' : 'people are told then';
  io.out(`${hold_id}  ${refund_id}: ${outcome} (${codes.join(', ')}), ${state}`);
  io.out(`  until ${at(deadline_at_ms)}: ${ends}; ${hold.basis}`);
}

function at(ms: number): string {
  return new Date(ms).toISOString();
}

export const riskHoldReleaseCommand: CommandRun = async (args, io) => {
  const [holdId = ''] = args.positionals;
  const verdict = { actor: keptText('actor', args.required('actor')), reason: args.required('reason') };
  return withRiskSide(args, io, async ({ database, desk }) => {
    const hold = await new HoldBook(database).show(holdId);
    if (hold === undefined) throw new LatchkeyError('NAME_UNKNOWN', `there is no hold ${JSON.stringify(holdId)}`);
    const answer = args.flag('deny') ? await desk.deny(hold.refund_id, verdict) : await desk.release(holdId, verdict);
    if (!answer.ok) throw refusedWord(answer);
    const { state, need, have } = answer.value;
    if (args.flag('json')) io.out(JSON.stringify(answer.value));
    else io.out(state === 'held' ? `held: ${have} of ${need} people let it be paid` : `${hold.refund_id}: ${state}`);
    return 0;
  });
};

export const riskSettleCommand: CommandRun = async (args, io) => {
  const [refundId = ''] = args.positionals;
  const settlement = {
    reference: keptText('reference', args.required('reference')),
    amount_minor: args.count('amount', 0),
    currency: args.required('currency'),
    settled_at_ms: Date.now(),
  };
  return withRiskSide(args, io, async ({ desk }) => {
    const answer = await desk.settle(refundId, settlement);
    if (!answer.ok) throw refusedWord(answer);
    io.out(args.flag('json') ? JSON.stringify({ refund: refundId, state: answer.value }) : `${refundId}: paid`);
    return 0;
  });
};

export const riskWorkCommand: CommandRun = async (args, io) => {
  const revived = args.text('retry');
  return withRiskSide(args, io, async ({ database, ledger, parts, webhooks }) => {
    const scheduler = systemScheduler();
    const sink = new WebhookSink({ endpoints: webhooks, clock: scheduler });
    await sink.check();
    const outbox = new Outbox(database);
    const worker = new Caseworker({ ...parts, ledger, scheduler, sink });
    if (revived !== undefined) {
      const answer = await worker.revive(revived);
      if (!answer.ok) throw refusedWord(answer);
    }
    await ledger.catchUp(io.signal);
    const round = await worker.once(io.signal);
    const status = await worker.status();
    const dead = await outbox.list('dead');
    if (args.flag('json')) io.out(JSON.stringify({ ...round, ...status, dead }));
    else {
      const { late, swept, sent } = round;
      const rest = late.more ? '; there is more: run it again' : '';
      io.out(`${late.looked} decisions looked at again, ${late.opened} cases opened by late facts${rest}`);
      io.out(`${swept.holds} holds and ${swept.cases} cases were due, ${swept.failed} failed`);
      io.out(
        `${sent.taken} commands taken, ${sent.failed} refused; ${status.outbox.waiting} wait, ${dead.length} dead`,
      );
      for (const { key, action, refund_id, said } of dead)
        io.out(`  dead: ${key} ${action} ${refund_id}: ${said ?? ''}`);
    }
    return round.swept.failed === 0 && dead.length === 0 ? 0 : 1;
  });
};
