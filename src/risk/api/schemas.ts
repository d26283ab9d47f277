/** The answers of the API, as OpenAPI tells them and as tests hold real answers against them. */
import { z } from 'zod';
import { HOLD_STATES } from '../casework/hold-book.ts';
import { CONTRADICTION_CODES } from '../decision/contradictions.ts';
import { factsSchema } from '../decision/facts-schema.ts';
import { GRADES } from '../decision/grade.ts';
import { OUTCOMES } from '../decision/outcome.ts';
import { PROBLEM_CODES } from './problems.ts';
import { RATE_GROUPS, RATES_OVER } from './rate-tally.ts';
import { ROLES } from './roles.ts';

const ms = z.int().min(0).describe('milliseconds since 1970 UTC');
const eventRef = z.string().describe('<origin>#<n> of a verified entry, or <source>:<id> of a claim');
const outcome = z.enum(OUTCOMES).meta({ id: 'Outcome', description: 'To refuse for good is an act of a person.' });

const reason = z
  .strictObject({
    code: z.string().describe('a rule (R01), a contradiction (C18), or a word for what custody says'),
    outcome,
    text: z.string(),
    wording: z.strictObject({ customer: z.string(), analyst: z.string(), regulator: z.string() }),
    events: z.array(eventRef),
    refunds: z.array(z.string()).optional().describe('refunds that count with this one, itself among them'),
  })
  .meta({ id: 'Reason' });

const evidence = z
  .strictObject({
    parcel: z.string(),
    grade: z.enum(GRADES),
    before_doubt: z
      .enum(GRADES)
      .optional()
      .describe('what it would be without doubt about a courier (R10), where that is another'),
    mdb: z.int().describe('thousandths of a deciban'),
    groups: z.array(z.strictObject({ group: z.string(), mdb: z.int(), events: z.array(eventRef) })),
  })
  .meta({ id: 'Evidence' });

export const decisionSchema = z
  .strictObject({
    v: z.literal(1),
    decision_id: z.string().regex(/^d-[0-9a-f]{32}$/),
    refund_id: z.string(),
    outcome,
    pay_now: z.boolean().describe('the one question: true pays, false waits'),
    reasons: z.array(reason),
    investigate: z.boolean(),
    approvals: z.int().min(0).describe('how many people must approve'),
    blocked: z.boolean().describe('it can never be paid as it stands'),
    until_ms: ms.optional(),
    release_when: z.array(z.string()),
    evidence: z.array(evidence),
    counterfactuals: z.array(z.strictObject({ outcome, text: z.string() })),
    deadline_at_ms: ms.optional(),
    next_check_at_ms: ms.optional(),
    facts_hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('SHA-256 of the facts (RFC 8785)'),
    ledger_version: z.int().min(0).describe('the highest version of the ledgers it saw'),
    ledgers: z
      .array(
        z.strictObject({
          parcel: z.string(),
          version: z.int().min(0).describe('entries and claims that were folded'),
          digest: z
            .string()
            .regex(/^[0-9a-f]{64}$/)
            .describe("SHA-256 of the parcel's facts (RFC 8785), also of how much each entry counts"),
        }),
      )
      .optional()
      .describe('which state of the ledger of each parcel it stands on; absent in what was decided before it was said'),
    assumptions: z
      .array(
        z.strictObject({
          gateway: z.string(),
          level: z.string().optional(),
          trial: z.enum(['emulated_tpm', 'software_keys']).optional().describe('what the level rests on'),
          clock: z.string().optional(),
        }),
      )
      .optional()
      .describe("what it takes on the operator's word about gateways"),
    ruleset: z.string(),
    as_of_ms: ms,
  })
  .meta({ id: 'Decision' });

const ruleLook = z
  .strictObject({
    code: z.string(),
    title: z.string(),
    fired: z.boolean(),
    observed: z.string(),
    threshold: z.string(),
    why: z.string().describe('in one sentence why it fired, or why not'),
  })
  .meta({ id: 'RuleLook' });

const action = z
  .strictObject({
    key: z.string(),
    action: z.string(),
    refund_id: z.string(),
    decision_id: z.string(),
    state: z.string(),
    attempts: z.int().min(0),
    created_at_ms: ms,
    due_at_ms: ms.optional(),
    ended_at_ms: ms.optional(),
    said: z.string().optional(),
  })
  .meta({ id: 'Action' });

const caseOfHold = z
  .strictObject({
    case_id: z.string(),
    kind: z.string(),
    refund_id: z.string(),
    decision_id: z.string(),
    opened_at_ms: ms,
    contain_by_ms: ms,
    contained_at_ms: ms.optional(),
    evidence_due_at_ms: ms,
    evidence_by_ms: ms,
    evidence_at_ms: ms.optional(),
    state: z.enum(['open', 'closed']),
    closed_at_ms: ms.optional(),
  })
  .meta({ id: 'Case' });

export const explanationSchema = z
  .strictObject({
    decision: decisionSchema,
    rules: z.array(ruleLook).describe('every rule, whether or not it fired'),
    contradictions: z
      .array(
        z.strictObject({
          code: z.enum(CONTRADICTION_CODES),
          name: z.string(),
          found: z.boolean(),
          parcel: z.string().optional(),
          severity: z.enum(['hard', 'soft']).optional(),
          explained_by: z.string().optional(),
          cannot_tell: z.string().optional().describe('why it could not be judged: nothing is held against anybody'),
          events: z.array(eventRef),
        }),
      )
      .describe('every contradiction that is looked for, found or not'),
    facts: factsSchema.describe('all that it was decided on; "latchkey risk decide" decides it again'),
    parameters: z.record(z.string(), z.unknown()).describe('the parameters of its ruleset'),
    replays: z.boolean().describe('deciding again from these facts gives the same bytes'),
    actions: z.array(action).describe('what was ordered about its refund, as of now: commands to the payment side'),
    cases: z.array(caseOfHold).describe('cases of its refund, as of now'),
  })
  .meta({ id: 'Explanation' });

export const replaySchema = z
  .strictObject({
    same: z.boolean().describe('deciding again gave the same bytes'),
    decision: decisionSchema.describe('as it is decided now'),
  })
  .meta({ id: 'Replay' });

export const ledgerSchema = z
  .strictObject({
    facts: z.record(z.string(), z.unknown()).describe('state, custodian and signals of both legs, and contradictions'),
    timeline: z.array(
      z.strictObject({
        ref: eventRef,
        at_ms: z.number().describe('milliseconds since 1970 UTC, as the gateway ordered them'),
        what: z.string(),
        compartment: z.string().optional(),
        forward: z.string(),
        return: z.string(),
      }),
    ),
    timeline_total: z.int().min(0),
    next_from: z.int().min(0).optional().describe('"from" of the next page; absent on the last'),
  })
  .meta({ id: 'Ledger' });

const holdMembers = {
  hold_id: z.string(),
  decision_id: z.string(),
  refund_id: z.string(),
  outcome,
  codes: z.array(z.string()).describe('reasons of its decision'),
  release_when: z.array(z.string()),
  approvals: z.int().min(0),
  blocked: z.boolean(),
  placed_at_ms: ms,
  next_check_at_ms: ms,
  answer_by_ms: ms.describe('by then somebody, or another look, must have answered'),
  deadline_at_ms: ms.describe('where the law or the policy ends the waiting'),
  on_deadline: z.enum(['pay', 'escalate']),
  basis: z.string(),
  steps: z.array(z.string()).describe('warnings given so far'),
  state: z.enum(HOLD_STATES as [string, ...string[]]),
  ended_at_ms: ms.optional(),
};

const historyLine = z.strictObject({
  at_ms: ms,
  what: z.string(),
  actor: z.string(),
  detail: z.string().optional(),
});

export const holdSchema = z
  .strictObject({
    ...holdMembers,
    history: z.array(historyLine),
    actions: z.array(action).describe('commands to the payment side'),
    cases: z.array(caseOfHold),
  })
  .meta({ id: 'HoldDetail' });

export const holdPageSchema = z
  .strictObject({
    holds: z.array(z.strictObject(holdMembers).meta({ id: 'Hold' })),
    next: z.string().optional().describe('"cursor" of the next page; absent on the last'),
  })
  .meta({ id: 'HoldPage' });

export const settlementSchema = z
  .strictObject({ refund_id: z.string(), state: z.literal('paid') })
  .meta({ id: 'SettledRefund' });

const share = z
  .strictObject({
    part: z.int().min(0),
    whole: z.int().min(0).describe('the denominator'),
    rate: z.number().min(0).max(1).optional().describe('part of whole; absent when there is nothing to count'),
  })
  .meta({ id: 'Share' });

const over = z
  .literal(RATES_OVER)
  .describe(
    'what all shares are of: refunds decided in the window, their parcels and payments. These are no rates of all deliveries: ' +
      'a parcel that nobody asked money back for is not in them',
  );

const rateMembers = {
  refunds: z.int().min(0).describe('decided in the window, each counted once by its last decision'),
  discrepancy: share.describe(
    'refunds with a contradiction that nothing innocent explains, in a ledger or between the request and the ledgers',
  ),
  delivery_proof: share.describe(
    'parcels of these refunds that reached a locker, the evidence of whose delivery is MODERATE or STRONG',
  ),
  dispute: share.describe('payments of these refunds with a disputed amount, open or lost'),
  dispute_loss: share.describe('disputes about these payments that ended, and were lost'),
};

export const ratesSchema = z
  .strictObject({
    from: z.string(),
    until: z.string(),
    over,
    ...rateMembers,
    disputed: z.array(
      z.strictObject({ currency: z.string(), captured_minor: z.int().min(0), disputed_minor: z.int().min(0) }),
    ),
  })
  .meta({ id: 'CustodyRates' });

export const ratesByGroupSchema = z
  .strictObject({
    from: z.string(),
    until: z.string(),
    over,
    by: z.enum(RATE_GROUPS),
    groups: z
      .array(z.strictObject({ name: z.string(), ...rateMembers }))
      .describe(
        'those with the most refunds first; a refund counts whole for each locker and each courier of its parcels',
      ),
    groups_total: z.int().min(0).describe('also of those that are not listed'),
  })
  .meta({ id: 'CustodyRatesByGroup' });

export const tokenSchema = z
  .strictObject({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().min(1).max(900).describe('seconds'),
    scope: z.enum(ROLES),
  })
  .meta({ id: 'Token' });

export const healthSchema = z
  .strictObject({
    status: z.enum(['pass', 'fail']),
    checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean() })),
  })
  .meta({ id: 'Health' });

export const aliveSchema = z.strictObject({ status: z.literal('pass') }).meta({ id: 'Alive' });

export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(PROBLEM_CODES as [string, ...string[]]),
    detail: z.string(),
    request_id: z.string(),
    errors: z.array(z.strictObject({ at: z.string(), expected: z.string() })).optional(),
    error: z.string().optional().describe('RFC 6749 section 5.2, at /v1/tokens'),
  })
  .meta({ id: 'Problem', description: 'Problem details, RFC 9457.' });
