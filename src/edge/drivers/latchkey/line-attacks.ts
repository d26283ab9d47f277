/** Attacks on a line, each told when it begins and when nothing of it came for a while. */
import type { Timer } from '../../../base/clock.ts';
import type { LineParts } from '../line.ts';

/** An attack is over when nothing of it came for so long. */
const ATTACK_QUIET_MS = 60_000;

export class LineAttacks {
  readonly #parts: LineParts;
  /** What goes on, by device and name. */
  readonly #going = new Map<string, Timer>();

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  noted(device: string, what: string): void {
    const { port, logger, scheduler } = this.#parts;
    const name = `${device} ${what}`;
    // Once a minute in the log, always in the counters.
    const before = this.#going.get(name);
    if (before === undefined) {
      logger.warn({ port: port.name, device, what }, 'somebody meddles with the line');
      this.#tell(device, what, true);
    }
    before?.cancel();
    const ends = scheduler.after(ATTACK_QUIET_MS, () => {
      this.#going.delete(name);
      this.#tell(device, what, false);
    });
    this.#going.set(name, ends);
  }

  stop(): void {
    for (const timer of this.#going.values()) timer.cancel();
  }

  #tell(device: string, what: string, active: boolean): void {
    const { observer, sink } = this.#parts;
    const reading = { kind: 'input', device, observed: observer.observe(), what: 'tamper', active } as const;
    // Twice: a change of an input counts from its second reading on, and this one is certain.
    for (let sample = 0; sample < 2; sample += 1) sink({ ...reading, input: `line_${what}` });
  }
}
