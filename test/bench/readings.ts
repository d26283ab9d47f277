/** Scans as the text scanner's driver hands them on: recognised codes, mostly shipping labels. */
import { code128, type Label, s10, sscc, ssccLabel, ups } from '../../simulators/scanners/codes.ts';
import { utf8 } from '../../src/base/bytes.ts';
import type { Observer } from '../../src/edge/contracts/observed.ts';
import type { ScanReading } from '../../src/edge/contracts/reading.ts';
import { recogniseCode } from '../../src/evidence/event/recognise-code.ts';
import type { ScanCode } from '../../src/evidence/event/scan-code.ts';

const POOL = 20_000;

/** Six of ten are SSCC labels, two S10, one UPS, one a text that nothing recognises. */
export class ScanSource {
  readonly #codes: readonly ScanCode[];
  readonly #device: string;
  #next = 0;

  constructor(device: string) {
    this.#device = device;
    this.#codes = Array.from({ length: POOL }, (_, i) => codeOf(label(i)));
  }

  next(observer: Observer): ScanReading {
    const code = this.#codes[this.#next % POOL] as ScanCode;
    this.#next += 1;
    return { kind: 'scan', device: this.#device, observed: observer.observe(), code, suppressed: 0 };
  }
}

function label(serial: number): Label {
  const kind = serial % 10;
  if (kind < 6) return ssccLabel(sscc(serial));
  if (kind < 8) return code128(s10(serial));
  return kind === 8 ? code128(ups(serial)) : code128(`ORDER-${serial}-A`);
}

function codeOf({ aim, text }: Label): ScanCode {
  return recogniseCode(utf8(text), aim);
}
