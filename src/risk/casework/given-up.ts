/**
 * Commands about money that were given up: the payment side took none of all attempts. Each opens a case of its own, in the
 * transaction that gives it up, and a ticket leaves for it; else a refund that is owed, a settlement or a payout that is
 * frozen, would wait for ever for somebody to read a status. It is closed once the command arrived after all, or the
 * payment side confirmed what it was about, or it is overtaken; given up once more it is opened again, and told again.
 */
import { caseIdOf, closeCase, type Opening } from './case-book.ts';
import type { FollowUp, FollowUpParts } from './follow-up.ts';
import { keptRefund } from './kept.ts';
import { asCases, type Trx } from './rights.ts';

export interface GivenUpCommand {
  readonly key: string;
  readonly action: string;
  readonly refundId: string;
  readonly decisionId: string;
  readonly attempts: number;
  /** The last answer of the other side. */
  readonly said: string;
}

export type GivenUpParts = Pick<FollowUpParts, 'crypto' | 'tenant' | 'region' | 'parameters'>;

const WHAT = 'given_up';

export class GivenUp {
  readonly #parts: GivenUpParts;
  readonly #followUp: Pick<FollowUp, 'actions' | 'openCases' | 'send'>;

  constructor(parts: GivenUpParts, followUp: Pick<FollowUp, 'actions' | 'openCases' | 'send'>) {
    this.#parts = parts;
    this.#followUp = followUp;
  }

  /** Under the rights of payments, in the transaction that gives the command up. */
  async open(trx: Trx, command: GivenUpCommand, atMs: number): Promise<void> {
    const { action, refundId, decisionId, attempts, said } = command;
    const refund = await keptRefund(trx, refundId);
    if (refund === undefined) return;
    const opening: Opening = {
      kind: WHAT,
      refundId,
      decisionId,
      mark: command.key,
      atMs,
      containmentMs: this.#parts.parameters.containment_ms,
      what: WHAT,
      detail: `${action} (${command.key}) after ${attempts} attempts: ${said}`,
    };
    await this.#followUp.openCases(trx, [opening]);
    const subject = caseIdOf(this.#parts.crypto, opening);
    const time = await asCases(trx, () => timesGivenUp(trx, subject));
    const occasion = { subject, what: WHAT, codes: [action], time };
    await this.#followUp.send(trx, this.#followUp.actions.ticket(refund, { decisionId, atMs }, occasion), atMs);
  }

  /** Under the rights of payments. Nothing happens where it was never given up. */
  async close(trx: Trx, key: string, what: 'delivered' | 'settled' | 'overtaken', atMs: number): Promise<void> {
    const caseId = caseIdOf(this.#parts.crypto, { kind: WHAT, mark: key });
    await asCases(trx, () => closeCase(trx, this.#parts, { caseId, atMs, what, actor: 'system' }));
  }
}

/** With the one that was written just now: each is told of once, however often its transaction is tried. */
async function timesGivenUp(trx: Trx, caseId: string): Promise<string> {
  const { times } = await trx
    .selectFrom('cases.case_event')
    .select(({ fn }) => fn.countAll<number>().as('times'))
    .where('case_id', '=', caseId)
    .where('what', '=', WHAT)
    .executeTakeFirstOrThrow();
  return String(times);
}
