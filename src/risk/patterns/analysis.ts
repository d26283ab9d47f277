/**
 * The batch analysis: counts what the database holds as of now, and keeps what it finds in the place of what was found
 * before. Each count is a transaction of its own with a limit of its own, so that decisions go on between them.
 *
 * Several services may run it on one database: whoever comes second with something older keeps nothing.
 */
import { sql } from 'kysely';
import { LatchkeyError } from '../../base/errors.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { textsOf } from '../store/texts.ts';
import { lossRates, usualPerDayMilli, weakShares } from './arithmetic.ts';
import {
  type CourierFinding,
  courierId,
  type LockerFinding,
  lockerId,
  type OperatorFinding,
  operatorId,
  type PairFinding,
  PROMOTIONS,
  type PromotionWindow,
  pairId,
  TENANT,
  type TenantFinding,
} from './findings.ts';
import { countGraded, type Graded } from './graded.ts';
import {
  type ChargebackCount,
  countApprovals,
  countChargebacks,
  countLosses,
  countOperators,
  type OperatorCount,
  percentile95,
  SUBJECTS_MAX,
  type Trx,
  USUAL_MS,
} from './measure.ts';
import { pairLifts } from './pairs.ts';

export interface AnalysisParts {
  readonly database: RiskDatabase;
  readonly tenant: string;
  readonly region: string;
  /** Of the ruleset: what R01 and R01b call large. */
  readonly largeUsdMinor: number;
  readonly promotions: readonly PromotionWindow[];
  /** Of each statement: half a minute unless given. */
  readonly statementLimitMs?: number;
}

export interface AnalysisReport {
  readonly as_of_ms: number;
  readonly operators: number;
  readonly lockers: number;
  readonly couriers: number;
  /** False when a newer analysis was kept meanwhile. */
  readonly kept: boolean;
}

const STATEMENT_LIMIT_MS = 30_000;
/** What the server says of a statement that it ended. */
const QUERY_CANCELED = '57014';
/** The largest of so few says nothing of a percentile. */
const P95_REFUNDS_MIN = 20;
const DAY_MS = 86_400_000;
const PAGE_ROWS = 2_000;
/** Of pairs those that are least likely: the others are far from any rule. */
const PAIRS_KEPT_MAX = 10_000;

/**
 * Durable when it resolves. Rejects with TIMED_OUT where a statement takes too long, where the database does, or with the
 * abort reason between two statements.
 */
export async function analyse(parts: AnalysisParts, asOfMs: number, signal?: AbortSignal): Promise<AnalysisReport> {
  const ask = <T>(what: string, count: (trx: Trx, asOfMs: number) => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    return limited(parts, what, (trx) => count(trx, asOfMs));
  };
  const counted = await ask('operators', (trx) => countOperators(trx, asOfMs, parts.largeUsdMinor));
  const amounts = await ask('amounts', percentile95);
  const graded = await ask('grades', countGraded);
  const approvals = await ask('approvals', countApprovals);
  const losses = await ask('losses', countLosses);
  const disputes = await ask('chargebacks', countChargebacks);
  const operators = operatorFindings(asOfMs, { counted, graded, approvals, disputes });
  const rates = lossRates(losses);
  const disputed = byName(disputes, 'locker');
  const lockers = losses.map(({ gateway }, i): readonly [string, LockerFinding] => {
    const loss = rates?.[i];
    return [lockerId(gateway), { chargebacks: disputed.get(gateway) ?? 0, ...(loss && { loss }) }];
  });
  const enough = amounts.usd_minor !== null && amounts.refunds >= P95_REFUNDS_MIN;
  const couriers = courierFindings(graded, disputes);
  const { pairs, cut } = pairFindings(graded);
  const tenant: TenantFinding = {
    ...(enough && { p95_usd_minor: Number(amounts.usd_minor) }),
    ...(cut && { pairs_cut: true }),
  };
  const rows = [
    [TENANT, tenant] as const,
    [PROMOTIONS, parts.promotions] as const,
    ...operators,
    ...lockers,
    ...couriers,
    ...pairs,
  ];
  signal?.throwIfAborted();
  const kept = await keep(parts, asOfMs, rows);
  const report = { as_of_ms: asOfMs, operators: operators.length, lockers: lockers.length, couriers: couriers.length };
  return { ...report, kept };
}

interface OfOperators {
  readonly counted: readonly OperatorCount[];
  readonly graded: Graded;
  readonly approvals: Awaited<ReturnType<typeof countApprovals>>;
  readonly disputes: readonly ChargebackCount[];
}

/** Of each that made a refund in 28 days. */
function operatorFindings(
  asOfMs: number,
  { counted, graded, approvals, disputes }: OfOperators,
): readonly (readonly [string, OperatorFinding])[] {
  // A service that is new to its tenant has not seen 28 days of anybody.
  const spanOf = ({ first_ms }: OperatorCount): number => Math.min(USUAL_MS, Math.max(DAY_MS, asOfMs - first_ms));
  const large = counted.reduce((sum, one) => sum + one.large, 0);
  const spanMs = counted.reduce((sum, one) => sum + spanOf(one), 0);
  const weak = graded.operators;
  const shares = new Map(weakShares(weak).map((share, i) => [weak[i]?.operator, share]));
  const approved = new Map(approvals.map(({ operator, total, top_pair }) => [operator, { total, top_pair }]));
  const disputed = byName(disputes, 'operator');
  return counted.map((one) => {
    const own = { count: one.large, spanMs: spanOf(one) };
    const peers = { count: large - own.count, spanMs: spanMs - own.spanMs };
    const share = shares.get(one.operator);
    return [
      operatorId(one.operator),
      {
        usual_per_day_milli: usualPerDayMilli(own, peers),
        approvals: approved.get(one.operator) ?? { total: 0, top_pair: 0 },
        chargebacks: disputed.get(one.operator) ?? 0,
        ...(share && { weak_share: share }),
      },
    ];
  });
}

/** Of each that had a parcel of a refund in hands, or of a payment that is disputed: those with the most of both. */
function courierFindings(
  { pairs }: Graded,
  disputes: readonly ChargebackCount[],
): readonly (readonly [string, CourierFinding])[] {
  const disputed = byName(disputes, 'courier');
  const names = new Set([...disputed.keys(), ...pairs.map(({ courier }) => courier)]);
  return [...names].slice(0, SUBJECTS_MAX).map((name) => [courierId(name), { chargebacks: disputed.get(name) ?? 0 }]);
}

function pairFindings({ pairs, cut }: Graded): {
  readonly pairs: readonly (readonly [string, PairFinding])[];
  readonly cut: boolean;
} {
  const lifts = pairLifts(pairs);
  const kept = lifts.slice(0, PAIRS_KEPT_MAX);
  return {
    pairs: kept.map(({ operator, courier, weak, refunds, expected_milli, lift_milli, p_micro }) => [
      pairId(operator, courier),
      { refunds: weak, together: refunds, expected_milli, lift_milli, p_micro },
    ]),
    cut: cut || kept.length < lifts.length,
  };
}

function byName(all: readonly ChargebackCount[], kind: ChargebackCount['kind']): ReadonlyMap<string, number> {
  return new Map(all.filter((one) => one.kind === kind).map(({ name, disputes }) => [name, disputes]));
}

/** All of it takes the place of all that was there. */
function keep(
  parts: AnalysisParts,
  asOfMs: number,
  rows: readonly (readonly [id: string, body: unknown])[],
): Promise<boolean> {
  const { tenant, region } = parts;
  return limited(parts, 'what is kept', async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('latchkey patterns', 0))`.execute(trx);
    if ((await newest(trx)) > asOfMs) return false;
    for (let first = 0; first < rows.length; first += PAGE_ROWS) {
      const page = rows.slice(first, first + PAGE_ROWS);
      await sql`insert into payments.finding (id, as_of_ms, body, tenant, region)
        select id, ${asOfMs}::bigint, body::jsonb, ${tenant}::text, ${region}::text
          from unnest(${textsOf(page.map(([id]) => id))}, ${textsOf(page.map(([, body]) => JSON.stringify(body)))})
            as x (id, body)
        on conflict (id) do update set as_of_ms = excluded.as_of_ms, body = excluded.body`.execute(trx);
    }
    await sql`delete from payments.finding where as_of_ms < ${asOfMs}::bigint`.execute(trx);
    return true;
  });
}

/** As of when the newest analysis was kept, whoever made it; undefined before the first. */
export async function latestAnalysis(database: RiskDatabase): Promise<number | undefined> {
  const ms = await database.as('patterns', newest);
  return ms < 0 ? undefined : ms;
}

async function newest(trx: Trx): Promise<number> {
  const { rows } = await sql<{ readonly ms: number | string }>`
    select coalesce(max(as_of_ms), -1) as ms from payments.finding where id = ${TENANT}`.execute(trx);
  return Number(rows[0]?.ms ?? -1);
}

/** The server ends what takes longer: `what` tells which, since the server does not. */
async function limited<T>(
  { database, statementLimitMs = STATEMENT_LIMIT_MS }: AnalysisParts,
  what: string,
  work: (trx: Trx) => Promise<T>,
): Promise<T> {
  try {
    return await database.as('patterns', async (trx) => {
      await sql`select set_config('statement_timeout', ${`${statementLimitMs}ms`}, true)`.execute(trx);
      return work(trx);
    });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === QUERY_CANCELED)) throw error;
    const text = `the batch analysis: a statement about ${what} was ended, which may take ${statementLimitMs} ms`;
    throw new LatchkeyError('TIMED_OUT', text, { cause: error });
  }
}
