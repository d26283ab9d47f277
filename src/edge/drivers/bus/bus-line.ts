/**
 * A line of lock boards: the port, the cutters and the one timer around the bus master.
 */
import { present } from '../../../base/assert.ts';
import type { Timer } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { BoardCounts } from '../../contracts/reading.ts';
import type { Board, BoardFamily } from '../board-family.ts';
import type { FrameCutter } from '../frame-cutter.ts';
import type { DeviceStatus, Line, LineParts, LineStatus, UnlockAnswer } from '../line.ts';
import { LinePort } from '../line-port.ts';
import { remedyFor } from '../remedies.ts';
import type { HealthChange } from './board-health.ts';
import { worstUnseenMs } from './board-rates.ts';
import { busStep } from './bus-session.ts';
import {
  type BusCount,
  type BusInput,
  type BusOutput,
  type BusPlan,
  type BusState,
  initialBus,
  type Moment,
} from './bus-state.ts';
import { unlockHoldMs, unseenMaxMs } from './observation.ts';
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
  readonly #unlocks = new Map<number, (answer: UnlockAnswer) => void>();
  #tickets = 0;
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
    this.#port = new LinePort(parts, () => this.#boardCounts());
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
    this.#feed({ kind: 'stop' });
    this.#abort.abort(new Error('the line stops'));
    this.#timer?.cancel();
    await this.#port.close();
  }

  async unlock(device: string, channel: number, signal: AbortSignal): Promise<UnlockAnswer> {
    const board = this.#plan.boards.findIndex((each) => each.device === device);
    const found = this.#plan.boards[board];
    if (found === undefined) return { kind: 'not_sent', reason: 'unknown_device' };
    if (found.unlock === undefined) return { kind: 'not_sent', reason: 'no_locks' };
    const isChannel = Number.isInteger(channel) && channel >= 1 && channel <= found.channels;
    if (!isChannel) return { kind: 'not_sent', reason: 'unknown_channel' };
    if (signal.aborted || this.#abort.signal.aborted) return { kind: 'not_sent', reason: 'stopped' };
    this.#tickets += 1;
    const ticket = this.#tickets;
    const cancel = (): void => this.#feed({ kind: 'cancel_unlock', ticket });
    const answered = new Promise<UnlockAnswer>((resolve) => this.#unlocks.set(ticket, resolve));
    signal.addEventListener('abort', cancel, { once: true });
    this.#feed({ kind: 'unlock', order: { ticket, board, channel } });
    const answer = await answered;
    signal.removeEventListener('abort', cancel);
    this.#parts.logger.info({ port: this.#parts.port.name, device, channel, ...answer }, 'an unlock ended');
    return answer;
  }

  status(): LineStatus {
    const { boards, timing } = this.#plan;
    return {
      ...this.#port.status(),
      cycleMs: Math.round(this.#state.lastCycleMs),
      unseenMaxMs: unseenMaxMs(boards, timing),
      unlockHoldMs: unlockHoldMs(boards, timing),
      devices: boards.map((board, index) => this.#deviceStatus(board, index)),
    };
  }

  #deviceStatus(board: Board, index: number): DeviceStatus {
    const { health, rates } = present(this.#state.boards[index], 'a polled board');
    const { state, reason, lastAnswerUpMs } = health;
    const remedy = state === 'lost' || state === 'faulted' ? remedyFor(reason) : undefined;
    const { recentFailures, unseen: _, ...counts } = rates;
    return {
      name: board.device,
      driver: board.family,
      state,
      reason,
      ...(lastAnswerUpMs !== undefined && { lastAnswerUpMs }),
      ...(remedy !== undefined && { remedy }),
      polls: {
        ...counts,
        recentFailuresPercent: Math.round(100 * recentFailures),
        unseenWorstMs: Math.round(worstUnseenMs(rates)),
      },
    };
  }

  /** For the line's own reading: who of the boards is the trouble. */
  #boardCounts(): readonly BoardCounts[] {
    return this.#plan.boards.map(({ device }, index) => {
      const { asked, answered, silent, damaged, doubles } = present(this.#state.boards[index], 'a polled board').rates;
      return { device, asked, answered, silent, damaged, doubles };
    });
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
    if (!this.#abort.signal.aborted) this.#arm();
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
      case 'send_unlock':
        this.#send(output.frame);
        break;
      case 'unlock_end':
        this.#unlocks.get(output.ticket)?.(output.answer);
        this.#unlocks.delete(output.ticket);
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
        if (isLineCount(output.what)) this.#port.counts.add(output.what);
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
        this.#parts.logger.debug({ port: this.#parts.port.name, error: messageOf(error) }, 'a frame was not sent');
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

/** Those that the line's own reading tells. */
function isLineCount(what: BusCount): what is 'timeouts' | 'echoes' | 'unasked' | 'foreign' {
  return what === 'timeouts' || what === 'echoes' || what === 'unasked' || what === 'foreign';
}
