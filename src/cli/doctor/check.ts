/** One thing that was looked at, what was found there, and what mends it. */
import { ERRORS, LatchkeyError, messageOf } from '../../base/errors.ts';

export interface Check {
  /** Stable; one of several things of a kind ends with its own name: `port:bank-a`. */
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** The next step, for a person. Empty when there is nothing to do; beside `ok` it is advice. */
  readonly remedy: string;
}

export function sound(name: string, found: string, advice = ''): Check {
  return { name, ok: true, found, remedy: advice };
}

export function fault(name: string, found: string, remedy: string): Check {
  return { name, ok: false, found, remedy };
}

/** A failure that has a code knows its own remedy. */
export function faultOf(name: string, error: unknown): Check {
  if (!(error instanceof LatchkeyError)) {
    return fault(name, messageOf(error), 'look at what the message names');
  }
  return fault(name, error.message, ERRORS[error.code].advice);
}

/** What cannot be looked at without settings, or before something else is mended. */
export function unknown(name: string, why: string, remedy: string): Check {
  return fault(name, `not looked at: ${why}`, remedy);
}

/** A check that throws is a finding, and keeps no other from being made. */
export async function guarded(name: string, look: () => Promise<readonly Check[]>): Promise<readonly Check[]> {
  try {
    return await look();
  } catch (error) {
    return [faultOf(name, error)];
  }
}
