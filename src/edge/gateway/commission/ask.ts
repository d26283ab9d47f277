/** What the command line asks of commissioning, as it comes through the control socket. */
import { LatchkeyError } from '../../../base/errors.ts';
import type { CommissionAsk } from './commissioning.ts';

const MOVE_LIMIT_MIN_MS = 2_000;
const MOVE_LIMIT_MAX_MS = 600_000;
const MOVE_LIMIT_DEFAULT_MS = 60_000;

/** Throws USAGE. */
export function commissionAsk(args: Readonly<Record<string, unknown>>): CommissionAsk {
  const { compartment, move_limit_ms = MOVE_LIMIT_DEFAULT_MS, accept_unlike = false } = args;
  if (typeof compartment !== 'string') throw new LatchkeyError('USAGE', 'expected the name of a compartment');
  const isLimit = typeof move_limit_ms === 'number' && Number.isInteger(move_limit_ms);
  if (!isLimit || move_limit_ms < MOVE_LIMIT_MIN_MS || move_limit_ms > MOVE_LIMIT_MAX_MS) {
    const range = `${MOVE_LIMIT_MIN_MS / 1_000} to ${MOVE_LIMIT_MAX_MS / 1_000} s`;
    throw new LatchkeyError('USAGE', `the time for each move: expected ${range}`);
  }
  if (typeof accept_unlike !== 'boolean') throw new LatchkeyError('USAGE', 'accept_unlike: expected true or false');
  return { compartment, moveLimitMs: move_limit_ms, acceptUnlike: accept_unlike };
}
