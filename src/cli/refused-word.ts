/**
 * What people sent by the command line and was refused: each reason with what they can do about it. None of these is about
 * a file that cannot be read.
 */
import { LatchkeyError } from '../base/errors.ts';
import type { Refused } from '../base/result.ts';
import type { ReviveRefusal } from '../risk/casework/outbox.ts';
import type { DeskRefusal } from '../risk/casework/refund-desk.ts';
import type { SettlementRefusal } from '../risk/casework/settlements.ts';
import type { VerdictRefusal } from '../risk/casework/verdicts.ts';
import type { ErasureRefusal } from '../risk/retention/erase.ts';

type WordRefusal = VerdictRefusal | SettlementRefusal | DeskRefusal | ReviveRefusal | Exclude<ErasureRefusal, 'held'>;

const CLEAR_UP = 'a case was opened: clear it up with the payment side before it is confirmed again';
const SEE_HOLD = '"latchkey risk holds ID" shows how it ended';

const NEXT: Readonly<Record<WordRefusal, string>> = {
  hold_unknown: '"latchkey risk holds" lists those that are open',
  refund_unknown: 'nothing was changed',
  hold_closed: SEE_HOLD,
  refund_closed: SEE_HOLD,
  own_refund: 'another person has to answer it',
  own_household: 'another person has to answer it',
  blocked:
    'deny it (--deny), or have another open refund of the payment denied or cancelled, and wait until it is decided again',
  facts_missing: 'run "latchkey risk work", look at the hold as it is then, and answer that',
  reason: 'write it otherwise',
  settled_before: CLEAR_UP,
  reference_known: CLEAR_UP,
  amount_differs: CLEAR_UP,
  not_ordered: CLEAR_UP,
  exceeds_captured: CLEAR_UP,
  key_reused: 'send another --key with it, or the same request as before',
  refund_known: 'give it a name of its own, or send the same request as before',
  requested_at: 'correct the time in the request, or the clock of this machine',
  reference: 'name it as it stands in events or requests',
  by: 'name the person as operator:LOGIN',
  command_unknown: '"latchkey risk work" lists those that are dead',
  overtaken:
    'it is ended without being sent, and its case is closed: see that the payment side holds nothing back for it',
  nothing: 'it may have been erased before',
};

const UNKNOWN: ReadonlySet<string> = new Set<WordRefusal>([
  'hold_unknown',
  'refund_unknown',
  'command_unknown',
  'nothing',
]);

export function refusedWord({ reason, detail }: Refused<WordRefusal>): LatchkeyError {
  const code = UNKNOWN.has(reason) ? 'NAME_UNKNOWN' : 'WORD_REFUSED';
  return new LatchkeyError(code, `${reason}: ${detail}; ${NEXT[reason]}`);
}
