/**
 * Each driver against its simulator on the bus, under every fault of the plan, while hands open and shut doors: what is
 * read twice alike, as custody demands, was so between the question and the answer.
 */
import { expect, test } from 'vitest';
import { LockerBank } from '../../../simulators/boards/bank.ts';
import type { BoardSettings } from '../../../simulators/boards/board.ts';
import { BoardBus } from '../../../simulators/boards/bus.ts';
import { diceOf } from '../../../simulators/dice.ts';
import { FaultCounts, LINE_FAULTS, type LineFault } from '../../../simulators/faults/kinds.ts';
import type { FaultSettings } from '../../../simulators/faults/plan.ts';
import type { Cable } from '../../../simulators/line/cable.ts';
import { FaultyLine } from '../../../simulators/line/faulty-line.ts';
import type { BoardReading } from '../../../src/edge/contracts/reading.ts';
import { type Debounced, debounce, interrupted, UNREAD } from '../../../src/edge/custody/debounce.ts';
import { BOARD_FAMILIES } from '../../../src/edge/drivers/families.ts';
import { BOARD_SUBJECTS } from '../../contract/board-subjects.ts';
import { type TestLine, testLine } from './support.ts';

const RUN_MS = 60_000;
const HEAL_MS = 20_000;
const STEP_MS = 4;
const LATE_MS = 900;
const SCAN_FAULTS: readonly LineFault[] = ['glued_scans', 'missing_suffix'];
/** A lock of Winnsen is asked by itself: fewer of them are asked as often as those of other boards. */
const CHANNELS_MAX = 8;

/** From when on a door was so. */
interface Turn {
  readonly atMs: number;
  readonly open: boolean;
}

class FaultySite {
  readonly bench: TestLine;
  readonly counts = new FaultCounts();
  readonly bank: LockerBank;
  readonly #turns = new Map<number, Turn[]>();
  readonly #seed: number;
  readonly #name: string;
  #faulty: FaultyLine;
  readonly #cable: Cable;
  readonly #channels: number;

  constructor(
    subject: (typeof BOARD_SUBJECTS)[number],
    seed: number,
    rates: FaultSettings['rates'],
    reports?: 0x81 | 0x85,
  ) {
    const { family, profile, simulated, habits } = subject;
    this.#seed = seed;
    this.#name = family.name;
    const whole = family.name === 'winnsen' ? CHANNELS_MAX : profile.channels;
    this.#channels = Math.min(CHANNELS_MAX, whole);
    const settings = { driver: family.name, name: 'b', ...profile, channels: whole };
    this.bench = testLine({
      devices: [settings] as never,
      poll: { cycle_ms: 300, reply_timeout_ms: 100, turnaround_ms: 10 },
    });
    const cells = Array.from({ length: this.#channels }, (_, i) => ({ name: `c${i + 1}`, board: 'b', channel: i + 1 }));
    this.bank = new LockerBank(cells);
    for (const { channel } of cells) this.#turns.set(channel, [{ atMs: 0, open: false }]);
    const board: BoardSettings = {
      name: 'b',
      address: profile.address,
      channels: whole,
      shutReads: 1,
      unwiredReads: 1,
      itemSensors: false,
      unlockReply: 'immediate',
      turnaroundMs: 4,
      ...habits,
      ...(reports === undefined ? {} : { reports }),
    };
    const { port, scheduler } = this.bench;
    const cable: Cable = {
      address: 'memory',
      plugged: true,
      send: (bytes) => {
        if (port.state === 'open') port.hear(bytes);
      },
      unplug: async () => port.become('lost', 'pulled out', 'PORT_UNAVAILABLE'),
      plug: async () => port.become('open'),
      close: async () => undefined,
    };
    this.#cable = cable;
    this.#faulty = this.#lineWith(rates);
    const bus = new BoardBus(
      { family: simulated, boards: [board], baud: 115_200 },
      { bank: this.bank, scheduler, counts: this.counts, emit: (emission) => this.#faulty.emit(emission) },
    );
    port.onWrite = (bytes) => bus.receive(bytes);
    this.bank.onChange((cell) => {
      this.#turns.get(cell.channel)?.push({ atMs: scheduler.monotonicMs(), open: cell.door === 'open' });
    });
  }

  /** Hands that open and shut some door every second or so. */
  async live(forMs: number): Promise<void> {
    const dice = diceOf(this.#seed, 'hands');
    for (let passed = 0; passed < forMs; ) {
      const pauseMs = 200 + dice.int(1_600);
      await this.bench.run(pauseMs, STEP_MS);
      passed += pauseMs;
      const name = `c${1 + dice.int(this.#channels)}`;
      if (this.bank.cell(name).door === 'open') this.bank.shut(name);
      else this.bank.open(name);
    }
  }

  calm(): void {
    this.#faulty.close();
    this.#faulty = this.#lineWith({});
    if (this.bench.port.state !== 'open') this.bench.port.become('open');
  }

  /** The door was so at some moment of this span. */
  wasSo(channel: number, open: boolean, fromMs: number, toMs: number): boolean {
    const turns = this.#turns.get(channel) ?? [];
    return turns.some((turn, index) => {
      const endMs = turns[index + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      return turn.open === open && turn.atMs <= toMs && endMs >= fromMs;
    });
  }

  #lineWith(rates: FaultSettings['rates']): FaultyLine {
    const settings = { seed: this.#seed, rates, exactly: [], lateMs: LATE_MS, unplugMs: 300 };
    return new FaultyLine({
      name: this.#name,
      cable: this.#cable,
      settings,
      counts: this.counts,
      scheduler: this.bench.scheduler,
    });
  }
}

interface Judged {
  readonly readings: number;
  readonly facts: number;
  /** Sound answers that were not true: what weak check values let through once, and two equal reads must stop. */
  readonly wrong: number;
}

/** Facts as custody takes them: two equal reads, with nothing lost in between. */
function judge(site: FaultySite, what: string): Judged {
  const doors = new Map<number, Debounced>();
  let facts = 0;
  let wrong = 0;
  const readings: BoardReading[] = [];
  for (const reading of site.bench.readings) {
    if (reading.kind === 'device' && reading.state !== 'found') {
      for (const [channel, door] of doors) doors.set(channel, interrupted(door));
    }
    if (reading.kind !== 'board') continue;
    readings.push(reading);
    const { observed, askedUpMs = 0 } = reading;
    for (const { channel, feedback } of reading.channels) {
      if (channel > CHANNELS_MAX) continue;
      const open = feedback === 0;
      // Clocks are read in whole milliseconds, and time is turned in steps.
      if (!site.wasSo(channel, open, askedUpMs - STEP_MS, observed.upMs + STEP_MS)) wrong += 1;
      const read = { value: open, boot: 1, askedMs: askedUpMs, atMs: observed.upMs };
      const { state, change } = debounce(doors.get(channel) ?? UNREAD, read);
      doors.set(channel, state);
      if (change === undefined) continue;
      facts += 1;
      const { from_ms: fromMs = 0, to_ms: toMs = observed.upMs } = change.seen ?? {};
      const isTrue = site.wasSo(
        channel,
        open,
        Math.min(fromMs, askedUpMs) - STEP_MS,
        Math.max(toMs, observed.upMs) + STEP_MS,
      );
      expect(isTrue, `${what}: door ${channel} ${open ? 'open' : 'shut'} at ${observed.upMs}`).toBe(true);
    }
  }
  return { readings: readings.length, facts, wrong };
}

const all = (rate: number): FaultSettings['rates'] =>
  Object.fromEntries(
    LINE_FAULTS.map((fault) => [fault, SCAN_FAULTS.includes(fault) ? 0 : fault === 'unplug' ? rate / 4 : rate]),
  );

test('a damaged, echoed, stale or ambiguous answer of any board never becomes a custody fact', async () => {
  const seen = new FaultCounts();
  let wrong = 0;
  const facts = new Map<string, number>();
  for (const family of BOARD_FAMILIES) {
    const subject = BOARD_SUBJECTS.find((one) => one.family === family);
    if (subject === undefined) throw new Error(`no subject for ${family.name}`);
    for (const [seed, rates] of [all(0.06), all(0.015), { ...all(0.03), echo: 1 }].entries()) {
      const reports = family.name === 'xor_8a80' ? 0x81 : family.name === 'wkly' ? 0x85 : undefined;
      const site = new FaultySite(subject, 11 + seed, rates, reports);
      site.bench.port.become('open');
      await site.live(RUN_MS);
      site.calm();
      await site.bench.run(HEAL_MS, STEP_MS);
      const what = `${subject.title}, seed ${seed}`;
      const before = site.bench.boards().length;
      await site.bench.run(2_000, STEP_MS);
      expect(site.bench.boards().length - before, `${what} heals`).toBeGreaterThan(4);
      const judged = judge(site, what);
      facts.set(family.name, (facts.get(family.name) ?? 0) + judged.facts);
      wrong += judged.wrong;
      for (const [kind, times] of Object.entries(site.counts.snapshot())) seen.add(kind as LineFault, times);
    }
  }
  for (const fault of LINE_FAULTS) {
    if (!SCAN_FAULTS.includes(fault)) expect(seen.of(fault), fault).toBeGreaterThan(5);
  }
  for (const { name } of BOARD_FAMILIES) expect(facts.get(name), name).toBeGreaterThan(5 * CHANNELS_MAX);
  // Weak check values do let a few through; that is what the second read is for.
  expect(wrong).toBeLessThan(20);
});
