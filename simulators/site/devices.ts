/**
 * Builds the devices of a site from its settings: line by line, cable, faults and what hangs on it.
 */
import { join } from 'node:path';
import type { Scheduler } from '../../src/base/clock.ts';
import type { CompartmentSettings, LockerBank } from '../boards/bank.ts';
import type { BoardSettings } from '../boards/board.ts';
import { BoardBus } from '../boards/bus.ts';
import { BOARD_FAMILIES } from '../boards/families.ts';
import { FaultCounts } from '../faults/kinds.ts';
import { type FaultSettings, NO_FAULTS } from '../faults/plan.ts';
import type { InstrumentParts } from '../instrument.ts';
import { Keypad } from '../keypad/keypad.ts';
import type { Cable, CableListener } from '../line/cable.ts';
import { FaultyLine } from '../line/faulty-line.ts';
import { openPtyCable } from '../line/pty-cable.ts';
import { openTcpCable } from '../line/tcp-cable.ts';
import { Receiver } from '../position/receiver.ts';
import { Scale } from '../scales/scale.ts';
import { SsiScanner } from '../scanners/ssi-scanner.ts';
import type { ScannerSettings } from '../scanners/text-scanner.ts';
import type { LineSettings, SiteSettings } from './settings.ts';

export interface SiteLine {
  readonly name: string;
  readonly kind: 'pty' | 'tcp';
  readonly cable: Cable;
  readonly faulty: FaultyLine;
  readonly counts: FaultCounts;
  /** Of the one with boards on it: a bus for each family, all on this cable. */
  readonly buses?: readonly BoardBus[];
  /** The one with a scanner on it. */
  readonly scanner?: ScannerSettings;
  /** The one with a keypad on it. */
  readonly keypad?: Keypad;
  /** The one with an SSI scanner, a scale or a receiver on it. */
  readonly instrument?: SsiScanner | Scale | Receiver;
}

export interface DeviceParts {
  readonly site: SiteSettings;
  readonly linksDir: string;
  readonly bank: LockerBank;
  readonly scheduler: Scheduler;
}

export async function openLine(line: LineSettings, parts: DeviceParts): Promise<SiteLine> {
  let heard: CableListener = () => undefined;
  const cable = await openCable(line, parts.linksDir, (chunk) => {
    if (faulty.powered) heard(chunk);
  });
  const counts = new FaultCounts();
  const settings = faultSettings(line, parts.site.seed);
  const faulty: FaultyLine = new FaultyLine({
    name: line.name,
    cable,
    settings,
    counts,
    scheduler: parts.scheduler,
  });
  const common = { name: line.name, kind: line.tcp === undefined ? 'pty' : 'tcp', cable, faulty, counts } as const;
  if (line.scanner !== undefined) {
    const { no_read: noRead, ...rest } = line.scanner;
    return { ...common, scanner: { name: line.name, ...rest, ...(noRead === undefined ? {} : { noRead }) } };
  }
  if (line.keypad !== undefined) {
    const keypad = new Keypad(line.keypad);
    heard = (chunk) => keypad.receive(chunk);
    return { ...common, keypad };
  }
  const instrument = instrumentOf(line, { scheduler: parts.scheduler, counts, emit: (said) => faulty.emit(said) });
  if (instrument !== undefined) {
    heard = (chunk) => instrument.receive(chunk);
    return { ...common, instrument };
  }
  const buses = busesOf(line, parts, common);
  heard = (chunk) => {
    for (const bus of buses) bus.receive(chunk);
  };
  return { ...common, buses };
}

/**
 * Boards of another family hear a question as noise, as real ones do. Answers of two families that overlap follow each
 * other; within one they collide.
 */
function busesOf(
  line: LineSettings,
  { bank, scheduler }: DeviceParts,
  { counts, faulty }: Pick<SiteLine, 'counts' | 'faulty'>,
): readonly BoardBus[] {
  const boards = line.boards ?? [];
  const familyOf = (board: (typeof boards)[number]): FamilyName => board.family ?? line.family ?? 'xor_8a80';
  const families = [...new Set(boards.map(familyOf))];
  const baud = line.baud ?? BOARD_FAMILIES[line.family ?? families[0] ?? 'xor_8a80'].defaultBaud;
  return families.map((name) => {
    const own = boards.filter((board) => familyOf(board) === name).map(boardSettings);
    const settings = { family: BOARD_FAMILIES[name], boards: own, baud };
    return new BoardBus(settings, { bank, scheduler, counts, emit: (emission) => faulty.emit(emission) });
  });
}

type FamilyName = keyof typeof BOARD_FAMILIES;

function instrumentOf(line: LineSettings, parts: InstrumentParts): SsiScanner | Scale | Receiver | undefined {
  if (line.ssi !== undefined) return new SsiScanner(line.ssi, parts);
  if (line.scale !== undefined) {
    const { capacity_g: capacityG, settle_ms: settleMs, every_ms: everyMs, ...rest } = line.scale;
    return new Scale({ ...rest, capacityG, settleMs, everyMs }, parts);
  }
  if (line.position === undefined) return undefined;
  const { talker, every_ms: everyMs, lat, lon } = line.position;
  const receiver = new Receiver({ talker, everyMs }, parts);
  if (lat !== undefined && lon !== undefined) receiver.move({ lat, lon });
  return receiver;
}

/** Every channel of every board, unless the site names its compartments. */
export function compartmentsOf(site: SiteSettings): readonly CompartmentSettings[] {
  if (site.compartments !== undefined) return site.compartments;
  const boards = site.lines.flatMap((line) => line.boards ?? []);
  return boards.flatMap(({ name, channels }) =>
    Array.from({ length: channels }, (_, i) => ({ name: `${name}.${i + 1}`, board: name, channel: i + 1 })),
  );
}

function openCable(line: LineSettings, linksDir: string, listener: CableListener): Promise<Cable> {
  if (line.tcp === undefined) return openPtyCable(join(linksDir, line.pty?.link ?? line.name), listener);
  return openTcpCable({ port: line.tcp.port, clientsMax: line.tcp.clients_max }, listener);
}

function faultSettings(line: LineSettings, seed: number): FaultSettings {
  if (line.faults === undefined) return { ...NO_FAULTS, seed };
  const { rates, exactly, late_ms: lateMs, unplug_ms: unplugMs } = line.faults;
  const chosen = Object.fromEntries(Object.entries(rates).filter(([, rate]) => rate !== undefined));
  return { seed, rates: chosen, exactly, lateMs, unplugMs };
}

function boardSettings(board: NonNullable<LineSettings['boards']>[number]): BoardSettings {
  return {
    name: board.name,
    address: board.address,
    channels: board.channels,
    shutReads: board.shut_reads,
    unwiredReads: board.unwired_reads,
    itemSensors: board.item_sensors,
    unlockReply: board.unlock_reply,
    turnaroundMs: board.turnaround_ms,
    ...habits(board),
  };
}

/** What only some families know. */
function habits(board: NonNullable<LineSettings['boards']>[number]): Partial<BoardSettings> {
  const { reports, busy_ms: busyMs, layout, unlock_value: unlockValue, relay, reply_header: replyHeader } = board;
  const given = Object.entries({ reports, busyMs, layout, unlockValue, relay, replyHeader });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}
