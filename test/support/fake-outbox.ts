/**
 * A journal as the uplink sees it, without disk or keys: logs are counts, notes are text, and everything that the uplink
 * may not do is an error of the test.
 */
import { expect } from 'vitest';
import { concatBytes, utf8, utf8Text } from '../../src/base/bytes.ts';
import type {
  MemoryVerdict,
  Outbox,
  OutboxBatch,
  OutboxLog,
  ReceiptAnswer,
  RetainedMessage,
} from '../../src/edge/contracts/outbox.ts';

export const ORIGIN = 'lockers.example/gw-0001/1-9f2c01aa';
export const SECOND_ORIGIN = 'lockers.example/gw-0001/2-0badcafe';

interface FakeLog {
  readonly origin: string;
  state: 'open' | 'closed';
  /** Ends of the commits, ascending. */
  readonly ends: number[];
  receiptedSize: number;
}

export interface FakeBatch {
  readonly log: string;
  readonly first: number;
  readonly count: number;
  readonly left: boolean;
}

export function fakeNote(origin: string, size: number): Uint8Array {
  return utf8(`${origin}\n${size}\n`);
}

export function fakeReceipt(origin: string, size: number): Uint8Array {
  return utf8(`receipt\n${origin}\n${size}\n`);
}

/** What a consumer reads: the header of a batch, and how many lines followed it. */
export function parseFakeBatch(payload: Uint8Array): FakeBatch & { readonly indices: readonly number[] } {
  const [header = '', ...lines] = (utf8Text(payload) ?? '').trimEnd().split('\n');
  return { ...(JSON.parse(header) as FakeBatch), indices: lines.map((line) => Number(line.split(' ')[0])) };
}

export class FakeOutbox implements Outbox {
  readonly #logs: FakeLog[] = [];
  readonly #listeners = new Set<() => void>();
  /** Bytes of one event's line. */
  readonly #eventBytes: number;
  /** Commits that one batch may join. */
  readonly #commitsPerBatch: number;
  compared: readonly RetainedMessage[][] = [];
  verdict: MemoryVerdict = { kind: 'agreed' };
  enrolmentPayload: Uint8Array | undefined;
  readonly marks = new Map<string, number>();
  readonly batchesRead: FakeBatch[] = [];
  /** Called before each read: to make it fail or wait. */
  onRead: (origin: string, first: number) => Promise<void> = () => Promise.resolve();
  onCompare: () => void = () => undefined;
  refused = 0;
  /** Logs whose notes may not be published, or are gone. */
  readonly noteless = new Set<string>();

  constructor(options: { readonly eventBytes?: number; readonly commitsPerBatch?: number } = {}) {
    this.#eventBytes = options.eventBytes ?? 60;
    this.#commitsPerBatch = options.commitsPerBatch ?? 1;
    this.open(ORIGIN);
  }

  /** Closes the open log and opens another. */
  open(origin: string): void {
    for (const log of this.#logs) log.state = 'closed';
    this.#logs.push({ origin, state: 'open', ends: [], receiptedSize: 0 });
    this.#changed();
  }

  /** Breach or quarantine: the log is not to be sent any more. */
  remove(origin: string): void {
    const at = this.#logs.findIndex((log) => log.origin === origin);
    if (at >= 0) this.#logs.splice(at, 1);
    this.#changed();
  }

  append(origin: string, events: number, eventsPerCommit = 256): void {
    const log = this.#log(origin);
    expect(log.state).toBe('open');
    for (let left = events; left > 0; left -= eventsPerCommit) {
      log.ends.push((log.ends.at(-1) ?? 0) + Math.min(left, eventsPerCommit));
    }
    this.#changed();
  }

  logs(): readonly OutboxLog[] {
    return this.#logs.map(({ origin, state, ends, receiptedSize }) => ({
      origin,
      state,
      noteSize: ends.at(-1) ?? 0,
      receiptedSize,
      progressSize: receiptedSize,
    }));
  }

  checkpoint(origin: string) {
    const size = this.noteless.has(origin) ? undefined : this.#log(origin).ends.at(-1);
    return size === undefined ? undefined : { size, note: fakeNote(origin, size) };
  }

  async batch(origin: string, first: number, withLeft: boolean): Promise<OutboxBatch | undefined> {
    await this.onRead(origin, first);
    const log = this.#logs.find((other) => other.origin === origin);
    const at = log?.ends.findIndex((end) => end > first) ?? -1;
    if (log === undefined || at < 0) return undefined;
    const start = log.ends[at - 1] ?? 0;
    const end = log.ends[Math.min(at + this.#commitsPerBatch, log.ends.length) - 1] ?? 0;
    const header: FakeBatch = { log: origin, first: start, count: end - start, left: withLeft };
    this.batchesRead.push(header);
    const lines = Array.from({ length: end - start }, (_, i) => `${start + i} `.padEnd(this.#eventBytes - 1, 'x'));
    const bytes = concatBytes(utf8(`${JSON.stringify(header)}\n`), utf8(`${lines.join('\n')}\n`));
    return { origin, first: start, count: end - start, bytes };
  }

  async receipt(_name: string, payload: Uint8Array): Promise<ReceiptAnswer> {
    const [word, origin = '', size = ''] = (utf8Text(payload) ?? '').split('\n');
    const log = this.#logs.find((other) => other.origin === origin);
    const top = log?.ends.at(-1) ?? 0;
    if (word !== 'receipt' || log === undefined) {
      this.refused += 1;
      return 'refused';
    }
    if (Number(size) > top) {
      this.remove(origin);
      return 'breach';
    }
    if (Number(size) <= log.receiptedSize) return 'known';
    log.receiptedSize = Number(size);
    this.#changed();
    return 'progress';
  }

  async compareMemory(retained: readonly RetainedMessage[]): Promise<MemoryVerdict> {
    this.onCompare();
    this.compared = [...this.compared, [...retained]];
    expect(this.compared).toHaveLength(1); // once per start
    return this.verdict;
  }

  async enrolment(): Promise<Uint8Array | undefined> {
    return this.enrolmentPayload;
  }

  async markPublished(origin: string, size: number): Promise<void> {
    this.marks.set(origin, size);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #log(origin: string): FakeLog {
    const log = this.#logs.find((other) => other.origin === origin);
    if (log === undefined) throw new Error(`no log ${origin}`);
    return log;
  }

  #changed(): void {
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener();
    });
  }
}
