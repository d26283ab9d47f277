import { expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { ParcelLedger } from '../../../src/risk/ledger/fold.ts';
import { LedgerPump } from '../../../src/risk/service/ledger-pump.ts';
import { TextLogger } from '../intake/harness.ts';

/** A ledger whose reading ends when the test says so. */
class SlowLedger {
  readonly rounds: { done(count: number): void; fail(error: Error): void }[] = [];
  asked = 0;

  catchUp(): Promise<number> {
    return new Promise((resolve, reject) => this.rounds.push({ done: resolve, fail: reject }));
  }

  async ledger(): Promise<ParcelLedger> {
    this.asked += 1;
    return { facts: { ref: 'p' }, timeline: [] } as unknown as ParcelLedger;
  }

  async ledgers(): Promise<readonly ParcelLedger[]> {
    return [await this.ledger()];
  }
}

function pumpOf() {
  const ledger = new SlowLedger();
  const scheduler = new ManualScheduler();
  const logger = new TextLogger();
  return { ledger, scheduler, logger, pump: new LedgerPump({ ledger, scheduler, logger, everyMs: 100 }) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('whoever asks while a round runs waits for one that begins afterwards, and all of them share it', async () => {
  const { ledger, pump } = pumpOf();
  const order: string[] = [];
  const first = pump.upToDate().then(() => order.push('first'));
  const later = [pump.upToDate(), pump.upToDate()].map((one, i) => one.then(() => order.push(`later ${i}`)));
  expect(ledger.rounds).toHaveLength(1);
  ledger.rounds[0]?.done(3);
  await first;
  await turn();
  expect(order).toEqual(['first']);
  expect(ledger.rounds).toHaveLength(2);
  ledger.rounds[1]?.done(4);
  await Promise.all(later);
  expect(ledger.rounds).toHaveLength(2);
  expect(pump.status()).toEqual({ read: 7 });
});

test('a parcel is folded only after what is stored was read, and not when that fails', async () => {
  const { ledger, pump, logger } = pumpOf();
  const asked = pump.ledger('p', 1);
  await turn();
  expect(ledger.asked).toBe(0);
  ledger.rounds[0]?.done(1);
  await asked;
  expect(ledger.asked).toBe(1);
  const several = pump.ledgers(['p', 'q'], 2);
  expect(ledger.asked).toBe(1);
  ledger.rounds[1]?.done(0);
  await several;
  expect(ledger.asked).toBe(2);
  const failing = pump.ledger('p', 3);
  ledger.rounds[2]?.fail(new LatchkeyError('STORE_IO', 'the disk is gone'));
  await expect(failing).rejects.toThrow('the disk is gone');
  expect(ledger.asked).toBe(2);
  expect(pump.status()).toEqual({ read: 1, failure: 'the disk is gone' });
  expect(logger.text).toContain('the ledger cannot read on');
  const again = pump.upToDate();
  ledger.rounds[3]?.done(2);
  await again;
  expect(pump.status()).toEqual({ read: 3 });
});

test('a failed round does not fail those who asked while it ran', async () => {
  const { ledger, pump } = pumpOf();
  const first = pump.upToDate();
  const second = pump.upToDate();
  ledger.rounds[0]?.fail(new LatchkeyError('STORE_IO', 'for a moment'));
  await expect(first).rejects.toThrow('for a moment');
  await turn();
  ledger.rounds[1]?.done(1);
  await second;
});

test('it reads on by itself until it is stopped', async () => {
  const { ledger, scheduler, pump } = pumpOf();
  pump.start();
  scheduler.advance(100);
  expect(ledger.rounds).toHaveLength(1);
  ledger.rounds[0]?.done(1);
  await turn();
  scheduler.advance(100);
  expect(ledger.rounds).toHaveLength(2);
  const stopped = pump.stop();
  ledger.rounds[1]?.done(0);
  await stopped;
  await turn();
  scheduler.advance(1_000);
  expect(ledger.rounds).toHaveLength(2);
});
