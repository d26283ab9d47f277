/**
 * Rules about the operator who asks: velocity, runs of high values, and habits that honest work does not have.
 *
 * Windows are half open: a refund exactly one window ago is no longer in it.
 */
import type { EventRef, Facts, RecentRefund } from './facts.ts';
import { legOf } from './leg-of.ts';
import { compareUsd } from './money.ts';
import { poissonTailMicro } from './poisson.ts';
import { type Finding, type Rule, seen, unseen } from './rule.ts';
import type { Parameters } from './ruleset.ts';

const MILLI = 1_000;
const DAY_MS = 24 * 3_600_000;

/** This refund and the operator's others within the window before it, the newest first. */
function before(facts: Facts, windowMs: number): readonly RecentRefund[] {
  const own = ownOf(facts);
  return [own, ...others(facts).filter(({ at_ms }) => at_ms > own.at_ms - windowMs && at_ms <= own.at_ms)];
}

/**
 * The most of them that any one window holds together with this refund. Requests come with a time of their own, and one
 * that is decided late, or dated back, must not slip past the others.
 */
function together(facts: Facts, windowMs: number, usdMinor: number): readonly RecentRefund[] {
  const own = ownOf(facts);
  const isLarge = (refund: RecentRefund): boolean =>
    Math.abs(refund.at_ms - own.at_ms) < windowMs && above(refund, usdMinor);
  // Of most operators none is: nothing has to be put in order.
  if (!isLarge(own) && facts.operator?.recent.some(isLarge) !== true) return [];
  const near = [own, ...others(facts)].filter(({ at_ms }) => Math.abs(at_ms - own.at_ms) < windowMs);
  const large = near.filter(isLarge);
  const windows = near.map(({ at_ms: from }) =>
    from > own.at_ms ? [] : large.filter(({ at_ms }) => at_ms >= from && at_ms < from + windowMs),
  );
  return windows.reduce((most, one) => (one.length > most.length ? one : most), []);
}

function ownOf({ refund, rate }: Facts): RecentRefund {
  const { refund_id, requested_at_ms: at_ms, amount_minor, currency } = refund;
  return { refund_id, at_ms, amount_minor, currency, ...(rate !== undefined && { rate }) };
}

/** The newest first. */
function others(facts: Facts): readonly RecentRefund[] {
  const recent = (facts.operator?.recent ?? []).filter(({ refund_id }) => refund_id !== facts.refund.refund_id);
  return recent.sort((a, b) => b.at_ms - a.at_ms || (a.refund_id < b.refund_id ? -1 : 1));
}

function above(refund: RecentRefund, usdMinor: number): boolean {
  return compareUsd(refund, usdMinor) === 1;
}

/** Of several refunds: which they are, and what is known of the custody of the one that is asked for. */
function several(facts: Facts, refunds: readonly RecentRefund[], finding: Finding): Finding {
  const leg = legOf(facts.refund.kind);
  const events: readonly EventRef[] = facts.parcels.flatMap((parcel) => parcel[leg].events);
  return { ...finding, events, refunds: refunds.map(({ refund_id }) => refund_id) };
}

export function dollars(usdMinor: number): string {
  return `$${Math.floor(usdMinor / 100)}.${String(usdMinor % 100).padStart(2, '0')}`;
}

function hours(ms: number): string {
  return `${Math.round(ms / 3_600_000)} h`;
}

function velocity(facts: Facts, parameters: Parameters): Finding {
  const { velocity_count, velocity_usd_minor, velocity_window_ms } = parameters;
  const large = together(facts, velocity_window_ms, velocity_usd_minor);
  const span = `${dollars(velocity_usd_minor)} in ${hours(velocity_window_ms)}`;
  const hit = large.length >= velocity_count;
  const finding = seen(hit, `${large.length} refunds over ${span}`, `${velocity_count} over ${span}`);
  return several(facts, large, finding);
}

/**
 * What is usual of this operator in the window: the hourly baseline of 28 days, times its hours. A window of a day holds each
 * hour of the day once, so a rate for each hour by itself would add up to the same; of 28 counts each, most of them none, it
 * would tell an hour that is rarely worked from one that is not, and nothing about a run of large refunds.
 */
function usualIn(windowMs: number, { edition, operator }: Facts): number | undefined {
  const perDay = operator?.usual_per_day_milli;
  return perDay === undefined || edition === undefined ? perDay : Math.ceil((perDay * windowMs) / DAY_MS);
}

function unusualVelocity(facts: Facts, parameters: Parameters): Finding {
  const usual = usualIn(parameters.velocity_window_ms, facts);
  const threshold = `a chance below ${parameters.velocity_tail_micro} in a million`;
  if (usual === undefined) return unseen(threshold);
  const large = together(facts, parameters.velocity_window_ms, parameters.velocity_usd_minor);
  const raised = facts.patterns?.promotion === true ? Math.floor((usual * parameters.promotion_milli) / MILLI) : usual;
  const chance = poissonTailMicro(large.length, raised);
  const hit = large.length > 1 && chance < parameters.velocity_tail_micro;
  const observed = `${large.length} where ${raised} thousandths are usual: ${chance} in a million`;
  return several(facts, large, seen(hit, observed, threshold));
}

function consecutive(facts: Facts, parameters: Parameters): Finding {
  const p95 = facts.operator?.tenant_p95_usd_minor ?? 0;
  const least = Math.max(parameters.consecutive_usd_minor, p95);
  const isHigh = (refund: RecentRefund): boolean => (compareUsd(refund, least) ?? -1) >= 0;
  const run: RecentRefund[] = [];
  // It begins with this refund, or not at all.
  for (const refund of isHigh(ownOf(facts)) ? before(facts, parameters.consecutive_window_ms) : []) {
    if (!isHigh(refund)) break;
    run.push(refund);
  }
  const { consecutive_count } = parameters;
  const text = `${consecutive_count} in a row of at least ${dollars(least)}`;
  const hit = run.length >= consecutive_count;
  return several(facts, run, seen(hit, `${run.length} in a row of at least ${dollars(least)}`, text));
}

function pairOf(facts: Facts, { pair_approvals, pair_share_milli }: Parameters): Finding {
  const approvals = facts.operator?.approvals;
  const threshold = `one checker for more than ${pair_share_milli} in a thousand of at least ${pair_approvals} approvals`;
  if (approvals === undefined) return unseen(threshold);
  const { total, top_pair } = approvals;
  const hit = total >= pair_approvals && top_pair * MILLI > pair_share_milli * total;
  return seen(hit, `${top_pair} of ${total} approvals by one checker`, threshold);
}

function weakShare(facts: Facts, { weak_share_refunds, weak_share_times_milli }: Parameters): Finding {
  const share = facts.operator?.weak_share;
  const threshold = `more than ${weak_share_times_milli} thousandths of the peers' share, in at least ${weak_share_refunds} refunds`;
  if (share === undefined) return unseen(threshold);
  const hit =
    share.refunds >= weak_share_refunds && share.own_milli * MILLI > weak_share_times_milli * share.peers_milli;
  return seen(hit, `${share.own_milli} in a thousand, peers ${share.peers_milli}`, threshold);
}

export const OPERATOR_RULES: readonly Rule[] = [
  {
    code: 'R01',
    title: 'several large refunds by one operator in a day',
    outcome: 'HOLD',
    investigate: true,
    customer: 'We are making an extra check of how this refund was requested.',
    look: velocity,
  },
  {
    code: 'R01b',
    title: 'more large refunds than this operator usually makes',
    outcome: 'REVIEW',
    customer: 'We are making an extra check of how this refund was requested.',
    look: unusualVelocity,
  },
  {
    code: 'R04',
    title: 'several high refunds in a row by one operator',
    outcome: 'REVIEW',
    approvals: true,
    customer: 'A refund of this size needs another look.',
    look: consecutive,
  },
  {
    code: 'R09',
    title: 'one person approves most of what another asks for',
    outcome: 'REVIEW',
    customer: 'This refund needs another person to look at it.',
    look: pairOf,
  },
  {
    code: 'R11',
    title: 'an operator whose refunds have little evidence',
    outcome: 'REVIEW',
    customer: 'This refund needs another person to look at it.',
    look: weakShare,
  },
];
