/** Limits of waits, and the garbage collector. */
import { expect, test } from 'vitest';
import { within } from '../../../src/base/abort.ts';
import { present } from '../../../src/base/assert.ts';
import { until } from '../../support/until.ts';

const collect = present(globalThis.gc, 'the garbage collector, which vitest.config.ts exposes');
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a limit fires though nobody but the listener holds what was put together, and garbage was collected', async () => {
  const stop = new AbortController();
  const fired: unknown[] = [];
  const waits = (): void => {
    const signal = within(200, stop.signal);
    signal.addEventListener('abort', () => fired.push(signal.reason.name));
  };
  for (let i = 0; i < 20; i += 1) waits();
  for (let i = 0; i < 3; i += 1) {
    await nextTurn();
    collect();
  }
  await until('all fired', () => fired.length === 20);
  expect(new Set(fired)).toEqual(new Set(['TimeoutError']));
});

test('the first one gives the reason', () => {
  const stop = new AbortController();
  const other = new AbortController();
  const signal = within(60_000, stop.signal, other.signal);
  expect(signal.aborted).toBe(false);
  other.abort('other');
  stop.abort('stop');
  expect(signal.reason).toBe('other');
});
