/** Identifiers as the rooms take them from outside: nothing that may be a person's words, address, card or code. */
import { z } from 'zod';
import { IDENTIFIER_MAX, personalTrace, TRACE_ADVICE } from '../../evidence/event/identifier.ts';

export const identifierSchema = guarded('identifier');
/** It may be the carrier's own number. */
export const parcelRefSchema = guarded('parcel');

function guarded(what: 'identifier' | 'parcel') {
  return z
    .string()
    .min(1)
    .max(IDENTIFIER_MAX)
    .regex(/^[\x21-\x7e]+$/, { error: 'printable characters without spaces' })
    .superRefine((text, context) => {
      const trace = personalTrace(text, what);
      // A text without the right characters was told above; the value is never repeated.
      if (trace !== undefined && trace !== 'free_text')
        context.addIssue({ code: 'custom', message: TRACE_ADVICE[trace], input: undefined });
    });
}
