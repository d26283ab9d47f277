/**
 * What can be seen of a request before it is signed: arguments about access that no gateway would take, said here in words
 * instead of by a refusal from afar. The gateway judges again, by its own clock.
 */

import { accept, type Result, refuse } from '../../base/result.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { timeField } from '../../evidence/event/event-fields.ts';
import { spanRefusal } from '../../evidence/wire/access-args.ts';

const TIMED_VERBS: ReadonlySet<string> = new Set(['grant', 'assign', 'maintain']);

/** `nowMs` is the sender's own clock. */
export function checkTimes(verb: string, args: JsonObject, nowMs: number): Result<undefined, 'args'> {
  if (!TIMED_VERBS.has(verb)) return accept(undefined);
  const times: { from?: string; until?: string } = {};
  for (const name of ['from', 'until'] as const) {
    const found = args[name];
    if (found === undefined) continue;
    if (typeof found !== 'string' || !timeField.fits(found)) {
      return refuse('args', `${name}: expected a time of the calendar like 2026-11-22T09:01:00.000Z`);
    }
    times[name] = found;
  }
  switch (spanRefusal(times, nowMs)) {
    case 'from_after_until':
      return refuse('args', `from: expected a time before "until" (${times.until}), found ${times.from}`);
    case 'already_over':
      return refuse('args', `until: expected a time that is to come, found ${times.until}`);
    case undefined:
      return accept(undefined);
  }
}
