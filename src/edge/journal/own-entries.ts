/**
 * What a log says of itself: its entry 0, the entry that ends it, and a predecessor that was found later.
 */
import { base64url } from '../../base/bytes.ts';
import type { EventBody, JsonObject } from '../../evidence/event/event.ts';
import { formatVkey, type Vkey } from '../../evidence/log/note.ts';
import type { AnchorIntent } from '../contracts/anchor-store.ts';
import type { Breach, TreeHead } from './continuity.ts';
import { causeWord, type Opening, type OpeningSource } from './log-record.ts';

/**
 * Entry 0: the log's key and where the log comes from. `about` are the gateway's words: version, settings that matter,
 * start. The key stands there for whoever trusts on first use; it proves nothing by itself.
 */
export function openedBody(vkey: Vkey, opening: Opening, about: JsonObject, carriedCount: number): EventBody {
  const { after, expected, found, by, cause, counter, intent_dropped: dropped } = opening;
  return {
    type: 'journal.opened',
    data: {
      ...about,
      vkey: formatVkey(vkey),
      ...(after !== undefined && {
        after: { log: after.log, cause: causeWord(cause), ...headMembers(after.head) },
      }),
      ...(expected !== undefined && { expected: headMembers(expected) }),
      ...(found !== undefined && { found: headMembers(found) }),
      ...(by !== undefined && { by }),
      ...(counter !== undefined && { counter }),
      ...(dropped !== undefined && { intent_dropped: dropped }),
      ...(carriedCount > 0 && { carried: { first: 1, count: carriedCount } }),
    },
  };
}

/** A finished anchor; `open` is the log that the entry stands in, and `log` is said when the anchor is over another. */
export function anchorBody(intent: AnchorIntent, line: string, open: string): EventBody {
  const { origin, size, root, counter } = intent;
  const data = { size, root: base64url(root), counter, lines: [line], ...(origin !== open && { log: origin }) };
  return { type: 'anchor.made', data };
}

/** The last entry of a rotated log. */
export function rotatedBody(next: Vkey, reason: string): EventBody {
  return { type: 'key.rotated', data: { vkey: formatVkey(next), reason } };
}

/** The chain outside leads to another log than entry 0 named. */
export function foundBody(log: string, head: TreeHead | undefined): EventBody {
  return { type: 'predecessor.found', data: { log, ...headMembers(head), by: 'enrolment' } };
}

/** A log that had ended before and is contradicted now: entry 0 names another, so the breach is said here. */
export function breachBody(breach: Breach, by: OpeningSource): EventBody {
  const { origin, expected } = breach;
  return { type: 'predecessor.found', data: { log: origin, ...headMembers(expected), cause: 'breach', by } };
}

/** An ended log could not be opened at this start: what it still owes waits for another. */
export function leftAloneBody(name: string, code: string): EventBody {
  return { type: 'exception.reported', data: { what: 'log_left_alone', detail: `${name} ${code}` } };
}

function headMembers(head: TreeHead | undefined): JsonObject {
  return head === undefined ? {} : { size: head.size, root: base64url(head.root) };
}
