/**
 * Decisions, commands, also one that is given up, settlements, late facts and deadlines, broken at each step: after a new start the end is what it is
 * without a break, and nothing is paid twice.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import type { Settlement } from '../../../src/risk/casework/settlements.ts';
import { RiskDatabase } from '../../../src/risk/store/open-database.ts';
import { recordResult } from '../../campaign/support/results.ts';
import { BreakingDatabase } from '../../support/breaking-database.ts';
import {
  CaseworkBench,
  captured,
  DAY_MS,
  emptyRefunds,
  NOW_MS,
  PaymentSide,
  requestOf,
  stateHash,
} from '../../support/casework-bench.ts';
import { openInMemory } from '../../support/embedded.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';

/** Every step in the campaign; elsewhere some, from a place that changes with the day. */
const STRIDE = process.env['CRASH_STRIDE'] === undefined ? 97 : Number(process.env['CRASH_STRIDE']);
const OFFSET = Math.floor(Date.now() / DAY_MS) % STRIDE;
const IDS = ['honest', 'phantom', 'large', 'refused'] as const;

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** Each step as a service does it, from the day on which it happens. */
type Step = (bench: CaseworkBench) => Promise<unknown>;
const STORY: readonly (readonly [day: number, step: Step])[] = [
  [0, (bench) => bench.claim('k1.honest', 'wms:1', { what: 'inspected', result: 'ok' })],
  [0, (bench) => bench.decided(requestOf('honest'))],
  [0, (bench) => bench.decided(requestOf('phantom'))],
  [0, (bench) => bench.decided(requestOf('large', { kind: 'not_received', parcel_refs: [], amount_minor: 60_000 }))],
  [0, (bench) => bench.round()],
  [0, (bench) => bench.desk.settle('honest', settled('tr-1'))],
  [1, (bench) => bench.claim('k1.honest', 'wms:2', { what: 'inspected', result: 'empty' })],
  [1, (bench) => bench.round()],
  [15, (bench) => bench.round()],
  [15, (bench) => bench.round()],
  [16, (bench) => bench.decided(requestOf('refused', { kind: 'recall', parcel_refs: [] }))],
  [16, async (bench) => bench.parts.database.as('payments', (trx) => LAST_ATTEMPT.execute(trx))],
  [16, (bench) => bench.round()],
  [17, (bench) => bench.desk.settle('refused', settled('tr-2'))],
];

/** As after hours of refusals. */
const LAST_ATTEMPT = sql`update payments.outbox set attempts = 13
  where refund_id = 'refused' and action = 'pay' and state = 'waiting'`;

function settled(reference: string): Settlement {
  return { reference, amount_minor: 8_000, currency: 'USD', settled_at_ms: NOW_MS };
}

/**
 * From a day on, until the story is told, or the process died of the break; `diedOn` is the day then. What it said that
 * failed is said by nobody.
 */
async function tell(database: RiskDatabase, side: PaymentSide, breakAt: number, from = 0): Promise<Told> {
  const breaking = new BreakingDatabase(database, breakAt, { staysBroken: true });
  let diedOn = from;
  try {
    for (const [day, step] of STORY) {
      if (day < from) continue;
      diedOn = day;
      await step(new CaseworkBench(breaking.database, new ManualScheduler(NOW_MS + day * DAY_MS), side));
      if (breaking.brokenAt !== undefined) break;
    }
  } catch (error) {
    if (breaking.brokenAt === undefined) throw error;
  }
  return { steps: breaking.steps, brokenAt: breaking.brokenAt, diedOn };
}

interface Told {
  readonly steps: number;
  readonly brokenAt: string | undefined;
  readonly diedOn: number;
}

async function begin(database: RiskDatabase): Promise<PaymentSide> {
  await emptyRefunds(database);
  await captured(database, ...IDS);
  const side = new PaymentSide();
  side.answer = (action, body) =>
    action === 'pay' && body.includes('"refund_id":"refused"')
      ? { taken: false, said: 'HTTP 422' }
      : { taken: true, said: 'HTTP 200' };
  return side;
}

const ENGINES: Readonly<Record<string, () => Promise<RiskDatabase>>> = {
  PGlite: async () => (await openInMemory()).database,
  PostgreSQL: async () => RiskDatabase.open({ engine: 'postgres', url: await postgres.database('crash'), poolMax: 4 }),
};

describe.each(Object.entries(ENGINES))('%s', (engine, open) => {
  let database: RiskDatabase;
  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database.close());

  test('a break at each step, and a new start: the same end, and nothing paid twice', async () => {
    const startedMs = Date.now();
    const calm = await begin(database);
    const { steps } = await tell(database, calm, Number.POSITIVE_INFINITY);
    const hash = await stateHash(database);
    // What the story is about did happen.
    expect(calm.paid()).toEqual(['honest', 'large']);
    expect([...calm.done.values()].map(({ action }) => action)).toEqual(
      expect.arrayContaining(['hold_settlement', 'ticket', 'pay']),
    );
    const { rows: cases } = await sql<{ kind: string }>`select kind from cases.case order by kind`.execute(
      database.kysely,
    );
    expect(cases.map(({ kind }) => kind)).toEqual(['given_up', 'late_fact', 'refund', 'refund']);
    expect(steps).toBeGreaterThan(200);
    for (let at = 1 + OFFSET; at <= steps; at += STRIDE) {
      const side = await begin(database);
      const broken = await tell(database, side, at);
      expect(`${at}: ${broken.brokenAt ?? 'not reached'}`).not.toContain('not reached');
      // All of that day is said again; clocks do not go back to the days before.
      await tell(database, side, Number.POSITIVE_INFINITY, broken.diedOn);
      expect(`${at}: ${side.paid().join()}`).toBe(`${at}: honest,large`);
      expect(`${at}: ${await stateHash(database)}`).toBe(`${at}: ${hash}`);
    }
    if (STRIDE === 1) {
      const scenario = `decisions, commands and deadlines broken at each step, ${engine}`;
      await recordResult({ scenario, counts: `${steps} steps, each the same end`, startedMs });
    }
  });
});
