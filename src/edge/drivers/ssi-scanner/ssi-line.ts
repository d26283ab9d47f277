/** A line with an SSI scanner: the port and the timers around cutter and session. */
import { utf8Text } from '../../../base/bytes.ts';
import type { Observed } from '../../contracts/observed.ts';
import type { Cut } from '../frame-cutter.ts';
import type { LineParts } from '../line.ts';
import { LoneLine } from '../lone-line.ts';
import { ScanReporter } from '../scan-report.ts';
import { splitDecoded } from './code-types.ts';
import { formatPacket, OPCODE, packetCutter, parsePacket, SOURCE_HOST } from './packets.ts';
import { INITIAL_SESSION, type SessionInput, type SessionOutput, type SessionState, stepSession } from './session.ts';
import { SSI_SCANNER, type SsiSettings } from './settings.ts';

export interface SsiLineParts extends LineParts {
  readonly settings: SsiSettings;
}

const ASK_WAIT_MS = 1_000;
const ASK_TRIES = 3;
const REQUEST_REVISION = formatPacket(OPCODE.REQUEST_REVISION, SOURCE_HOST, 0);

export class SsiLine extends LoneLine<'settle' | 'silence' | 'check'> {
  readonly #parts: SsiLineParts;
  readonly #cutter = packetCutter();
  readonly #scans: ScanReporter;
  #session: SessionState = INITIAL_SESSION;
  #asked = 0;

  constructor(parts: SsiLineParts) {
    super(parts, { name: parts.settings.name, driver: SSI_SCANNER, what: 'scanner' });
    const { settings } = parts;
    this.#parts = parts;
    this.#scans = new ScanReporter(parts, settings.name, settings.debounce_ms);
  }

  /** Half a packet ends with its port. What was taken last stays: the scanner may still repeat it. */
  protected override forget(): void {
    this.device.counts.addCuts(this.#cutter.flush());
    this.#session = { ...this.#session, assembly: undefined, naks: 0 };
  }

  protected override opened(): void {
    this.#asked = 0;
    const { settle_ms: settleMs } = this.#parts.settings;
    if (settleMs === 0) this.#ask();
    else this.device.arm('settle', settleMs, () => this.#ask());
  }

  #ask(): void {
    if (this.#asked === ASK_TRIES) this.device.become('lost', 'no_reply');
    if (this.#asked < ASK_TRIES) this.#asked += 1;
    this.device.write(REQUEST_REVISION);
    const { check_s: checkS } = this.#parts.settings;
    this.device.arm('check', this.device.state === 'lost' ? checkS * 1_000 : ASK_WAIT_MS, () => {
      this.device.counts.add('timeouts');
      this.#ask();
    });
  }

  protected override heard(chunk: Uint8Array, observed: Observed): void {
    if (this.device.isArmed('settle')) {
      this.device.counts.add('noiseBytes', chunk.length);
      return;
    }
    this.#take(this.#cutter.push(chunk), observed);
    this.device.disarm('silence');
    if (this.#cutter.heldBytes === 0) return;
    this.device.arm('silence', this.#parts.settings.idle_gap_ms, () => this.#take(this.#cutter.flush(), observed));
  }

  #take(cuts: readonly Cut[], observed: Observed): void {
    this.device.counts.addCuts(cuts);
    let isDamaged = false;
    for (const cut of cuts) {
      if (cut.kind === 'frame') this.#feed({ kind: 'packet', packet: parsePacket(cut.frame) }, observed);
      isDamaged ||= cut.kind === 'skipped' && cut.reason !== 'noise';
    }
    // Once for what came together: pieces of one damaged packet look like several.
    if (isDamaged) this.#feed({ kind: 'damaged' }, observed);
  }

  #feed(input: SessionInput, observed: Observed): void {
    const { state, outputs } = stepSession(this.#session, input, this.#parts.settings.length_max);
    this.#session = state;
    for (const output of outputs) this.#perform(output, observed);
    if (input.kind === 'packet' && !outputs.some((output) => output.kind === 'count' && output.what === 'echo')) {
      this.#alive(observed);
    }
  }

  #alive(observed: Observed): void {
    this.device.sound(observed);
    this.#asked = 0;
    this.device.become('found', 'answered');
    this.device.arm('check', this.#parts.settings.check_s * 1_000, () => this.#ask());
  }

  #perform(output: SessionOutput, observed: Observed): void {
    switch (output.kind) {
      case 'send':
        this.device.write(output.bytes);
        break;
      case 'identity':
        this.device.identify(output.text);
        break;
      case 'count':
        if (output.what === 'echo') this.device.counts.add('echoes');
        else this.#parts.metrics.count(`ssi_${output.what}`, 1, { port: this.#parts.port.name });
        break;
      case 'scan':
        this.#scanned(output, observed);
        break;
    }
  }

  #scanned(scan: Extract<SessionOutput, { kind: 'scan' }>, observed: Observed): void {
    const { settings } = this.#parts;
    const { aim, raw } = splitDecoded(scan.codeType, scan.text);
    const isNoRead = isOneOf(scan.text, settings.no_read) || isOneOf(raw, settings.no_read);
    if (!isNoRead && raw.length < settings.length_min) {
      this.device.counts.add('noiseBytes', raw.length);
      return;
    }
    const quarantined = isNoRead ? 'no_read' : scan.tooLong ? 'too_long' : undefined;
    // The sign that nothing was read is of no symbology.
    const known = aim === undefined || isNoRead ? {} : { aim };
    this.#scans.report({ raw, ...known, ...(quarantined === undefined ? {} : { quarantined }) }, observed);
  }
}

function isOneOf(bytes: Uint8Array, literals: readonly string[]): boolean {
  const text = utf8Text(bytes);
  return text !== undefined && literals.includes(text);
}
