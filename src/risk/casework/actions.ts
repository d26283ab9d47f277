/**
 * What a decision, a person or a clock asks of the world outside, as messages with an idempotency key each. Pure: the same
 * cause makes the same key and the same bytes, so that a message which leaves twice is one command.
 *
 * The bodies name refund, payment and reasons by reference. They carry no person, no card and no address.
 */
import { hex, utf8 } from '../../base/bytes.ts';
import { wallText } from '../../base/clock.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import type { Decision } from '../decision/decision.ts';

export const ACTIONS = {
  hold_settlement: 'settlement.hold',
  freeze_payout: 'payout.freeze',
  release_payout: 'payout.release',
  pay: 'refund.pay',
  deny: 'refund.deny',
  cancel: 'refund.cancel',
  ticket: 'ticket.open',
} as const;
export type Action = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as readonly Action[];

export interface ActionMessage {
  /** Idempotency key, and the name of the message. */
  readonly key: string;
  readonly action: Action;
  /** Money waits for no ticket: each lane of a refund is sent in its own order. */
  readonly lane: 'money' | 'ticket';
  readonly refundId: string;
  readonly decisionId: string;
  readonly body: string;
}

export interface RefundRow {
  readonly refund_id: string;
  readonly payment_ref: string;
  readonly operator: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly destination: string;
}

export interface Cause {
  readonly decisionId: string;
  readonly atMs: number;
}

type Crypto = Pick<EvidenceCrypto, 'sha256'>;

export class ActionMaker {
  readonly #crypto: Crypto;

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  /** Once for each refund, whatever ordered it. */
  pay(
    refund: RefundRow,
    cause: Cause,
    more: { readonly because: string; readonly toOriginal?: boolean },
  ): ActionMessage {
    const destination = more.toOriginal === true ? 'original' : refund.destination;
    return this.#make('pay', 'money', refund, cause, [], { ...money(refund), destination, because: more.because });
  }

  holdSettlement(refund: RefundRow, cause: Cause, decision: Decision, untilMs: number): ActionMessage {
    const codes = codesOf(decision);
    return this.#make('hold_settlement', 'money', refund, cause, [], {
      ...money(refund),
      codes,
      until: wallText(untilMs),
    });
  }

  /** What was paid out on this payment is kept back until then, or until it is released. */
  freezePayout(refund: RefundRow, cause: Cause, decision: Decision, untilMs: number): ActionMessage {
    const body = { payment_ref: refund.payment_ref, codes: codesOf(decision), expires: wallText(untilMs) };
    return this.#make('freeze_payout', 'money', refund, cause, [], body);
  }

  releasePayout(refund: RefundRow, cause: Cause): ActionMessage {
    return this.#make('release_payout', 'money', refund, cause, [], { payment_ref: refund.payment_ref });
  }

  deny(refund: RefundRow, cause: Cause): ActionMessage {
    return this.#make('deny', 'money', refund, cause, [], { payment_ref: refund.payment_ref });
  }

  cancel(refund: RefundRow, cause: Cause): ActionMessage {
    return this.#make('cancel', 'money', refund, cause, [], { payment_ref: refund.payment_ref });
  }

  /** Once for each occasion: a case that opens, a clock that ran out. `time`: which one of an occasion that may come again. */
  ticket(
    refund: RefundRow,
    cause: Cause,
    occasion: {
      readonly subject: string;
      readonly what: string;
      readonly codes: readonly string[];
      readonly time?: string;
    },
  ): ActionMessage {
    const { subject, what, codes, time } = occasion;
    const mark = time === undefined ? [subject, what] : [subject, what, time];
    return this.#make('ticket', 'ticket', refund, cause, mark, { subject, what, codes: [...codes] });
  }

  #make(
    action: Action,
    lane: ActionMessage['lane'],
    refund: RefundRow,
    { decisionId, atMs }: Cause,
    mark: readonly string[],
    data: JsonObject,
  ): ActionMessage {
    const digest = this.#crypto.sha256(utf8(JSON.stringify([action, refund.refund_id, ...mark])));
    const body = canonicalJson({
      type: ACTIONS[action],
      timestamp: wallText(atMs),
      data: { ...data, refund_id: refund.refund_id, decision_id: decisionId },
    });
    const key = `act-${hex(digest).slice(0, 40)}`;
    return { key, action, lane, refundId: refund.refund_id, decisionId, body };
  }
}

function codesOf({ reasons }: Decision): readonly string[] {
  return [...new Set(reasons.map(({ code }) => code))];
}

function money({ payment_ref, amount_minor, currency }: RefundRow): JsonObject {
  return { payment_ref, amount_minor, currency };
}
