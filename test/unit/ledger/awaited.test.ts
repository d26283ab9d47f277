/** Which logs of a gateway a parcel that lies there waits for. */
import { expect, test } from 'vitest';
import { awaitedAt } from '../../../src/risk/ledger/awaited.ts';
import type { LogRow } from '../../../src/risk/ledger/ledger-inputs.ts';
import { START_MS } from './support.ts';

const origin = (number: number, gateway = 'gw-1'): string => `lockers.example/${gateway}/${number}-9f2c01aa`;
const place = { gateway: 'gw-1', compartment: 'A01', sinceMs: START_MS, errMs: 0, ref: `${origin(2)}#7` };
const log = (number: number, more: Partial<LogRow> = {}): LogRow => ({
  kind: 'log',
  origin: origin(number, more.gateway),
  gateway: 'gw-1',
  owes: false,
  at: null,
  ...more,
});
const silent = { at: new Date(START_MS + 5) };

test.each([
  ['none owes', [log(1), log(2), log(3)], undefined],
  ['its own owes', [log(2, { owes: true }), log(3)], START_MS],
  ['a later one owes', [log(2), log(3, { owes: true })], START_MS],
  ['one before its own owes', [log(1, { owes: true }), log(2)], undefined],
  ['one of another gateway owes', [log(2), log(2, { gateway: 'gw-2', owes: true })], undefined],
  ['the newest is silent', [log(2), log(3, silent)], START_MS + 5],
  ['only an older one is silent', [log(2, silent), log(3)], undefined],
  ['ten is newer than nine', [log(9), log(10, silent)], START_MS + 5],
] as const)('%s', (_, logs, sinceMs) => {
  const awaited = sinceMs === undefined ? undefined : { gateway: 'gw-1', since_ms: sinceMs };
  expect(awaitedAt([place], logs)).toEqual(awaited);
  expect(awaitedAt([place], logs.toReversed())).toEqual(awaited);
  expect(awaitedAt([], logs)).toBeUndefined();
});
