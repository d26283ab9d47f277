/**
 * The parameters of a decision, each with its bounds. A set of them is a ruleset; its version is made of their bytes, so
 * two services with one version decide alike.
 */
import { z } from 'zod';
import { hex, utf8 } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { canonicalJson } from '../../evidence/event/json.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Cents of a US dollar. */
const usd = (fallback: number) => z.int().min(0).max(100_000_000).default(fallback);
const span = (fallback: number, least: number, most: number) => z.int().min(least).max(most).default(fallback);
const count = (fallback: number) => z.int().min(2).max(1_000).default(fallback);
const milli = (fallback: number) => z.int().min(0).max(1_000_000).default(fallback);

export const rulesetSchema = z.strictObject({
  /** Value bands: up to the first a refund is paid unless something speaks against it, then WEAK, MODERATE, STRONG. */
  instant_usd_minor: usd(2_500),
  weak_usd_minor: usd(10_000),
  moderate_usd_minor: usd(50_000),
  approvals: z.int().min(1).max(5).default(2),
  /** R01. */
  velocity_count: count(3),
  velocity_usd_minor: usd(10_000),
  velocity_window_ms: span(DAY_MS, HOUR_MS, 31 * DAY_MS),
  /** R01b: millionths. */
  velocity_tail_micro: z.int().min(1).max(100_000).default(100),
  /** R03. */
  after_exception_ms: span(HOUR_MS, 60_000, 7 * DAY_MS),
  /** R04. */
  consecutive_count: count(3),
  consecutive_usd_minor: usd(25_000),
  consecutive_window_ms: span(7 * DAY_MS, HOUR_MS, 31 * DAY_MS),
  /** R08. */
  step_up_usd_minor: usd(50_000),
  /** R09. */
  pair_share_milli: milli(600),
  pair_approvals: count(10),
  /** R10. */
  lift_milli: milli(3_000),
  lift_refunds: count(5),
  lift_p_micro: z.int().min(1).max(1_000_000).default(10_000),
  /** R11. */
  weak_share_times_milli: milli(3_000),
  weak_share_refunds: count(10),
  /** R12. */
  customer_refunded_milli: milli(400),
  customer_orders: count(5),
  /** R13. */
  locker_times_milli: milli(3_000),
  /** R14. */
  chargebacks: count(3),
  /** R16: while a promotion runs, what is usual is taken times so much. */
  promotion_milli: z.int().min(1_000).max(10_000).default(2_000),
  /** When a hold must be answered: a dependency that failed, what may still arrive, and everything else. */
  dependency_deadline_ms: span(15 * 60_000, 60_000, DAY_MS),
  arrival_deadline_ms: span(DAY_MS, HOUR_MS, 14 * DAY_MS),
  hold_deadline_ms: span(2 * DAY_MS, HOUR_MS, 14 * DAY_MS),
  containment_ms: span(HOUR_MS, 60_000, DAY_MS),
});

export type RulesetSettings = z.input<typeof rulesetSchema>;
export type Parameters = z.output<typeof rulesetSchema>;

export interface Ruleset {
  /** `v1-` and the first 12 hex digits of SHA-256 of the parameters (RFC 8785). */
  readonly version: string;
  readonly parameters: Parameters;
}

/** Of the code: a change of what a rule means makes another one. */
const EDITION = 'v1';

export function makeRuleset(crypto: Pick<EvidenceCrypto, 'sha256'>, settings: RulesetSettings): Ruleset {
  const parameters = rulesetSchema.parse(settings);
  const digest = crypto.sha256(utf8(canonicalJson(parameters)));
  return { version: `${EDITION}-${hex(digest).slice(0, 12)}`, parameters };
}
