/**
 * A line with a text scanner: the port and the timers around cutter, reader and debounce.
 */
import { hex } from '../../../base/bytes.ts';
import type { Timer } from '../../../base/clock.ts';
import { recogniseCode } from '../../../evidence/event/recognise-code.ts';
import type { ScanCode } from '../../../evidence/event/scan-code.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { DeviceReading, ScanReading } from '../../contracts/reading.ts';
import type { DeviceStatus, Line, LineParts, LineStatus } from '../line.ts';
import { LinePort } from '../line-port.ts';
import { type Debounce, debounce, INITIAL_DEBOUNCE, scanKey } from './debounce.ts';
import { readText } from './read-text.ts';
import { type ScannerSettings, TEXT_SCANNER, type TextFraming, textFraming } from './settings.ts';
import { type TextCut, TextCutter } from './text-cutter.ts';

export interface ScannerLineParts extends LineParts {
  readonly settings: ScannerSettings;
}

type ScannerTimer = 'settle' | 'silence' | 'reopen';

export class ScannerLine implements Line {
  readonly #parts: ScannerLineParts;
  readonly #framing: TextFraming;
  readonly #cutter: TextCutter;
  readonly #port: LinePort;
  readonly #timers = new Map<ScannerTimer, Timer>();
  #debounce: Debounce = INITIAL_DEBOUNCE;
  #device: Pick<DeviceStatus, 'state' | 'reason'> = { state: 'unknown', reason: '' };
  #lastHeard: Observed | undefined;

  constructor(parts: ScannerLineParts) {
    this.#parts = parts;
    this.#framing = textFraming(parts.settings);
    this.#cutter = new TextCutter(this.#framing);
    this.#port = new LinePort(parts);
  }

  start(): void {
    this.#port.start({
      heard: (chunk) => this.#hear(chunk),
      opened: () => this.#opened(),
      lost: () => this.#lost(),
    });
  }

  firstAttempt(): Promise<void> {
    return this.#port.firstAttempt();
  }

  async stop(): Promise<void> {
    this.#stopTimers();
    this.#port.counts.add('noiseBytes', this.#cutter.reset());
    await this.#port.close();
  }

  status(): LineStatus {
    const { settings } = this.#parts;
    const last = this.#lastHeard === undefined ? {} : { lastAnswerUpMs: this.#lastHeard.upMs };
    const device: DeviceStatus = { name: settings.name, driver: TEXT_SCANNER, ...this.#device, ...last };
    return { ...this.#port.status(), devices: [device] };
  }

  #opened(): void {
    const { settle_ms: settleMs } = this.#parts.settings;
    if (settleMs === 0) this.#become('found', 'port_open');
    else this.#arm('settle', settleMs, () => this.#become('found', 'port_open'));
  }

  #lost(): void {
    this.#stopTimers();
    this.#port.counts.add('noiseBytes', this.#cutter.reset());
    this.#become('lost', 'port_lost');
  }

  #become(state: 'found' | 'lost', reason: string): void {
    if (state === 'found') this.#watchSilence();
    if (this.#device.state === state) return;
    this.#device = { state, reason };
    const { settings, observer, sink, logger, port } = this.#parts;
    const last = this.#lastHeard === undefined ? {} : { lastAnswerUpMs: this.#lastHeard.upMs };
    const observed = observer.observe();
    const reading: DeviceReading = { kind: 'device', device: settings.name, observed, state, reason, ...last };
    logger.info({ port: port.name, device: settings.name, state, reason }, 'device changed');
    sink(reading);
  }

  #hear(chunk: Uint8Array): void {
    if (this.#timers.has('settle')) {
      this.#port.counts.add('noiseBytes', chunk.length);
      return;
    }
    const observed = this.#parts.observer.observe();
    this.#lastHeard = observed;
    this.#watchSilence();
    for (const cut of this.#cutter.push(chunk)) this.#take(cut, observed);
    this.#disarm('silence');
    if (!this.#cutter.open) return;
    this.#arm('silence', this.#parts.settings.idle_gap_ms, () => {
      for (const cut of this.#cutter.silence()) this.#take(cut, observed);
    });
  }

  #take(cut: TextCut, observed: Observed): void {
    if (cut.kind === 'skipped') {
      this.#port.counts.add('noiseBytes', cut.sizeBytes);
      return;
    }
    const read = readText(cut, this.#framing);
    if (read.kind === 'heartbeat') return;
    this.#port.counts.add('noiseBytes', read.noiseBytes);
    if (read.kind === 'noise') return;
    this.#port.counts.add('frames');
    const { raw, aim, quarantined } = read;
    const key = scanKey(`${aim ?? ''} ${hex(raw)}`, quarantined);
    const nowMs = this.#parts.scheduler.monotonicMs();
    const step = debounce(this.#debounce, key, nowMs, this.#parts.settings.debounce_ms);
    this.#debounce = step.state;
    const { metrics, sink, settings, port } = this.#parts;
    if (step.suppressed === undefined) {
      metrics.count('scans_suppressed', 1, { port: port.name });
      return;
    }
    metrics.count('scans', 1, { port: port.name, quarantined: quarantined ?? 'no' });
    const reading: ScanReading = {
      kind: 'scan',
      device: settings.name,
      observed,
      code: codeOf(raw, aim, quarantined !== undefined),
      suppressed: step.suppressed,
    };
    sink(quarantined === undefined ? reading : { ...reading, quarantined });
  }

  /** For scanners that say that they are there: silence means a dead line that looks open. */
  #watchSilence(): void {
    const { reopen_after_s: limitS } = this.#parts.settings;
    if (limitS === undefined) return;
    this.#arm('reopen', limitS * 1_000, () => this.#parts.port.reopen(`the scanner said nothing for ${limitS} s`));
  }

  #arm(name: ScannerTimer, delayMs: number, callback: () => void): void {
    this.#disarm(name);
    const timer = this.#parts.scheduler.after(delayMs, () => {
      this.#timers.delete(name);
      callback();
    });
    this.#timers.set(name, timer);
  }

  #disarm(name: ScannerTimer): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
  }

  #stopTimers(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}

/** A quarantined text names nothing, whatever its digits happen to be. */
function codeOf(raw: Uint8Array, aim: string | undefined, quarantined: boolean): ScanCode {
  const code = recogniseCode(raw, aim);
  if (!quarantined) return code;
  const bare = { raw, identifiers: [], ...(aim === undefined ? {} : { aim }) };
  return code.text === undefined ? bare : { ...bare, text: code.text };
}
