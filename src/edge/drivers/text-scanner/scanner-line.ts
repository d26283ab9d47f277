/**
 * A line with a text scanner: the port and the timers around cutter, reader and debounce.
 */
import type { Observed } from '../../contracts/observed.ts';
import type { LineParts } from '../line.ts';
import { LoneLine } from '../lone-line.ts';
import { ScanReporter } from '../scan-report.ts';
import { identityIn, MAKES, type Make } from './makes.ts';
import { readText } from './read-text.ts';
import { type ScannerSettings, TEXT_SCANNER, type TextFraming, textFraming } from './settings.ts';
import { type TextCut, TextCutter } from './text-cutter.ts';

export interface ScannerLineParts extends LineParts {
  readonly settings: ScannerSettings;
}

/** A scanner answers within milliseconds; one that was just plugged in takes a while to start. */
const IDENTITY_WAIT_MS = 1_500;
const IDENTITY_TRIES = 3;

export class ScannerLine extends LoneLine<'settle' | 'silence' | 'reopen' | 'identity'> {
  readonly #parts: ScannerLineParts;
  readonly #framing: TextFraming;
  readonly #cutter: TextCutter;
  readonly #scans: ScanReporter;
  readonly #make: Make | undefined;
  /** The question who it is is open: what comes is collected, and no text of it is a scan. */
  #answer: Uint8Array | undefined;
  #asked = 0;

  constructor(parts: ScannerLineParts) {
    super(parts, { name: parts.settings.name, driver: TEXT_SCANNER, what: 'scanner' });
    const { settings } = parts;
    this.#parts = parts;
    this.#framing = textFraming(settings);
    this.#cutter = new TextCutter(this.#framing);
    this.#scans = new ScanReporter(parts, settings.name, settings.debounce_ms);
    this.#make = settings.make === undefined ? undefined : MAKES[settings.make];
  }

  protected override forget(): void {
    this.device.counts.add('noiseBytes', this.#cutter.reset());
    this.#answer = undefined;
  }

  protected override opened(): void {
    const { settle_ms: settleMs } = this.#parts.settings;
    this.#asked = 0;
    if (settleMs === 0) this.#begin();
    else this.device.arm('settle', settleMs, () => this.#begin());
  }

  #begin(): void {
    this.#watchSilence();
    if (this.#parts.settings.identify && this.#make?.query !== undefined) this.#ask(this.#make.query);
    else this.device.become('found', 'port_open');
  }

  /** A scanner that does not answer still scans: the question is given up, and the port being open is all that is known. */
  #ask(query: Uint8Array): void {
    this.#endQuestion();
    if (this.#asked === IDENTITY_TRIES) {
      this.device.become('found', 'port_open');
      return;
    }
    this.#asked += 1;
    this.#answer = new Uint8Array(0);
    this.device.write(query);
    this.device.arm('identity', IDENTITY_WAIT_MS, () => this.#ask(query));
  }

  #endQuestion(): void {
    this.device.counts.add('noiseBytes', this.#answer?.length ?? 0);
    this.#answer = undefined;
    this.device.disarm('identity');
  }

  protected override heard(chunk: Uint8Array, observed: Observed): void {
    if (this.device.isArmed('settle')) {
      this.device.counts.add('noiseBytes', chunk.length);
      return;
    }
    this.#watchSilence();
    const scanned = this.#answer === undefined ? chunk : this.#hearAnswer(this.#answer, chunk, observed);
    if (scanned.length === 0) return;
    this.device.sound(observed);
    for (const cut of this.#cutter.push(scanned)) this.#take(cut, observed);
    this.device.disarm('silence');
    if (!this.#cutter.open) return;
    this.device.arm('silence', this.#parts.settings.idle_gap_ms, () => {
      for (const cut of this.#cutter.silence()) this.#take(cut, observed);
    });
  }

  /** The answer, once it is whole. What no answer of this make can begin with is a scan that came instead. */
  #hearAnswer(before: Uint8Array, chunk: Uint8Array, observed: Observed): Uint8Array {
    const bytes = new Uint8Array([...before, ...chunk]);
    const found = this.#make === undefined ? undefined : identityIn(this.#make, bytes);
    if (found === undefined || found.kind === 'other') {
      this.#answer = undefined;
      this.device.disarm('identity');
      this.device.become('found', 'heard');
      return bytes;
    }
    this.#answer = bytes;
    if (found.kind === 'more') return new Uint8Array(0);
    this.#answer = undefined;
    this.device.disarm('identity');
    this.device.sound(observed);
    if (found.text !== undefined) this.device.identify(found.text);
    this.device.become('found', 'answered');
    return bytes.slice(found.sizeBytes);
  }

  #take(cut: TextCut, observed: Observed): void {
    const { counts } = this.device;
    if (cut.kind === 'skipped') {
      counts.add('noiseBytes', cut.sizeBytes);
      return;
    }
    const read = readText(cut, this.#framing);
    if (read.kind === 'heartbeat') return;
    counts.add('noiseBytes', read.noiseBytes);
    if (read.kind === 'noise') return;
    counts.add('frames');
    this.#scans.report(read, observed);
  }

  /** For scanners that say that they are there: silence means a dead line that looks open. */
  #watchSilence(): void {
    const { reopen_after_s: limitS } = this.#parts.settings;
    if (limitS === undefined) return;
    this.device.arm('reopen', limitS * 1_000, () =>
      this.#parts.port.reopen(`the scanner said nothing for ${limitS} s`),
    );
  }
}
