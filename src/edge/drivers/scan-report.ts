/** Scans of one scanner on their way to custody: recognised, debounced, counted. The same for every kind of scanner. */
import { hex } from '../../base/bytes.ts';
import { recogniseCode } from '../../evidence/event/recognise-code.ts';
import type { ScanCode } from '../../evidence/event/scan-code.ts';
import type { Observed } from '../contracts/observed.ts';
import type { ScanReading } from '../contracts/reading.ts';
import type { LineParts } from './line.ts';
import { type Debounce, debounce, INITIAL_DEBOUNCE, scanKey } from './scan-debounce.ts';

export interface ReadScan {
  /** Without prefix, AIM identifier and suffix. */
  readonly raw: Uint8Array;
  readonly aim?: string;
  readonly quarantined?: ScanReading['quarantined'];
}

export class ScanReporter {
  readonly #parts: LineParts;
  readonly #device: string;
  readonly #windowMs: number;
  #debounce: Debounce = INITIAL_DEBOUNCE;

  constructor(parts: LineParts, device: string, windowMs: number) {
    this.#parts = parts;
    this.#device = device;
    this.#windowMs = windowMs;
  }

  report({ raw, aim, quarantined }: ReadScan, observed: Observed): void {
    const { metrics, sink, port, scheduler } = this.#parts;
    const key = scanKey(`${aim ?? ''} ${hex(raw)}`, quarantined);
    const step = debounce(this.#debounce, key, scheduler.monotonicMs(), this.#windowMs);
    this.#debounce = step.state;
    if (step.suppressed === undefined) {
      metrics.count('scans_suppressed', 1, { port: port.name });
      return;
    }
    metrics.count('scans', 1, { port: port.name, quarantined: quarantined ?? 'no' });
    const reading: ScanReading = {
      kind: 'scan',
      device: this.#device,
      observed,
      code: codeOf(raw, aim, quarantined !== undefined),
      suppressed: step.suppressed,
    };
    sink(quarantined === undefined ? reading : { ...reading, quarantined });
  }
}

/** A quarantined text names nothing, whatever its digits happen to be. */
function codeOf(raw: Uint8Array, aim: string | undefined, quarantined: boolean): ScanCode {
  const code = recogniseCode(raw, aim);
  if (!quarantined) return code;
  const bare = { raw, identifiers: [], ...(aim === undefined ? {} : { aim }) };
  return code.text === undefined ? bare : { ...bare, text: code.text };
}
