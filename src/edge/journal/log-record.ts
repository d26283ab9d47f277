/**
 * What the journal keeps about a log beside its entries: state, starts, marks, where it came from. Small values under
 * names, durable one by one; a log's database keeps them, or a file beside one that was set aside.
 */
import { z } from 'zod';
import { assert } from '../../base/assert.ts';
import { base64url, unbase64url } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { LogState, OpenCause } from './continuity.ts';

/** The part of `LogDatabase` that a record stands on. */
export interface RecordStore {
  meta(key: string): string | undefined;
  /** Durable on return; undefined deletes; several are one transaction. */
  setMeta(values: Readonly<Record<string, string | undefined>>): void;
  metaKeys(): readonly string[];
  saveReceipt(keyId: string, size: number, note: Uint8Array): void;
  receipts(): readonly { readonly keyId: string; readonly size: number; readonly note: Uint8Array }[];
}

const root = z.string().transform((text, context) => {
  const bytes = unbase64url(text);
  if (bytes?.length === 32) return bytes;
  context.addIssue({ code: 'custom', message: 'expected 32 bytes of base64url' });
  return z.NEVER;
});
const size = z.int().min(0);
const head = z.strictObject({ size, root });
const breachCause = z.enum(['rolled_back', 'forked', 'superseded', 'counter']);
const closeCause = z.enum(['rotation', 'key_lost', 'tpm_cleared', 'quarantined', 'database_lost', 'settings']);

const stateSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('open') }),
  z.strictObject({ kind: z.literal('closed'), cause: closeCause, sendEnd: size }),
  z.strictObject({
    kind: z.literal('breached'),
    cause: z.enum([...breachCause.options, 'quarantined']),
    sendEnd: size,
    expected: head.exactOptional(),
  }),
]);

/** How a log came to be: enough to write its entry 0 and to carry into it, also after a crash. */
const openingSchema = z.strictObject({
  cause: z.enum(['first_start', ...closeCause.options, ...breachCause.options]),
  /** The log before it, and its last known head. */
  after: z.strictObject({ log: z.string(), head: head.exactOptional() }).exactOptional(),
  /** Of a breach of that log: what left the box, what the disk holds, and which message told. */
  expected: head.exactOptional(),
  found: head.exactOptional(),
  by: z.enum(['checkpoint', 'receipt', 'enrolment', 'counter', 'disk']).exactOptional(),
  /** The anchor counter as the TPM said it when the log opened; `expected` is what this disk knew. */
  counter: z.strictObject({ expected: size.exactOptional(), found: size }).exactOptional(),
  /** An intent to anchor that this value makes unfinishable. */
  intent_dropped: z.strictObject({ log: z.string(), size, counter: size }).exactOptional(),
  /** Logs whose entries are carried into this one, oldest first. */
  carry: z.array(z.strictObject({ log: z.string(), from: size })),
});

export type Opening = z.output<typeof openingSchema>;
export type OpeningSource = NonNullable<Opening['by']>;

/** One value of `setMeta` holds at most 64 KiB; a longer text takes several. */
const CHUNK_CHARS = 16_000;
export const SAVED_CHARS_MAX = 1_048_576;

export class LogRecord {
  readonly store: RecordStore;

  constructor(store: RecordStore) {
    this.store = store;
  }

  get state(): LogState {
    return this.#read('state', stateSchema) ?? { kind: 'open' };
  }

  setState(state: LogState): void {
    this.store.setMeta({ state: spell(state) });
  }

  get opening(): Opening | undefined {
    return this.#read('opening', openingSchema);
  }

  setOpening(opening: Opening, saved: ReadonlyMap<string, string>): void {
    // The mark is written at once: where it is missing later, it was damaged.
    const values: Record<string, string | undefined> = { opening: spell(opening), published: '0' };
    for (const [name, text] of saved) Object.assign(values, this.#chunks(name, text));
    this.store.setMeta(values);
  }

  /** Start number of the daemon in this log; 0 before the first. */
  get boot(): number {
    return this.#count('boot');
  }

  setBoot(boot: number): void {
    this.store.setMeta({ boot: String(boot) });
  }

  /** Newest checkpoint that the broker acknowledged. */
  get publishedSize(): number {
    return this.#count('published');
  }

  setPublishedSize(published: number): void {
    this.store.setMeta({ published: String(published) });
  }

  /** Index after the last carried entry; undefined until all were carried. */
  get carryEnd(): number | undefined {
    return this.store.meta('carry_end') === undefined ? undefined : this.#count('carry_end');
  }

  setCarryEnd(end: number): void {
    this.store.setMeta({ carry_end: String(end) });
  }

  /** True once every entry was receipted, here or as carried, and the key destroyed. */
  get settled(): boolean {
    return this.store.meta('settled') === '1';
  }

  setSettled(): void {
    this.store.setMeta({ settled: '1' });
  }

  /** The statement by which the log before vouches for this one, and its twin by the AK: DSSE envelopes, one a line. */
  get statement(): string | undefined {
    return this.store.meta('statement');
  }

  setStatement(envelopes: string): void {
    this.store.setMeta({ statement: envelopes });
  }

  /** Of a file set aside: the note at the end of what verifies. */
  get endNote(): string | undefined {
    return this.store.meta('end_note');
  }

  setEndNote(note: string): void {
    this.store.setMeta({ end_note: note });
  }

  /** The predecessor that the chain outside led to and that was appended as `predecessor.found`. */
  get foundPredecessor(): string | undefined {
    return this.store.meta('found_predecessor');
  }

  setFoundPredecessor(origin: string): void {
    this.store.setMeta({ found_predecessor: origin });
  }

  /** A state snapshot of another room, or undefined. */
  saved(name: string): string | undefined {
    const parts: string[] = [];
    for (;;) {
      const part = this.store.meta(savedKey(name, parts.length));
      if (part === undefined) break;
      parts.push(part);
    }
    return parts.length === 0 ? undefined : parts.join('');
  }

  setSaved(texts: ReadonlyMap<string, string>): void {
    if (texts.size > 0) this.store.setMeta(this.savedValues(texts));
  }

  /** What `setSaved` writes, for a commit that takes it along. */
  savedValues(texts: ReadonlyMap<string, string>): Readonly<Record<string, string | undefined>> {
    const values: Record<string, string | undefined> = {};
    for (const [name, text] of texts) Object.assign(values, this.#chunks(name, text));
    return values;
  }

  allSaved(): Map<string, string> {
    const saved = new Map<string, string>();
    for (const key of this.store.metaKeys()) {
      const name = /^saved\/(.+)\/0$/.exec(key)?.[1];
      const text = name === undefined ? undefined : this.saved(name);
      if (name !== undefined && text !== undefined) saved.set(name, text);
    }
    return saved;
  }

  /** The text's parts, and the removal of those of a longer text before it. */
  #chunks(name: string, text: string): Record<string, string | undefined> {
    assert(/^[a-z][a-z0-9_]{0,31}$/.test(name), 'the name of a saved state is a short word');
    assert(
      text.length <= SAVED_CHARS_MAX,
      `${name} has ${text.length} characters, expected ${SAVED_CHARS_MAX} at most`,
    );
    const values: Record<string, string | undefined> = {};
    let part = 0;
    for (let at = 0; at < text.length || part === 0; part += 1) {
      // A pair of surrogates stays together, or neither half would survive as UTF-8.
      const cut = at + CHUNK_CHARS;
      const end = isHighSurrogate(text.charCodeAt(cut - 1)) ? cut + 1 : cut;
      values[savedKey(name, part)] = text.slice(at, end);
      at = end;
    }
    for (; this.store.meta(savedKey(name, part)) !== undefined; part += 1) values[savedKey(name, part)] = undefined;
    return values;
  }

  #count(key: string): number {
    const text = this.store.meta(key) ?? '0';
    if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) throw unfit(key);
    return Number(text);
  }

  #read<T>(key: string, schema: z.ZodType<T>): T | undefined {
    const text = this.store.meta(key);
    if (text === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw unfit(key);
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw unfit(key);
    return parsed.data;
  }
}

export function causeWord(
  cause: OpenCause,
): 'rotation' | 'key_lost' | 'tpm_cleared' | 'quarantine' | 'breach' | 'missing' {
  switch (cause) {
    case 'key_lost':
    case 'tpm_cleared':
      return cause;
    case 'quarantined':
      return 'quarantine';
    case 'database_lost':
      return 'missing';
    case 'rolled_back':
    case 'forked':
    case 'superseded':
    case 'counter':
      return 'breach';
    default:
      return 'rotation';
  }
}

function savedKey(name: string, part: number): string {
  return `saved/${name}/${part}`;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function spell(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? base64url(item) : item));
}

/** Check sums cover the values, so one that does not parse was written by another version. */
function unfit(key: string): LatchkeyError {
  return new LatchkeyError('JOURNAL_DAMAGED', `the stored ${key} is not as this version writes it`);
}
