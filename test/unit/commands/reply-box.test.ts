/** The box of replies and a connection that comes while one is being tried. */
import { expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { ReplyBox } from '../../../src/edge/commands/reply-box.ts';
import { until } from '../../support/until.ts';

test('a connection that comes while a reply is tried in vain has it tried again at once', async () => {
  const scheduler = new ManualScheduler();
  const tries: ((error?: Error) => void)[] = [];
  const box = new ReplyBox({
    sign: () =>
      new Promise((resolve, reject) => {
        tries.push((error) => (error === undefined ? resolve(new Uint8Array(1)) : reject(error)));
      }),
    publish: async () => true,
    scheduler,
    logger: silentLogger,
    metrics: new MemoryMetrics(),
  });
  box.putAgain(new Uint8Array(1));
  await until('what is signed already goes', () => box.waiting === 0);
  const entry = { log: 'lockers.example/gw-0001/1-56475aa7', n: 1 };
  box.put({ id: 'reply', command: 'AAAAAAAAAAAAAAAAAAAAAA', verb: 'open', outcome: 'executed', result: 'done', entry });
  box.wake();
  tries[0]?.(new LatchkeyError('KEY_LOCKED', 'the TPM is away'));
  await until('it is tried again without a timer', () => tries.length === 2);
  expect(scheduler.pending).toBe(0);
  tries[1]?.(new LatchkeyError('KEY_LOCKED', 'the TPM is away'));
  await until('the next try has its time', () => scheduler.pending === 1);
  expect(tries).toHaveLength(2);
});
