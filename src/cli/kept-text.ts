/** Texts of the command line that a database keeps for good: identifiers, and nothing that may be a card, a code or words. */

import { LatchkeyError } from '../base/errors.ts';
import { personalTrace, TRACE_ADVICE } from '../evidence/event/identifier.ts';

/** The text itself. Throws USAGE, which names the option and never the text. */
export function keptText(option: string, text: string): string {
  const trace = personalTrace(text);
  if (trace === undefined) return text;
  throw new LatchkeyError('USAGE', `option --${option} is kept for good: ${TRACE_ADVICE[trace]}`);
}
