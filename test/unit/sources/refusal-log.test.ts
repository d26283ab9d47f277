/** What a flood of refused webhooks leaves in the log. */
import { expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { RefusalLog } from '../../../src/risk/sources/refusal-log.ts';
import { TextLogger } from '../intake/harness.ts';

test('a flood of refused webhooks fills no log, and how many it was is said', () => {
  const logger = new TextLogger();
  const clock = new ManualScheduler();
  const log = new RefusalLog(logger, clock);
  for (let at = 0; at < 1_000; at += 1) log.refused('psp-1', 'bad_signature');
  log.refused(undefined, 'unknown_source');
  log.refused('psp-1', 'stale');
  const lines = (): readonly string[] => logger.text.trim().split('\n');
  expect(lines()).toHaveLength(12);
  clock.advance(60_000);
  log.refused('psp-1', 'bad_signature');
  log.refused('psp-1', 'bad_signature');
  expect(lines().slice(12)).toEqual([
    '{"source":"psp-1","untold":990,"reason":"bad_signature"} a webhook was refused',
    '{"source":"psp-1","reason":"bad_signature"} a webhook was refused',
  ]);
});
