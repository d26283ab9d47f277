/**
 * Looks into each entry of a verified range: its place, what may be used of it, and what it claims about time and about
 * the log before.
 */
import { unbase64url } from '../../base/bytes.ts';
import type { Result } from '../../base/result.ts';
import { type GlancedLeaf, LeafChecker, type LeafCheckRefusal } from '../batch/check-leaf.ts';
import type { CustodyEvent } from '../event/event.ts';
import { isObject } from '../event/json.ts';
import { HASH_BYTES } from '../log/tree.ts';
import type { ClosedLog } from './trust.ts';
import { type LogFinding, NOTED_MAX, type NotedEntry } from './verdict.ts';

export class EntryTally {
  readonly #checker: LeafChecker;
  readonly #noted: NotedEntry[] = [];
  #accepted = 0;
  #opaque = 0;
  #withheld = 0;
  #erased = 0;
  #from: string | undefined;
  #to: string | undefined;
  #predecessor: ClosedLog | undefined;

  constructor(origin: string) {
    this.#checker = new LeafChecker(origin);
  }

  add(index: number, leaf: Uint8Array): Result<GlancedLeaf, LeafCheckRefusal> {
    const checked = this.#checker.check(index, leaf);
    if (!checked.ok) return checked;
    const { use, at, event } = checked.value;
    if (use.use === 'accepted') this.#accepted += 1;
    else this.#note(index, use.use, use.use === 'opaque' ? use.why : [use.why, ...use.paths].join(' '));
    if (at !== undefined) this.#claim(at);
    if (index === 0 && use.use === 'accepted' && event?.type === 'journal.opened') {
      this.#predecessor = predecessorOf(event);
    }
    return checked;
  }

  /** Its body is gone: only its leaf hash was proved. */
  erased(index: number): void {
    this.#note(index, 'erased', 'its body is not here: the leaf hash alone is proved');
  }

  finding(): Pick<LogFinding, 'entries' | 'noted' | 'claimedTime' | 'predecessor'> {
    return {
      entries: {
        accepted: this.#accepted,
        opaque: this.#opaque,
        withheld: this.#withheld,
        ...(this.#erased > 0 && { erased: this.#erased }),
      },
      noted: this.#noted,
      ...(this.#from !== undefined && this.#to !== undefined && { claimedTime: { from: this.#from, to: this.#to } }),
      ...(this.#predecessor !== undefined && { predecessor: this.#predecessor }),
    };
  }

  #note(index: number, use: NotedEntry['use'], why: string): void {
    if (use === 'opaque') this.#opaque += 1;
    else if (use === 'withheld') this.#withheld += 1;
    else this.#erased += 1;
    if (this.#noted.length < NOTED_MAX) this.#noted.push({ index, use, why });
  }

  #claim(at: string): void {
    // One length and UTC: the order of the texts is the order of the times.
    if (this.#from === undefined || at < this.#from) this.#from = at;
    if (this.#to === undefined || at > this.#to) this.#to = at;
  }
}

/** `after` of entry 0: the log that this one continues, and where that one ended as far as this one knew. */
export function predecessorOf(event: CustodyEvent): ClosedLog | undefined {
  const { after } = event.data;
  if (!isObject(after) || typeof after['log'] !== 'string') return undefined;
  const { log, size, root: rootText } = after;
  const root = typeof rootText === 'string' ? unbase64url(rootText) : undefined;
  const isKnown = typeof size === 'number' && root?.length === HASH_BYTES;
  return { origin: log, ...(isKnown && { last: { size, root } }) };
}
