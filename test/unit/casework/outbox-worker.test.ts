/** Commands on their way out, over an outbox in memory: what one place does not answer holds up no other. */
import { expect, test } from 'vitest';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import type { Action } from '../../../src/risk/casework/actions.ts';
import type { Leased } from '../../../src/risk/casework/outbox.ts';
import { type ActionSink, OutboxWorker } from '../../../src/risk/casework/outbox-worker.ts';
import { until } from '../../support/until.ts';

const TICKETS = 40;

function outboxOf(actions: readonly Action[]) {
  const waiting: Leased[] = actions.map((action, at) => ({
    key: `act-${at}`,
    action,
    body: '{}',
    attempts: 1,
    token: 1,
  }));
  const ended: string[] = [];
  return {
    ended,
    async lease(wanted: readonly Action[], _nowMs: number, _untilMs: number, most: number) {
      const taken = waiting.filter(({ action }) => wanted.includes(action)).slice(0, most);
      for (const one of taken) waiting.splice(waiting.indexOf(one), 1);
      return taken;
    },
    async end({ key }: Pick<Leased, 'key' | 'token'>) {
      ended.push(key);
      return true;
    },
  };
}

test('tickets that nobody answers hold up no payment behind them', async () => {
  const outbox = outboxOf([...Array<Action>(TICKETS).fill('ticket'), 'pay']);
  const stop = new AbortController();
  const sink: ActionSink = {
    actions: ['ticket', 'pay'],
    places: [['ticket'], ['pay']],
    deliver: ({ action }, signal) =>
      action === 'pay'
        ? Promise.resolve({ taken: true, said: 'HTTP 200' })
        : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  };
  const worker = new OutboxWorker({ outbox, sink, scheduler: systemScheduler(), logger: silentLogger });
  const running = worker.run(stop.signal);
  await until('the payment to be delivered', () => outbox.ended.includes(`act-${TICKETS}`));
  expect(outbox.ended).toEqual([`act-${TICKETS}`]);
  stop.abort();
  await running;
});

test('one round takes what is due everywhere, and counts it together', async () => {
  const outbox = outboxOf(['ticket', 'pay', 'deny', 'ticket']);
  const sink: ActionSink = {
    actions: ['ticket', 'pay', 'deny'],
    places: [['ticket'], ['pay', 'deny']],
    deliver: async ({ action }) =>
      action === 'deny' ? { taken: false, said: 'HTTP 500' } : { taken: true, said: 'HTTP 200' },
  };
  const worker = new OutboxWorker({ outbox, sink, scheduler: systemScheduler(), logger: silentLogger });
  expect(await worker.deliverDue()).toEqual({ taken: 3, failed: 1, fenced: 0 });
});

test('a command that was not taken is told under a name that logs show: they hide what is called a key', async () => {
  const told: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void told.push(fields) };
  const sink: ActionSink = { actions: ['pay'], deliver: async () => ({ taken: false, said: 'HTTP 500' }) };
  const worker = new OutboxWorker({ outbox: outboxOf(['pay']), sink, scheduler: systemScheduler(), logger });
  await worker.deliverDue();
  expect(told).toEqual([{ command: 'act-0', action: 'pay', attempts: 1, said: 'HTTP 500' }]);
});
