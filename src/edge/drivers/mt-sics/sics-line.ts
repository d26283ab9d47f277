/**
 * A line with an MT-SICS scale.
 *
 * An answer belongs to the question before it only while no answer is missing: after a missing one the line is left quiet
 * for longer than an answer can be late, what comes meanwhile is thrown away, and the questions begin anew. So no weight
 * is ever taken for one that was measured after its question, when it was measured before.
 */
import { utf8 } from '../../../base/bytes.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { WeightReading } from '../../contracts/reading.ts';
import type { Cut } from '../frame-cutter.ts';
import type { LineParts } from '../line.ts';
import { LoneLine } from '../lone-line.ts';
import { lineText, textLineCutter } from '../text-lines.ts';
import { LINE_BYTES_MAX, parseSics, type SicsMessage, sicsGrams } from './messages.ts';
import { MT_SICS, type SicsSettings } from './settings.ts';

export interface SicsLineParts extends LineParts {
  readonly settings: SicsSettings;
}

const MISSED_MAX = 3;
const IDENTITY_COMMAND = 'I4';

export class SicsLine extends LoneLine<'settle' | 'reply' | 'poll' | 'quiet' | 'silence'> {
  readonly #parts: SicsLineParts;
  readonly #cutter = textLineCutter(LINE_BYTES_MAX);
  /** What was asked, and when; undefined while no answer is due. */
  #open: { readonly word: string; readonly askedUpMs: number } | undefined;
  #missed = 0;
  #identified = false;
  /** With `sr` a change is said once; it is asked for again, so that two readings stand behind a weight. */
  #confirming = false;

  constructor(parts: SicsLineParts) {
    super(parts, { name: parts.settings.name, driver: MT_SICS, what: 'scale' });
    this.#parts = parts;
  }

  protected override forget(): void {
    this.device.counts.addCuts(this.#cutter.flush());
    this.#open = undefined;
    this.#confirming = false;
    this.#identified = false;
  }

  #begin(): void {
    this.device.counts.addCuts(this.#cutter.flush());
    this.#ask(this.#identified ? this.#weightWord() : IDENTITY_COMMAND);
  }

  #weightWord(): string {
    return this.#parts.settings.mode.toUpperCase();
  }

  #ask(word: string): void {
    this.#open = { word, askedUpMs: this.#parts.observer.observe().upMs };
    this.device.write(utf8(`${word}\r\n`));
    this.device.arm('reply', this.#parts.settings.reply_timeout_ms, () => this.#missing());
  }

  #missing(): void {
    this.device.counts.add('timeouts');
    // A scale that knows no I4 still weighs.
    if (this.#open?.word === IDENTITY_COMMAND) this.#identified = true;
    this.#open = undefined;
    this.#confirming = false;
    this.#missed += 1;
    if (this.#missed >= MISSED_MAX) this.device.become('lost', 'no_reply');
    this.device.arm('quiet', this.#parts.settings.quiet_ms, () => this.#begin());
  }

  protected override opened(): void {
    this.device.arm('settle', this.#parts.settings.settle_ms, () => this.#begin());
  }

  protected override heard(chunk: Uint8Array, observed: Observed): void {
    if (this.device.isArmed('settle') || this.device.isArmed('quiet')) {
      this.device.counts.add('noiseBytes', chunk.length);
      return;
    }
    this.#take(this.#cutter.push(chunk), observed);
    this.device.disarm('silence');
    if (this.#cutter.heldBytes === 0) return;
    this.device.arm('silence', this.#parts.settings.reply_timeout_ms, () =>
      this.device.counts.addCuts(this.#cutter.flush()),
    );
  }

  #take(cuts: readonly Cut[], observed: Observed): void {
    for (const cut of cuts) {
      const message = cut.kind === 'frame' ? parseSics(lineText(cut.frame)) : undefined;
      if (message?.kind === 'other' && cut.kind === 'frame') this.device.counts.add('noiseBytes', cut.frame.length);
      else this.device.counts.addCuts([cut]);
      if (message !== undefined) this.#heed(message, observed);
    }
  }

  #heed(message: SicsMessage, observed: Observed): void {
    switch (message.kind) {
      case 'command':
        this.device.counts.add('echoes');
        return;
      case 'other':
        return;
      case 'identity':
        if (this.#open?.word !== IDENTITY_COMMAND) return;
        this.device.identify(message.command === IDENTITY_COMMAND ? message.text : '');
        this.#identified = true;
        this.#answered(observed, 0);
        return;
      case 'error':
        if (this.#open === undefined) return;
        if (this.#open.word === IDENTITY_COMMAND) this.#identified = true;
        this.#parts.metrics.count('scale_errors', 1, { port: this.#parts.port.name });
        this.#answered(observed, this.#parts.settings.poll_ms);
        return;
      default:
        this.#weighed(message, observed);
    }
  }

  #weighed(message: Extract<SicsMessage, { kind: 'weight' | 'no_value' }>, observed: Observed): void {
    const { mode, latency_ms: latencyMs } = this.#parts.settings;
    const isStream = mode === 'sir' || mode === 'sr';
    const isAnswer = this.#open !== undefined && this.#open.word !== IDENTITY_COMMAND;
    if (!isStream && !isAnswer) {
      // Nobody asked: an answer that is late, or the line repeats itself.
      this.#parts.metrics.count('scale_stale', 1, { port: this.#parts.port.name });
      return;
    }
    // A stream that runs already answers before its question arrived.
    const heldUpMs = observed.upMs - latencyMs;
    const sinceUpMs = Math.max(0, isStream ? heldUpMs : (this.#open?.askedUpMs ?? heldUpMs));
    this.#parts.sink(readingOf(this.#parts.settings.name, message, observed, sinceUpMs));
    if (isStream && this.#open?.word === IDENTITY_COMMAND) return;
    this.#answered(observed, this.#parts.settings.poll_ms);
    if (mode === 'sr') this.#confirm(message);
  }

  #confirm(message: SicsMessage): void {
    const isNews = message.kind === 'weight' && message.state === 'stable' && !this.#confirming;
    this.#confirming = isNews;
    if (isNews) this.device.arm('poll', 0, () => this.#ask('SR'));
  }

  /** The open question is answered; the next one follows after a pause. A stream is asked again only when it stops. */
  #answered(observed: Observed, pauseMs: number): void {
    const wasIdentity = this.#open?.word === IDENTITY_COMMAND;
    this.#open = undefined;
    this.#missed = 0;
    this.device.sound(observed);
    this.device.become('found', 'answered');
    this.device.disarm('reply');
    const { mode, reply_timeout_ms: replyMs, check_s: checkS } = this.#parts.settings;
    if (!wasIdentity && mode === 'sir') this.device.arm('reply', replyMs, () => this.#missing());
    else {
      const delayMs = !wasIdentity && mode === 'sr' ? checkS * 1_000 : pauseMs;
      this.device.arm('poll', delayMs, () => this.#ask(this.#weightWord()));
    }
  }
}

function readingOf(
  device: string,
  message: Extract<SicsMessage, { kind: 'weight' | 'no_value' }>,
  observed: Observed,
  sinceUpMs: number,
): WeightReading {
  const base = { kind: 'weight', device, observed, sinceUpMs } as const;
  if (message.kind === 'no_value') return { ...base, state: message.state === 'busy' ? 'moving' : message.state };
  const grams = sicsGrams(message);
  return grams === undefined ? { ...base, state: 'invalid' } : { ...base, state: message.state, grams };
}
