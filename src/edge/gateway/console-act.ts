/** What a person at the box asks for, as it comes through the control socket. */
import { LatchkeyError } from '../../base/errors.ts';
import type { ConsoleAct, ConsoleVerb } from '../console/console.ts';

const VERBS: readonly ConsoleVerb[] = ['open', 'stop_pick', 'resume', 'recount'];
const TEXT_MAX = 128;

/** Throws USAGE. The code is never repeated. */
export function consoleAct(args: Readonly<Record<string, unknown>>): ConsoleAct {
  const verb = VERBS.find((each) => each === args['verb']);
  const person = shortText(args['person']);
  const code = shortText(args['code']);
  const compartment = shortText(args['compartment']);
  if (verb === undefined) throw new LatchkeyError('USAGE', `verb: expected one of ${VERBS.join(', ')}`);
  if (person === undefined || code === undefined) {
    throw new LatchkeyError('USAGE', 'expected person and code as texts');
  }
  if ((verb === 'open') !== (compartment !== undefined)) {
    throw new LatchkeyError('USAGE', 'expected a compartment with open, and with nothing else');
  }
  return { verb, person, code, ...(compartment !== undefined && { compartment }) };
}

function shortText(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= TEXT_MAX ? value : undefined;
}
