/**
 * What a shop asks the risk service about the parcels of the story. The outcomes are the service's own: nothing here
 * knows them but what the story claims to show, which is compared in the end.
 */
import { utf8 } from '../../src/base/bytes.ts';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { RiskSecrets, RiskService } from './risk-service.ts';
import type { Webhooks } from './webhooks.ts';

export const SCENARIOS = [
  'honest-delivery',
  'honest-return',
  'phantom-return',
  'forced-door',
  'velocity-1',
  'velocity-2',
  'velocity-3',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

interface Asked {
  readonly kind: 'return' | 'not_received';
  readonly amountMinor: number;
  readonly operator: string;
  /** For people: what the customer says. */
  readonly claim: string;
  /** What the story is told for. */
  readonly wanted: string;
}

const CLERK = 'op-clerk';
const BUSY = 'op-busy';
const RETURN = { kind: 'return', operator: BUSY } as const;

export const ASKED: Readonly<Record<Scenario, Asked>> = {
  'honest-delivery': {
    kind: 'not_received',
    amountMinor: 8_900,
    operator: CLERK,
    claim: 'says that it never came',
    wanted: 'REVIEW',
  },
  'honest-return': {
    kind: 'return',
    amountMinor: 7_950,
    operator: CLERK,
    claim: 'says that it was put into the locker again',
    wanted: 'PAY',
  },
  'phantom-return': {
    kind: 'return',
    amountMinor: 6_400,
    operator: CLERK,
    claim: 'says that it was put into the locker again',
    wanted: 'HOLD',
  },
  'forced-door': {
    kind: 'not_received',
    amountMinor: 9_500,
    operator: CLERK,
    claim: 'says that it never came',
    wanted: 'PAY_AND_INVESTIGATE',
  },
  'velocity-1': { ...RETURN, amountMinor: 12_000, claim: 'was returned', wanted: 'PAY' },
  'velocity-2': { ...RETURN, amountMinor: 14_000, claim: 'was returned', wanted: 'PAY' },
  'velocity-3': { ...RETURN, amountMinor: 18_000, claim: 'was returned', wanted: 'HOLD' },
};

/** What the demo reads of a decision; it is told on as it came. */
export interface Decided {
  readonly decision_id: string;
  readonly outcome: string;
  readonly deadline_at_ms?: number;
  readonly assumptions?: readonly {
    readonly gateway: string;
    readonly level?: string;
    readonly trial?: string;
    readonly clock?: string;
  }[];
  readonly reasons: readonly {
    readonly code: string;
    readonly text: string;
    readonly events: readonly string[];
    readonly refunds?: readonly string[];
  }[];
}

export interface ScenarioDecision {
  readonly scenario: Scenario;
  readonly refund: string;
  readonly decided: Decided;
}

/** The payments that the refunds are of, as the provider tells of their capture. */
export async function tellPayments(payments: Webhooks): Promise<void> {
  for (const scenario of SCENARIOS) {
    const { amountMinor } = ASKED[scenario];
    const data = { payment_ref: paymentOf(scenario), amount_minor: amountMinor, currency: 'USD' };
    await payments.send('payment.captured', data);
  }
}

/** One refund after the other, each decided by the service. `parcels`: references as they stand in events. */
export async function askAll(
  service: RiskService,
  { client }: RiskSecrets,
  parcels: Readonly<Record<Scenario, string>>,
): Promise<readonly ScenarioDecision[]> {
  const token = await tokenOf(service, client);
  const decisions: ScenarioDecision[] = [];
  for (const scenario of SCENARIOS) {
    const { kind, amountMinor, operator } = ASKED[scenario];
    const refund = `rf-${scenario}`;
    const request = {
      refund_id: refund,
      kind,
      parcel_refs: [parcels[scenario]],
      amount_minor: amountMinor,
      currency: 'USD',
      operator,
      requested_at: new Date().toISOString(),
      payment_ref: paymentOf(scenario),
      destination: 'original',
    };
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `key-${scenario}`,
    };
    const body = utf8(JSON.stringify(request));
    const answer = await service.ask({ method: 'POST', path: '/v1/refund-decisions', headers, body });
    decisions.push({ scenario, refund, decided: answer as Decided });
  }
  return decisions;
}

async function tokenOf(service: RiskService, { id, secret }: RiskSecrets['client']): Promise<string> {
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret });
  const answer = await service.ask({
    method: 'POST',
    path: '/v1/tokens',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: utf8(form.toString()),
  });
  const { access_token: token } = answer as { readonly access_token?: unknown };
  if (typeof token !== 'string') throw new LatchkeyError('INTERNAL', 'the service gave no token');
  return token;
}

function paymentOf(scenario: Scenario): string {
  return `pay-${scenario}`;
}
