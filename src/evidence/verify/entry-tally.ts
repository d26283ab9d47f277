/**
 * Looks into each entry of a verified range: its place, what may be used of it, and what it claims about time and about
 * the log before.
 */
import { unbase64url } from '../../base/bytes.ts';
import { accept, type Result } from '../../base/result.ts';
import { type CheckedLeaf, checkLeaf, type LeafCheckRefusal } from '../batch/check-leaf.ts';
import type { CustodyEvent } from '../event/event.ts';
import { isObject } from '../event/json.ts';
import { HASH_BYTES } from '../log/tree.ts';
import type { ClosedLog } from './trust.ts';
import { type LogFinding, NOTED_MAX, type NotedEntry } from './verdict.ts';

export class EntryTally {
  readonly #origin: string;
  readonly #noted: NotedEntry[] = [];
  #accepted = 0;
  #opaque = 0;
  #withheld = 0;
  #from: string | undefined;
  #to: string | undefined;
  #predecessor: ClosedLog | undefined;

  constructor(origin: string) {
    this.#origin = origin;
  }

  add(index: number, leaf: Uint8Array): Result<CheckedLeaf, LeafCheckRefusal> {
    const checked = checkLeaf(this.#origin, index, leaf);
    if (!checked.ok) return checked;
    const { use, event } = checked.value;
    if (use.use === 'accepted') this.#accepted += 1;
    else this.#note(index, use.use, use.use === 'opaque' ? use.why : [use.why, ...use.paths].join(' '));
    if (event !== undefined && use.use === 'accepted') this.#read(index, event);
    return accept(checked.value);
  }

  finding(): Pick<LogFinding, 'entries' | 'noted' | 'claimedTime' | 'predecessor'> {
    return {
      entries: { accepted: this.#accepted, opaque: this.#opaque, withheld: this.#withheld },
      noted: this.#noted,
      ...(this.#from !== undefined && this.#to !== undefined && { claimedTime: { from: this.#from, to: this.#to } }),
      ...(this.#predecessor !== undefined && { predecessor: this.#predecessor }),
    };
  }

  #note(index: number, use: 'opaque' | 'withheld', why: string): void {
    if (use === 'opaque') this.#opaque += 1;
    else this.#withheld += 1;
    if (this.#noted.length < NOTED_MAX) this.#noted.push({ index, use, why });
  }

  #read(index: number, event: CustodyEvent): void {
    const { at } = event;
    // One length and UTC: the order of the texts is the order of the times.
    if (this.#from === undefined || at < this.#from) this.#from = at;
    if (this.#to === undefined || at > this.#to) this.#to = at;
    if (index === 0 && event.type === 'journal.opened') this.#predecessor = predecessorOf(event);
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
