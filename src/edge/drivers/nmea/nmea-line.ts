/** A line with a position receiver. Nothing is ever written to it. */
import type { Observed } from '../../contracts/observed.ts';
import type { Cut } from '../frame-cutter.ts';
import type { LineParts } from '../line.ts';
import { LoneLine } from '../lone-line.ts';
import { lineText, textLineCutter } from '../text-lines.ts';
import { type Epoch, endEpoch, FIRST_EPOCH, type Moment, stepEpoch } from './epoch.ts';
import { parseSentence, positionIn, SENTENCE_BYTES_MAX } from './sentence.ts';
import { NMEA, type NmeaSettings } from './settings.ts';

export interface NmeaLineParts extends LineParts {
  readonly settings: NmeaSettings;
}

/** Sentences of one moment follow each other at once; at 4800 baud one takes some 170 ms. */
const EPOCH_PAUSE_MS = 400;

export class NmeaLine extends LoneLine<'settle' | 'silence' | 'epoch'> {
  readonly #parts: NmeaLineParts;
  readonly #cutter = textLineCutter(SENTENCE_BYTES_MAX);
  #epoch: Epoch = FIRST_EPOCH;

  constructor(parts: NmeaLineParts) {
    super(parts, { name: parts.settings.name, driver: NMEA, what: 'sensor' });
    this.#parts = parts;
  }

  protected override forget(): void {
    this.device.counts.addCuts(this.#cutter.flush());
    this.#epoch = { ...this.#epoch, said: [] };
  }

  #watch(): void {
    this.device.arm('silence', this.#parts.settings.silence_ms, () => {
      this.forget();
      this.device.counts.add('timeouts');
      this.device.become('lost', 'silent');
    });
  }

  protected override opened(): void {
    this.device.arm('settle', this.#parts.settings.settle_ms, () => this.#watch());
  }

  protected override heard(chunk: Uint8Array, observed: Observed): void {
    if (this.device.isArmed('settle')) {
      this.device.counts.add('noiseBytes', chunk.length);
      return;
    }
    for (const cut of this.#cutter.push(chunk)) this.#take(cut, observed);
  }

  #take(cut: Cut, observed: Observed): void {
    const { counts } = this.device;
    if (cut.kind === 'skipped') {
      counts.addCuts([cut]);
      return;
    }
    const sentence = parseSentence(lineText(cut.frame));
    if (!sentence.ok) {
      counts.add('noiseBytes', cut.frame.length);
      if (sentence.reason === 'checksum') counts.add('checksumErrors');
      return;
    }
    counts.add('frames');
    this.device.sound(observed);
    this.device.become('found', 'heard');
    this.#watch();
    const said = positionIn(sentence.value);
    if (said === undefined) return;
    const { epoch, ended } = stepEpoch(this.#epoch, said);
    this.#epoch = epoch;
    this.#report(ended, observed);
    this.device.arm('epoch', EPOCH_PAUSE_MS, () => {
      const end = endEpoch(this.#epoch);
      this.#epoch = end.epoch;
      this.#report(end.ended, observed);
    });
  }

  #report(moment: Moment | undefined, observed: Observed): void {
    if (moment === undefined) return;
    this.#parts.sink({ kind: 'position', device: this.#parts.settings.name, observed, ...moment });
  }
}
