/**
 * A gateway, its TPM, its disk and a consumer on paper: honest histories for the continuity rules, with crashes at each
 * step of anchoring, lost and restored disks, rotations, cleared TPMs and lost messages. What the consumer got is given
 * to the judge. Roots are hashes over the entries' names, which is all that the judge looks at.
 */
import { equalBytes, utf8 } from '../../../src/base/bytes.ts';
import type { LogHistory, SeenAnchor, SeenStart } from '../../../src/evidence/anchor/history.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';

interface Made {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly counter: number;
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
}

interface Entry {
  /** Unique: stands for the leaf's bytes. */
  readonly id: string;
  readonly type: 'other' | 'opened' | 'started' | 'stopped' | 'anchor';
  readonly made?: Made;
  readonly carried?: { readonly log: string; readonly n: number };
  readonly opened?: { readonly after?: { log: string; cause: string; size?: number }; counter?: CounterSaid };
  readonly started?: { readonly clean: boolean; readonly resets: number; readonly restarts: number };
}

interface CounterSaid {
  readonly expected?: number;
  readonly found: number;
}

interface SimLog {
  readonly origin: string;
  readonly entries: Entry[];
}

interface Intent {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly counter: number;
}

interface Disk {
  logs: SimLog[];
  intent?: Intent | undefined;
  /** Counter value of the last finished anchor. */
  last?: number | undefined;
  /** Index after the previous `anchor.made` of the open log. */
  anchoredBelow: number;
}

export type AnchorStep = 'intent' | 'increment' | 'certify' | 'commit' | 'whole';

export class World {
  tpm = { counter: 0, clock: 1_000n, resetCount: 2, restartCount: 0 };
  disk: Disk = { logs: [], anchoredBelow: 0 };
  /** By origin: what the consumer holds, and anchors that it saw on retained notes. */
  readonly consumer = new Map<string, { entries: Entry[]; notes: Made[] }>();
  /** Retained outside: size and root of the newest note of each log. */
  readonly retained = new Map<string, { size: number; root: Uint8Array }>();
  #ids = 0;
  #numbers = 0;
  #wasStopped = false;

  constructor() {
    this.#open(undefined, undefined);
    this.#start(true);
  }

  get open(): SimLog {
    const log = this.disk.logs.at(-1);
    if (log === undefined) throw new Error('a log is open');
    return log;
  }

  append(count = 1): void {
    this.#wasStopped = false;
    for (let i = 0; i < count; i += 1) this.#push({ id: this.#id(), type: 'other' });
  }

  /** Anchors the newest note; ends after `until`, as a crash would. */
  anchor(until: AnchorStep = 'whole'): void {
    if (this.disk.intent === undefined) {
      const size = this.open.entries.length;
      if (size <= this.disk.anchoredBelow) return;
      const { origin } = this.open;
      this.disk.intent = { origin, size, root: rootOf(this.open.entries, size), counter: this.tpm.counter + 1 };
    }
    if (until === 'intent') return;
    const { intent } = this.disk;
    if (this.tpm.counter === intent.counter - 1) {
      this.tpm.counter += 1;
      this.tpm.clock += 12_000n;
    }
    if (until === 'increment') return;
    const { clock, resetCount, restartCount } = this.tpm;
    const made: Made = { ...intent, clock, resetCount, restartCount };
    if (until === 'certify') return;
    this.#push({ id: this.#id(), type: 'anchor', made });
    this.disk.anchoredBelow = this.open.entries.length;
    this.disk.last = intent.counter;
    this.disk.intent = undefined;
    if (until === 'commit') return;
    const holds = this.consumer.get(made.origin);
    const newest = this.retained.get(made.origin);
    // Nothing is published before the retained messages were compared.
    if (holds !== undefined && newest?.size === made.size && equalBytes(newest.root, made.root)) holds.notes.push(made);
  }

  stop(): void {
    this.#push({ id: this.#id(), type: 'stopped' });
    this.anchor();
    this.#wasStopped = true;
  }

  /** Messages of the open log up to `most` entries more reach the consumer; the retained note moves with them. */
  send(most: number): void {
    const { origin, entries } = this.open;
    const holds = this.consumer.get(origin) ?? { entries: [], notes: [] };
    this.consumer.set(origin, holds);
    const end = Math.min(entries.length, holds.entries.length + most);
    // A retained note is never replaced by one of a smaller size.
    if (end < holds.entries.length) return;
    holds.entries.push(...entries.slice(holds.entries.length, end));
    this.retained.set(origin, { size: end, root: rootOf(entries, end) });
  }

  /** The gateway starts: after a crash, with a TPM that lost power or not, offline or not. */
  start({ reset = false, resume = false, online = true, tpmSeen = true } = {}): void {
    if (reset) this.reset();
    if (resume) this.tpm.restartCount += 1;
    this.tpm.clock += 3_000n;
    if (this.disk.logs.length === 0) this.#open(this.#previousOutside('missing'), undefined);
    else this.#checkCounter();
    this.#start(tpmSeen);
    if (this.disk.intent !== undefined) this.anchor();
    if (online) this.compare();
  }

  reset(): void {
    this.tpm.resetCount += 1;
    this.tpm.restartCount = 0;
    // After power was lost the clock may be an older one.
    this.tpm.clock = this.tpm.clock > 2_000n ? this.tpm.clock - 2_000n : 0n;
  }

  /** TPM2_Clear: the keys under the SRK are gone, and the counter starts again above its last value. */
  clear(): void {
    this.tpm = { counter: this.tpm.counter + 1, clock: 0n, resetCount: 0, restartCount: 0 };
    this.disk.intent = undefined;
    this.#open(this.#closed('key_lost'), undefined);
    this.#start(true);
  }

  rotate(): void {
    if (this.disk.intent !== undefined) this.anchor();
    this.#open(this.#closed('rotation'), undefined);
  }

  /** The database cannot be read: its last entries are lost, what it expected may be known. */
  quarantine(lost: number, knowsCounter: boolean): void {
    const { entries, origin } = this.open;
    const size = Math.max(1, entries.length - lost);
    entries.length = Math.min(entries.length, size);
    const sent = this.consumer.get(origin)?.entries.length ?? 0;
    const { intent } = this.disk;
    if (!knowsCounter) {
      this.disk.last = undefined;
      this.disk.intent = undefined;
    } else if (intent !== undefined && !this.#finishable(intent)) this.disk.intent = undefined;
    this.#open({ log: origin, cause: 'quarantine', size: Math.max(size, sent) }, undefined);
    this.#start(true);
    if (this.disk.intent !== undefined) this.anchor();
  }

  copy(): Disk {
    const logs = this.disk.logs.map(({ origin, entries }) => ({ origin, entries: [...entries] }));
    return { ...this.disk, logs };
  }

  restore(disk: Disk): void {
    const logs = disk.logs.map(({ origin, entries }) => ({ origin, entries: [...entries] }));
    this.disk = { ...disk, logs };
    this.#wasStopped = false;
  }

  loseDisk(): void {
    this.disk = { logs: [], anchoredBelow: 0 };
  }

  /** The retained messages against the disk: what left the box is more than the disk has, or is something else. */
  compare(): void {
    const newest = [...this.retained].at(-1);
    const follows = this.open.entries[0]?.opened?.after?.log;
    const unknown = newest !== undefined && ![follows, ...this.disk.logs.map((log) => log.origin)].includes(newest[0]);
    for (const { origin, entries } of this.disk.logs) {
      const outside = this.retained.get(origin);
      if (outside === undefined) continue;
      const isSame = outside.size <= entries.length && equalBytes(outside.root, rootOf(entries, outside.size));
      if (isSame || origin !== this.open.origin) continue;
      this.#breach({ log: origin, cause: 'breach', size: outside.size });
      return;
    }
    if (unknown)
      this.#breach({ log: this.open.origin, cause: 'breach', size: this.retained.get(this.open.origin)?.size ?? 0 });
  }

  /** What the consumer can show to a judge. */
  histories(): readonly LogHistory[] {
    return [...this.consumer].map(([origin, { entries, notes }]) => {
      const anchors: SeenAnchor[] = notes.map((made) => this.#seen(made, []));
      const starts: SeenStart[] = [];
      let last: string | undefined;
      for (const [index, { type, made, carried, started }] of entries.entries()) {
        if (made !== undefined) {
          const original = carried === undefined ? [] : [{ log: carried.log, index: carried.n }];
          anchors.push(this.#seen(made, [{ log: origin, index }, ...original]));
          continue;
        }
        if (started !== undefined) {
          const known = last !== undefined && last !== 'opened' && carried === undefined;
          starts.push({ log: origin, index, ...started, ...(known && { endedCleanly: last === 'stopped' }) });
        }
        last = type;
      }
      const opened = entries[0]?.opened;
      const opening = opened === undefined ? {} : { opening: { log: origin, ...opened } };
      return { origin, held: { first: 0, end: entries.length }, anchors, starts, times: [], ...opening };
    });
  }

  #seen(made: Made, places: SeenAnchor['places']): SeenAnchor {
    const held = this.consumer.get(made.origin)?.entries ?? [];
    const known = held.length >= made.size;
    const tree = !known ? 'unknown' : equalBytes(rootOf(held, made.size), made.root) ? 'same' : 'other';
    return { ...made, safe: true, firmwareVersion: 1n, places, tree };
  }

  #checkCounter(): void {
    const { intent, last } = this.disk;
    const { counter } = this.tpm;
    if (intent !== undefined ? this.#finishable(intent) : last === undefined || last === counter) return;
    const expected = intent === undefined ? last : intent.counter - 1;
    this.disk.intent = undefined;
    this.#breach(
      { log: this.open.origin, cause: 'breach', size: this.retained.get(this.open.origin)?.size ?? 0 },
      expected,
    );
  }

  #finishable(intent: Intent): boolean {
    return this.tpm.counter === intent.counter || this.tpm.counter === intent.counter - 1;
  }

  #breach(after: { log: string; cause: string; size?: number }, expected = this.disk.last): void {
    const { origin, entries } = this.open;
    const receipted = this.consumer.get(origin)?.entries ?? [];
    let from = 0;
    while (from < receipted.length && receipted[from]?.id === entries[from]?.id) from += 1;
    const carried = entries.slice(from).map((entry, i) => ({ ...entry, carried: { log: origin, n: from + i } }));
    this.#open(after, expected === undefined ? undefined : { expected, found: this.tpm.counter });
    for (const entry of carried) {
      const { opened: _opened, ...rest } = entry;
      this.#push({ ...rest, id: this.#id() });
    }
    this.disk.anchoredBelow = this.open.entries.length;
  }

  #previousOutside(cause: string): { log: string; cause: string; size?: number } | undefined {
    const newest = [...this.retained].at(-1);
    return newest === undefined ? undefined : { log: newest[0], cause, size: newest[1].size };
  }

  #closed(cause: string): { log: string; cause: string; size: number } {
    return { log: this.open.origin, cause, size: this.open.entries.length };
  }

  #open(after: { log: string; cause: string; size?: number } | undefined, said: CounterSaid | undefined): void {
    // A closed log's entries go on being sent.
    const before = this.disk.logs.at(-1);
    if (before !== undefined && after?.cause !== 'breach') {
      const holds = this.consumer.get(before.origin);
      if (holds !== undefined) this.send(Number.MAX_SAFE_INTEGER);
    }
    this.#numbers += 1;
    const { last } = this.disk;
    const counter = said ?? { found: this.tpm.counter, ...(last !== undefined && { expected: last }) };
    const origin = `lockers.example/gw-0001/${this.#numbers}-00000000`;
    this.disk.logs.push({ origin, entries: [] });
    this.disk.anchoredBelow = 0;
    // Whatever was found is where counting goes on from.
    if (this.disk.intent === undefined) this.disk.last = this.tpm.counter;
    this.#push({ id: this.#id(), type: 'opened', opened: { counter, ...(after !== undefined && { after }) } });
  }

  #start(tpmSeen: boolean): void {
    const clean = this.#wasStopped;
    this.#wasStopped = false;
    const { resetCount: resets, restartCount: restarts } = this.tpm;
    if (tpmSeen) this.#push({ id: this.#id(), type: 'started', started: { clean, resets, restarts } });
    else this.#push({ id: this.#id(), type: 'other' });
  }

  #push(entry: Entry): void {
    this.open.entries.push(entry);
    this.tpm.clock += 10n;
  }

  #id(): string {
    this.#ids += 1;
    return `${this.#ids}`;
  }
}

function rootOf(entries: readonly Entry[], size: number): Uint8Array {
  const names = entries.slice(0, size).map((entry) => entry.id);
  return nodeCrypto.sha256(utf8(names.join(' ')));
}
