/**
 * How long a refund may wait, by region and kind, and what the end of that time does.
 *
 * The defaults are those of the European Union, the strictest that is known here, for every region that the settings do
 * not name. Days count from the request. Where a directive says "without undue delay" and names no days, 14 are the policy.
 */
import { z } from 'zod';
import type { RefundKind } from '../decision/facts.ts';

export interface LegalTerm {
  readonly days: number;
  /** `pay`: what may no longer be withheld is paid. `escalate`: people are told, and nothing is paid. */
  readonly on_deadline: 'pay' | 'escalate';
  readonly basis: string;
}

const DEFAULTS: Readonly<Record<RefundKind, LegalTerm>> = {
  return: { days: 14, on_deadline: 'pay', basis: 'Directive 2011/83/EU Art. 13(1) and (3)' },
  not_received: { days: 14, on_deadline: 'pay', basis: 'Directive 2011/83/EU Art. 18(3); 14 days by policy' },
  empty: { days: 14, on_deadline: 'pay', basis: 'Directive (EU) 2019/771 Art. 16; 14 days by policy' },
  damaged: { days: 14, on_deadline: 'pay', basis: 'Directive (EU) 2019/771 Art. 16; 14 days by policy' },
  recall: { days: 14, on_deadline: 'pay', basis: 'Regulation (EU) 2023/988 Art. 37; 14 days by policy' },
  goodwill: { days: 14, on_deadline: 'escalate', basis: 'nothing is owed by law; 14 days by policy' },
};

const termSchema = z.strictObject({
  days: z.int().min(1).max(120).exactOptional().describe('from the request to the end of the waiting'),
  on_deadline: z
    .enum(['pay', 'escalate'])
    .exactOptional()
    .describe('pay: what may no longer be withheld is paid; escalate: people are told and nothing is paid'),
  basis: z.string().min(1).max(200).exactOptional().describe('the law or policy, as it stands with the hold'),
});

export const legalPolicySchema = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'a region' }),
    z.strictObject({
      return: termSchema.exactOptional(),
      not_received: termSchema.exactOptional(),
      empty: termSchema.exactOptional(),
      damaged: termSchema.exactOptional(),
      recall: termSchema.exactOptional(),
      goodwill: termSchema.exactOptional(),
    }),
  )
  .default({})
  .describe('by region and kind of refund; what is left out has the term of the European Union');

export type LegalPolicy = z.output<typeof legalPolicySchema>;

export function termOf(policy: LegalPolicy, region: string, kind: RefundKind): LegalTerm {
  return { ...DEFAULTS[kind], ...policy[region]?.[kind] };
}
