/**
 * Commissioning in the running gateway: one walk at a time, on what the boards report, and its signed record.
 *
 * Opens nothing: a technician moves the door by hand or key, or lets it be opened in another way that the journal knows.
 * What was seen is recorded only when the channel that moved is the one that the settings name.
 */
import type { Scheduler } from '../../../base/clock.ts';
import { wallText } from '../../../base/clock.ts';
import { LatchkeyError } from '../../../base/errors.ts';
import type { Appender } from '../../contracts/appender.ts';
import type { Finding } from '../../contracts/console-view.ts';
import type { Observer } from '../../contracts/observed.ts';
import type { Reading, ReadingSink } from '../../contracts/reading.ts';
import type { GatewaySettings } from '../settings.ts';
import { contradicted, contradictions, formatRecords, type Polarity, parseRecords, type Records } from './record.ts';
import {
  beginWalk,
  keyOf,
  type Mate,
  stepWalk,
  type WalkFailure,
  type WalkInput,
  type WalkState,
  type Wire,
} from './walk.ts';

const TICK_MS = 250;
/** The command line hears from us so often, or believes that we are gone. */
const ALIVE_EVERY_MS = 5_000;
const RECORD_LIMIT_MS = 10_000;
const STATE_NAME = 'commissioned';

export interface CommissioningParts {
  readonly compartments: GatewaySettings['custody']['compartments'];
  /** What kind of board it is: doors of one kind are wired alike. */
  readonly driverOf: (device: string) => string | undefined;
  readonly journal: {
    readonly appender: Pick<Appender, 'append' | 'flush'>;
    loadState(name: string): string | undefined;
    saveState(name: string, text: string): void;
  };
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  /** Doors of which settings and walk say the opposite: at the start, and after each walk that was recorded. */
  readonly onContradicted?: (names: ReadonlySet<string>) => void;
}

export interface CommissionAsk {
  readonly compartment: string;
  /** For each of the two moves. */
  readonly moveLimitMs: number;
  /** Record it although it reads otherwise than its neighbours, shut as they all are. */
  readonly acceptUnlike: boolean;
}

export type CommissionVerdict =
  | 'commissioned'
  /** Another channel moved than the settings name; nothing was recorded. */
  | 'other_channel'
  /** Its polarity is not that of the other doors of its board, or kind: perhaps it stood open at the beginning. Not recorded. */
  | 'unlike_neighbours'
  | WalkFailure;

export interface CommissionAnswer {
  readonly compartment: string;
  readonly verdict: CommissionVerdict;
  readonly expected: Wire;
  readonly found?: Wire;
  /** The compartment that the settings have at `found`. */
  readonly foundIs?: string;
  readonly polarity?: Polarity;
  readonly reads?: readonly number[];
  readonly itemSensor?: boolean;
  /** What moved, when it was not one channel. */
  readonly moved?: readonly Wire[];
  /** The settings say another polarity: they must be corrected. */
  readonly contradictsSettings?: boolean;
}

export interface CommissionedRow {
  readonly compartment: string;
  readonly device: string;
  readonly channel: number;
  readonly polarity?: Polarity;
  /** When it was commissioned on this device and channel; absent when it was not. */
  readonly at?: string;
}

export class Commissioning {
  readonly #parts: CommissioningParts;
  #records: Records;
  #hear: ((input: WalkInput) => void) | undefined;

  constructor(parts: CommissioningParts) {
    this.#parts = parts;
    this.#records = parseRecords(parts.journal.loadState(STATE_NAME)) ?? {};
    this.#tellContradicted();
  }

  /** Readings pass through; while a walk runs they are looked at. */
  tapping(sink: ReadingSink): ReadingSink {
    return (reading) => {
      sink(reading);
      const input = inputOf(reading);
      if (input !== undefined) this.#hear?.(input);
    };
  }

  findings(): readonly Finding[] {
    return contradictions(this.#parts.compartments, this.#records);
  }

  rows(): readonly CommissionedRow[] {
    return this.#parts.compartments.map(({ name, device, channel, polarity }) => {
      const seen = this.#records[name];
      const isSame = seen !== undefined && seen.device === device && seen.channel === channel;
      return {
        compartment: name,
        device,
        channel,
        ...(polarity !== undefined && { polarity }),
        ...(isSame && { polarity: seen.polarity, at: seen.at }),
      };
    });
  }

  /**
   * Walks one door. `told` is called at each step, and every few seconds. Rejects with USAGE for an unknown compartment and
   * while another walk runs, with TIMED_OUT when `signal` fires, and with the journal's error when it records nothing.
   */
  async walk(ask: CommissionAsk, told: (step: string) => void, signal: AbortSignal): Promise<CommissionAnswer> {
    const place = this.#parts.compartments.find(({ name }) => name === ask.compartment);
    if (place === undefined)
      throw new LatchkeyError('USAGE', `no compartment is named ${JSON.stringify(ask.compartment)}`);
    if (this.#hear !== undefined) throw new LatchkeyError('USAGE', 'another door is being commissioned: one at a time');
    const expected = { device: place.device, channel: place.channel };
    const mates = this.#matesOf(place.name, place.device, ask.acceptUnlike);
    const state = await this.#run(beginWalk(expected, ask.moveLimitMs, this.#nowMs(), mates), told, signal);
    const base = { compartment: place.name, expected };
    const { result } = state;
    if (result?.kind !== 'seen') {
      return { ...base, verdict: result?.reason ?? 'board_away', moved: result?.moved ?? [] };
    }
    const polarity: Polarity = result.reads[0] === 1 ? 'closed_is_1' : 'closed_is_0';
    const itemSensor = result.hasItemSensor;
    const found = { ...base, found: result.wire, polarity, reads: result.reads, itemSensor };
    if (keyOf(result.wire) !== keyOf(expected)) {
      const other = this.#parts.compartments.find((each) => keyOf(each) === keyOf(result.wire));
      return { ...found, verdict: 'other_channel', ...(other !== undefined && { foundIs: other.name }) };
    }
    if (!ask.acceptUnlike && this.#isUnlike(place.name, expected.device, polarity)) {
      return { ...found, verdict: 'unlike_neighbours' };
    }
    await this.#record(place.name, expected, polarity, result.reads, itemSensor);
    const contradicts = place.polarity !== polarity;
    return { ...found, verdict: 'commissioned', ...(contradicts && { contradictsSettings: true }) };
  }

  #run(first: WalkState, told: (step: string) => void, signal: AbortSignal): Promise<WalkState> {
    return new Promise((resolve, reject) => {
      let state = first;
      let toldAtMs = Number.NEGATIVE_INFINITY;
      let timer = this.#parts.scheduler.after(TICK_MS, () => tick());
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', stopped);
        this.#hear = undefined;
      };
      const stopped = (): void => {
        end();
        reject(new LatchkeyError('TIMED_OUT', 'the commissioning was broken off; nothing was recorded'));
      };
      const step = (input: WalkInput): void => {
        const before = state.step;
        const nowMs = this.#nowMs();
        state = stepWalk(state, input, nowMs);
        if (state.result !== undefined) {
          end();
          resolve(state);
        } else if (state.step !== before || nowMs - toldAtMs >= ALIVE_EVERY_MS) {
          toldAtMs = nowMs;
          told(state.step);
        }
      };
      const tick = (): void => {
        timer = this.#parts.scheduler.after(TICK_MS, () => tick());
        step({ kind: 'tick' });
      };
      this.#hear = step;
      signal.addEventListener('abort', stopped, { once: true });
      if (signal.aborted) stopped();
    });
  }

  /** The other doors of the board, as far as it is known what they should read. */
  #matesOf(name: string, device: string, acceptUnlike: boolean): readonly Mate[] {
    const others = this.#parts.compartments.filter((each) => each.name !== name && each.device === device);
    return others.flatMap(({ name: other, channel }): readonly Mate[] => {
      const record = this.#records[other];
      const wire = { device, channel };
      if (record?.device === device && record.channel === channel)
        return [{ wire, shutReads: record.polarity === 'closed_is_1' ? 1 : 0 }];
      return acceptUnlike ? [] : [{ wire }];
    });
  }

  /** Every other door that was commissioned on this board, or else on those of its kind, reads the other way round. */
  #isUnlike(name: string, device: string, polarity: Polarity): boolean {
    const { driverOf } = this.#parts;
    const others = Object.entries(this.#records).flatMap(([other, each]) => (other === name ? [] : [each]));
    const here = others.filter((each) => each.device === device);
    const alike = here.length > 0 ? here : others.filter((each) => driverOf(each.device) === driverOf(device));
    return alike.length > 0 && alike.every((each) => each.polarity !== polarity);
  }

  async #record(
    name: string,
    { device, channel }: Wire,
    polarity: Polarity,
    reads: readonly number[],
    item_sensor: boolean,
  ): Promise<void> {
    const { journal, observer } = this.#parts;
    const observed = observer.observe();
    const next = { ...this.#records, [name]: { device, channel, polarity, at: wallText(observed.wallMs) } };
    const data = { channel, item_sensor, polarity, reads: [...reads] };
    const body = { compartment: name, data, device, type: 'device.commissioned' };
    if (journal.appender.append({ observed, body, urgent: true }) === 'refused') {
      throw new LatchkeyError('JOURNAL_FULL', `the journal takes nothing now: ${name} is not recorded`);
    }
    journal.saveState(STATE_NAME, formatRecords(next));
    this.#records = next;
    this.#tellContradicted();
    await journal.appender.flush(AbortSignal.timeout(RECORD_LIMIT_MS));
  }

  #tellContradicted(): void {
    const { compartments, onContradicted } = this.#parts;
    onContradicted?.(contradicted(compartments, this.#records));
  }

  #nowMs(): number {
    return this.#parts.scheduler.monotonicMs();
  }
}

function inputOf(reading: Reading): WalkInput | undefined {
  if (reading.kind === 'board') return { kind: 'board', device: reading.device, channels: reading.channels };
  if (reading.kind === 'device' && reading.state !== 'found') return { kind: 'away', device: reading.device };
  return undefined;
}
