/** What a person at the box or at the page asks for, as it comes through the control socket. */
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import type { ConsoleAct, Proof } from '../console/console.ts';
import type { ActRequest } from '../contracts/console-view.ts';
import { WINDOW_COMPARTMENTS_MAX } from '../custody/visit-book.ts';

const TEXT_MAX = 128;
const MINUTES_MAX = 1_440;

const text = z.string().min(1).max(TEXT_MAX);
const requestSchema = z.union([
  z.strictObject({ verb: z.literal('open'), compartment: text }),
  z.strictObject({ verb: z.enum(['stop_pick', 'resume', 'recount']) }),
  z.strictObject({
    verb: z.literal('maintain'),
    // Each once: the event of the window lists them.
    compartments: z
      .array(text)
      .max(WINDOW_COMPARTMENTS_MAX)
      .transform((names) => [...new Set(names)]),
    minutes: z.int().min(1).max(MINUTES_MAX),
  }),
  z.strictObject({ verb: z.literal('end_maintenance'), id: text }),
]);
const VERBS = ['open', 'stop_pick', 'resume', 'recount', 'maintain', 'end_maintenance'];

export interface Person {
  readonly person: string;
  readonly proof: Proof;
}

/** Throws USAGE. Code and ticket are never repeated. */
export function consoleAct(args: Readonly<Record<string, unknown>>): ConsoleAct {
  const { person, code, ticket, ...rest } = args;
  if (!VERBS.includes(String(rest['verb']))) {
    throw new LatchkeyError('USAGE', `verb: expected one of ${VERBS.join(', ')}`);
  }
  const who = consolePerson({ person, code, ticket });
  const request: ActRequest | undefined = requestSchema.safeParse(rest).data;
  if (request === undefined) {
    const expected = 'a compartment with open, compartments and minutes with maintain, an id with end_maintenance';
    throw new LatchkeyError('USAGE', `expected ${expected}, and nothing with the others`);
  }
  return { ...who, request };
}

/** Throws USAGE. */
export function consolePerson(args: Readonly<Record<string, unknown>>): Person {
  const person = text.safeParse(args['person']).data;
  const code = text.safeParse(args['code']).data;
  const ticket = text.safeParse(args['ticket']).data;
  if (person === undefined || (code === undefined) === (ticket === undefined)) {
    throw new LatchkeyError('USAGE', 'expected person, and code or ticket, as texts');
  }
  return { person, proof: code === undefined ? { ticket: ticket ?? '' } : { code } };
}
