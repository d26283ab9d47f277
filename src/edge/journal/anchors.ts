/**
 * The journal's part in anchors: where the intent lives, which checkpoint is next, what an anchor leaves behind.
 *
 * The state outlives the log that it began in: it is kept in the open log's record and taken along when the next opens,
 * in the transaction that opens it. The anchor itself is said twice, as a line of the note that it is over, and as the
 * entry `anchor.made`, since a retained note shows only the newest.
 */
import { withTimeout } from '../../base/abort.ts';
import { assert } from '../../base/assert.ts';
import { equalBytes, unbase64 } from '../../base/bytes.ts';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { formatNote, formatSignatureLine, type NoteSignature, parseNote } from '../../evidence/log/note.ts';
import type { AnchorCandidate, AnchorIntent, AnchorStore } from '../contracts/anchor-store.ts';
import type { EntryRef } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';
import {
  ANCHOR_STATE,
  type AnchorState,
  type CounterAtOpening,
  type CounterFound,
  counterAtOpening,
  formatAnchorState,
  parseAnchorState,
} from './anchor-state.ts';
import type { HeldLog } from './held-log.ts';
import type { LogKeeper } from './log-keeper.ts';
import type { LogWriter } from './log-writer.ts';
import { anchorBody } from './own-entries.ts';

/** An opening waits this long for the counter; entry 0 then does without it. */
const COUNTER_LIMIT_MS = 5_000;
const DURABLE_LIMIT_MS = 30_000;
/** A rotation waits this long for an intent to be finished; then the intent moves to the next log. */
const FINISH_LIMIT_MS = 5_000;
const NOTE_LINES_MAX = 16;

export interface JournalAnchorsOptions {
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly observer: Observer;
  /** The TPM's counter; undefined while the TPM is away. */
  readonly readCounter: () => Promise<number | undefined>;
}

export class JournalAnchors implements AnchorStore {
  readonly #options: JournalAnchorsOptions;
  readonly #keeper: LogKeeper;
  readonly #listeners = new Set<() => void>();
  #read: { readonly text: string | undefined; readonly state: AnchorState } = { text: undefined, state: {} };
  /** An `anchor.made` that waits for the disk: appended once, however often it is asked for. */
  #appended: { readonly writer: LogWriter; readonly counter: number; place: EntryRef | undefined } | undefined;
  /** What was last told: nothing is told while it stays so. */
  #told = '';
  #resting = 0;

  constructor(options: JournalAnchorsOptions, keeper: LogKeeper) {
    this.#options = options;
    this.#keeper = keeper;
    keeper.onChange(() => this.#tell());
  }

  intent(): AnchorIntent | undefined {
    return this.#state.intent;
  }

  lastCounter(): number | undefined {
    return this.#state.last;
  }

  tokens(): number | undefined {
    return this.#state.tokens;
  }

  candidate(): AnchorCandidate | undefined {
    const { current, weights } = this.#keeper;
    const note = current?.newestNote();
    if (current === undefined || note === undefined || weights === undefined || this.#resting > 0) return undefined;
    const { origin } = current;
    const { made } = this.#state;
    if (made?.log === origin && note.size <= made.index) return undefined;
    const anchored = made?.origin === origin ? made.size : 0;
    if (note.size <= anchored) return undefined;
    return { origin, size: note.size, root: rootOf(note.note), unanchored: weights.beyond(anchored) };
  }

  saveIntent(intent: AnchorIntent, tokens: number): Promise<void> {
    const state = this.#state;
    assert(state.intent === undefined, 'one intent at a time');
    // Logs may have changed since the caller looked: an ended one gets no new anchor.
    if (this.#keeper.current?.origin !== intent.origin || this.#resting > 0) {
      return Promise.reject(new LatchkeyError('JOURNAL_IO', 'the log that was to be anchored has ended, or ends now'));
    }
    return settled(() => this.#store({ ...state, intent, tokens }));
  }

  async finish(intent: AnchorIntent, line: NoteSignature): Promise<void> {
    this.#putOnNote(intent, line);
    const place = await this.#append(intent, line);
    const { intent: finished, ...rest } = this.#state;
    // A log opened meanwhile and found the counter elsewhere: its entry 0 names the intent as dropped.
    if (finished?.counter !== intent.counter) return;
    const { origin, size, counter } = intent;
    this.#store({ ...rest, last: counter, made: { origin, size, log: place.origin, index: place.index } });
    this.#changed();
  }

  breach(expected: number, found: number): Promise<void> {
    const keeper = this.#keeper;
    return keeper.exclusive(async () => {
      const { current } = keeper;
      const { last, intent } = this.#state;
      // A log that opened meanwhile has said it.
      if (current === undefined || (last === found && intent === undefined)) return;
      const root = current.tree.rootAt(current.size);
      assert(root !== undefined, 'a tree has a root at its end');
      const contradiction = { size: current.size, root };
      const counter = { expected, found };
      const { origin } = current;
      await keeper.breach([{ origin, cause: 'counter', found: contradiction, counter }], 'counter');
      this.#changed();
    });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For a log that opens. Undefined while the TPM is away: a mismatch is then noticed later. */
  async atOpening(known: CounterFound | undefined): Promise<CounterAtOpening | undefined> {
    const found = known?.found ?? (await this.#counter());
    return found === undefined ? undefined : counterAtOpening(this.#state, found, known?.expected);
  }

  /**
   * Runs a rotation: no new intent is taken from now on, and one that is open is waited for, so that it is finished before
   * `key.rotated` while the TPM is there.
   */
  async atRest<T>(rotation: () => Promise<T>): Promise<T> {
    this.#resting += 1;
    try {
      if (this.intent() !== undefined && this.#listeners.size > 0) await this.#finished();
      return await rotation();
    } finally {
      this.#resting -= 1;
      this.#changed();
    }
  }

  get #state(): AnchorState {
    const text = this.#keeper.saved.get(ANCHOR_STATE);
    if (this.#read.text !== text) {
      const state = text === undefined ? {} : parseAnchorState(text);
      if (state === undefined) {
        this.#options.logger.error({}, 'what was kept about anchors is not of this version: counting begins anew');
      }
      this.#read = { text, state: state ?? {} };
    }
    return this.#read.state;
  }

  /** Durable on return. */
  #store(state: AnchorState): void {
    this.#keeper.saved.setNow(ANCHOR_STATE, formatAnchorState(state));
  }

  async #counter(): Promise<number | undefined> {
    const { scheduler, readCounter, logger } = this.#options;
    try {
      return await withTimeout(scheduler, COUNTER_LIMIT_MS, 'the anchor counter', readCounter());
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, 'a log opens without the value of the anchor counter');
      return undefined;
    }
  }

  /** Of a damaged or breached log the file stays as it is; the entry says the anchor all the same. */
  #putOnNote(intent: AnchorIntent, line: NoteSignature): void {
    const log = this.#keeper.set.find(intent.origin);
    if (log === undefined || log.salvaged || log.state.kind === 'breached') return;
    try {
      const note = anchoredNote(log, intent, line);
      if (note !== undefined) log.database.replaceNote(intent.size, note);
    } catch (error) {
      // The open log's disk is needed for the entry as well; what an ended one does not take is only a note's line.
      if (!(error instanceof LatchkeyError) || log === this.#keeper.current) throw error;
      this.#options.logger.warn({ log: log.name, reason: error.message }, 'an anchor was not put on its note');
    }
  }

  /** `anchor.made` in the open log, durable. It does not move to another log: there it would mean another checkpoint. */
  async #append(intent: AnchorIntent, line: NoteSignature): Promise<EntryRef> {
    const { writer, current, signal } = this.#keeper;
    if (writer === undefined || current === undefined) {
      throw new LatchkeyError('JOURNAL_IO', 'no log is open: an anchor waits for the next one');
    }
    const isWaiting = this.#appended?.writer === writer && this.#appended.counter === intent.counter;
    const appended =
      isWaiting && this.#appended ? this.#appended : { writer, counter: intent.counter, place: undefined };
    if (appended !== this.#appended) {
      const waiting: { place: EntryRef | undefined } = appended;
      const body = anchorBody(intent, formatSignatureLine(line), current.origin);
      const onDurable = (place: EntryRef): void => {
        waiting.place = place;
      };
      const draft = { observed: this.#options.observer.observe(), body, own: true, urgent: true, onDurable };
      if (writer.append(draft) === 'refused') throw new LatchkeyError('JOURNAL_IO', 'the log ends: an anchor waits');
      this.#appended = appended;
    }
    const flushed = writer.flush(signal);
    await withTimeout(this.#options.scheduler, DURABLE_LIMIT_MS, 'the entry of an anchor', flushed);
    const { place } = appended;
    if (place === undefined) throw new LatchkeyError('JOURNAL_IO', 'the entry of an anchor is not durable yet');
    this.#appended = undefined;
    return place;
  }

  /** Resolves when no intent is open, or when the time is over. */
  #finished(): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const look = (): void => {
        if (this.intent() !== undefined) return;
        timer?.cancel();
        end();
      };
      const stop = this.onChange(look);
      const end = (): void => {
        stop();
        resolve();
      };
      timer = this.#options.scheduler.after(FINISH_LIMIT_MS, end);
      look();
    });
  }

  /** Commits come by the hundred a second: only a change of what is to be anchored is told. */
  #tell(): void {
    const { current, weights } = this.#keeper;
    const { made } = this.#state;
    const anchored = made?.origin === current?.origin ? (made?.size ?? 0) : 0;
    const isAbove = (current?.newestNote()?.size ?? 0) > (made?.log === current?.origin ? (made?.index ?? 0) : 0);
    const now = `${current?.origin} ${isAbove} ${weights?.beyond(anchored)} ${anchored}`;
    if (now === this.#told) return;
    this.#told = now;
    for (const listener of [...this.#listeners]) listener();
  }

  #changed(): void {
    this.#told = '';
    this.#keeper.changed();
  }
}

/** The stored note with the line on it, in place of one that was made before a cut; undefined when there is none to put it on. */
function anchoredNote(log: HeldLog, intent: AnchorIntent, line: NoteSignature): Uint8Array | undefined {
  const bytes = log.database.noteAt(intent.size);
  const note = bytes === undefined ? undefined : parseNote(bytes);
  if (bytes === undefined || note?.ok !== true || !equalBytes(rootOf(bytes), intent.root)) return undefined;
  const others = note.value.signatures.filter((each) => each.name !== line.name || !equalBytes(each.keyId, line.keyId));
  if (others.length >= NOTE_LINES_MAX) return undefined;
  return formatNote({ text: note.value.text, signatures: [...others, line] });
}

/** The third line of a note that this log stored. */
function rootOf(note: Uint8Array): Uint8Array {
  const root = unbase64(Buffer.from(note).toString('latin1').split('\n', 3)[2] ?? '');
  assert(root?.length === 32, 'a stored note has a root');
  return root;
}

function settled(work: () => void): Promise<void> {
  return Promise.resolve().then(work);
}
