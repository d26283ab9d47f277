/** A decision made again by the command line, from the facts that the service kept, and compared with what it answered. */
import { LatchkeyError } from '../../src/base/errors.ts';
import { latchkey } from './product.ts';
import type { Decided, ScenarioDecision } from './refunds.ts';

const REPLAY_LIMIT_MS = 60_000;

/** The last one stands for all: it was made of the most. True when each of its members has the same value again. */
export async function isSameAgain(riskDir: string, decisions: readonly ScenarioDecision[]): Promise<boolean> {
  const last = decisions.at(-1);
  if (last === undefined) return false;
  const args = ['risk', 'replay', last.decided.decision_id, '--data-dir', riskDir, '--json'];
  const { code, out, err } = await latchkey(args, REPLAY_LIMIT_MS);
  if (code !== 0 && code !== 1) throw new LatchkeyError('INTERNAL', `latchkey ${args.join(' ')}: ${err}`);
  const again = JSON.parse(out) as Record<string, unknown>;
  return code === 0 && isSame(last.decided, again);
}

function isSame(decided: Decided, again: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(decided).every(([name, value]) => JSON.stringify(value) === JSON.stringify(again[name]));
}
