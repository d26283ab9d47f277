/**
 * A line with a keypad: keys in, entries out, and a signal back. An entry is a secret from its first key on: it stands in
 * no log line, no count and no status.
 */
import { utf8 } from '../../../base/bytes.ts';
import { SecretText } from '../../../base/secret-text.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { LineParts } from '../line.ts';
import { LoneLine } from '../lone-line.ts';
import { type Entry, NOTHING_TYPED, typed } from './entry.ts';
import { KEYPAD, type KeypadSettings } from './settings.ts';

export interface KeypadLineParts extends LineParts {
  readonly settings: KeypadSettings;
}

type KeypadTimer = 'settle' | 'idle';

export class KeypadLine extends LoneLine<KeypadTimer> {
  readonly #parts: KeypadLineParts;
  #entry: Entry = NOTHING_TYPED;

  constructor(parts: KeypadLineParts) {
    super(parts, { name: parts.settings.name, driver: KEYPAD, what: 'reader' });
    this.#parts = parts;
  }

  /** Shows the person how it ended. */
  signal(device: string, word: 'granted' | 'refused'): void {
    const text = device === this.#parts.settings.name ? this.#parts.settings[word] : undefined;
    if (text !== undefined) this.device.write(utf8(text));
  }

  protected override forget(): void {
    this.#entry = NOTHING_TYPED;
  }

  protected override opened(): void {
    const { settle_ms: settleMs } = this.#parts.settings;
    if (settleMs === 0) this.device.become('found', 'port_open');
    else this.device.arm('settle', settleMs, () => this.device.become('found', 'port_open'));
  }

  protected override heard(chunk: Uint8Array, observed: Observed): void {
    if (this.device.isArmed('settle')) {
      this.device.counts.add('noiseBytes', chunk.length);
      return;
    }
    this.device.sound(observed);
    const { settings, sink } = this.#parts;
    const step = typed(this.#entry, chunk, settings);
    this.#entry = step.state;
    this.device.counts.add('noiseBytes', step.noiseBytes);
    this.device.disarm('idle');
    if (step.state !== NOTHING_TYPED) {
      this.device.arm('idle', settings.idle_s * 1_000, () => {
        this.#entry = NOTHING_TYPED;
      });
    }
    for (const entry of step.entries) {
      this.device.counts.add('frames');
      sink({ kind: 'keypad', device: settings.name, observed, entry: new SecretText(entry) });
    }
  }
}
