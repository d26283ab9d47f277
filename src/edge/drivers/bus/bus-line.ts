/**
 * A line of lock boards: the port, the cutters and the one timer around the bus master.
 */
import { present } from '../../../base/assert.ts';
import type { Timer } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Board, BoardFamily } from '../board-family.ts';
import type { FrameCutter } from '../frame-cutter.ts';
import type { Line, LineParts, LineStatus } from '../line.ts';
import { LinePort } from '../line-port.ts';
import type { HealthChange } from './board-health.ts';
import { busStep } from './bus-session.ts';
import { type BusInput, type BusOutput, type BusPlan, type BusState, initialBus, type Moment } from './bus-state.ts';
import type { BusTiming } from './settings.ts';

export interface BusLineParts extends LineParts {
  readonly boards: readonly Board[];
  readonly families: readonly BoardFamily[];
  readonly timing: BusTiming;
}

export class BusLine implements Line {
  readonly #parts: BusLineParts;
  readonly #plan: BusPlan;
  readonly #cutters: ReadonlyMap<string, FrameCutter>;
  readonly #port: LinePort;
  readonly #abort = new AbortController();
  readonly #inputs: BusInput[] = [];
  #state: BusState;
  #timer: Timer | undefined;
  #busy = false;

  constructor(parts: BusLineParts) {
    this.#parts = parts;
    this.#plan = { boards: parts.boards, timing: parts.timing };
    this.#state = initialBus(this.#plan);
    this.#cutters = new Map(
      parts.families.map((family) => [
        family.name,
        family.cutter(parts.boards.filter((board) => board.family === family.name)),
      ]),
    );
    this.#port = new LinePort(parts);
  }

  start(): void {
    this.#port.start({
      heard: (chunk) => this.#hear(chunk),
      opened: () => this.#feed({ kind: 'port_open' }),
      lost: () => this.#feed({ kind: 'port_lost' }),
    });
  }

  firstAttempt(): Promise<void> {
    return this.#port.firstAttempt();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('the line stops'));
    this.#timer?.cancel();
    await this.#port.close();
  }

  status(): LineStatus {
    return {
      ...this.#port.status(),
      cycleMs: Math.round(this.#state.lastCycleMs),
      devices: this.#parts.boards.map((board, index) => {
        const { state, reason, lastAnswerUpMs } = present(this.#state.boards[index], 'a polled board').health;
        const last = lastAnswerUpMs === undefined ? {} : { lastAnswerUpMs };
        return { name: board.device, driver: board.family, state, reason, ...last };
      }),
    };
  }

  #hear(chunk: Uint8Array): void {
    const cuts = this.#cutter().push(chunk);
    this.#port.counts.addCuts(cuts);
    this.#feed({ kind: 'cuts', sizeBytes: chunk.length, cuts });
  }

  /** Inputs that arise while an earlier one is performed wait for it. */
  #feed(input: BusInput): void {
    if (this.#abort.signal.aborted) return;
    this.#inputs.push(input);
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#step(next);
    this.#busy = false;
    this.#arm();
  }

  #step(input: BusInput): void {
    const at: Moment = { nowMs: this.#parts.scheduler.monotonicMs(), observed: this.#parts.observer.observe() };
    const { state, outputs } = busStep(this.#plan, this.#state, input, at);
    this.#state = state;
    for (const output of outputs) this.#perform(output, at);
  }

  #perform(output: BusOutput, at: Moment): void {
    switch (output.kind) {
      case 'send':
        this.#send(output.request);
        break;
      case 'flush': {
        const cuts = this.#cutter().flush();
        this.#port.counts.addCuts(cuts);
        this.#inputs.unshift({ kind: 'flushed', cuts });
        break;
      }
      case 'reading': {
        const { observed, askedUpMs, channels } = output;
        this.#parts.sink({ kind: 'board', device: this.#board(output.board).device, observed, askedUpMs, channels });
        break;
      }
      case 'device':
        this.#deviceChanged(this.#board(output.board), output.change, at);
        break;
      case 'count':
        if (output.what === 'timeouts' || output.what === 'echoes') this.#port.counts.add(output.what);
        else this.#parts.metrics.count(`bus_${output.what}`, 1, { port: this.#parts.port.name });
        break;
      case 'reopen':
        this.#parts.port.reopen(output.reason);
        break;
    }
  }

  #send(request: Uint8Array): void {
    // What another question or the time between left half cut belongs to no answer to this one.
    for (const cutter of this.#cutters.values()) this.#port.counts.addCuts(cutter.flush());
    this.#parts.port.write(request, this.#abort.signal).then(
      () => this.#feed({ kind: 'written' }),
      (error: unknown) => {
        this.#parts.logger.debug({ port: this.#parts.port.name, error: messageOf(error) }, 'a poll was not sent');
        this.#feed({ kind: 'write_failed' });
      },
    );
  }

  #deviceChanged(board: Board, change: HealthChange, at: Moment): void {
    const fields = { port: this.#parts.port.name, device: board.device, ...change };
    if (change.state === 'found') this.#parts.logger.info(fields, 'device changed');
    else this.#parts.logger.warn(fields, 'device changed');
    this.#parts.sink({ kind: 'device', device: board.device, observed: at.observed, ...change });
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { wakeAtMs } = this.#state;
    if (wakeAtMs === undefined) return;
    const delayMs = Math.max(0, wakeAtMs - this.#parts.scheduler.monotonicMs());
    this.#timer = this.#parts.scheduler.after(Math.ceil(delayMs), () => this.#feed({ kind: 'tick' }));
  }

  #board(index: number): Board {
    return present(this.#plan.boards[index], 'a board');
  }

  /** The cutter of the family that was asked last: families on one line do not share a frame. */
  #cutter(): FrameCutter {
    return present(this.#cutters.get(this.#board(this.#state.asked).family), 'a cutter');
  }
}
