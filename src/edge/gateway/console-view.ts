/** The gateway as its console shows it: a pure mapping of the status and of what was remembered. */
import type { ClockClaim } from '../../evidence/event/event.ts';
import type { CompartmentView, ConsoleView, DeviceView, Finding, LineView } from '../contracts/console-view.ts';
import { inWords } from '../contracts/plain-words.ts';
import type { DeviceStatus, LineStatus } from '../drivers/line.ts';
import type { CommissionedRow } from './commission/commissioning.ts';
import type { ConsoleMemory } from './console-memory.ts';
import { finding } from './findings.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayStatus } from './status.ts';

export interface ConsoleViewParts {
  readonly settings: Pick<GatewaySettings, 'custody' | 'mqtt' | 'journal'>;
  readonly status: GatewayStatus;
  readonly findings: readonly Finding[];
  readonly memory: Pick<ConsoleMemory, 'quality' | 'lastEvent' | 'lastRef' | 'forced' | 'grams' | 'lastScan'>;
  readonly commissioned: readonly CommissionedRow[];
  readonly windows: ConsoleView['windows'];
  readonly freeBytes: number | undefined;
  /** RFC 3339. */
  readonly at: string;
  /** Of the clock on which the memory counts. */
  readonly nowMs: number;
}

export function consoleView(parts: ConsoleViewParts): ConsoleView {
  const { status, findings, windows, at } = parts;
  return {
    gateway: status.gateway,
    version: status.version,
    at,
    upMs: status.up_ms,
    clock: clockView(status.clock),
    assurance: status.assurance,
    healthy: status.healthy,
    findings: [...forcedFindings(parts), ...findings],
    compartments: compartmentViews(parts),
    lines: status.lines.map((line) => lineView(line, parts)),
    log: logView(status),
    broker: brokerView(parts),
    disk: diskView(parts),
    ...(status.tpm !== undefined && { tpm: tpmView(status.tpm) }),
    opening: openingView(status),
    windows,
  };
}

function clockView({ src, err_ms: errMs }: ClockClaim): ConsoleView['clock'] {
  return errMs === undefined ? { src } : { src, errMs };
}

function compartmentViews(parts: ConsoleViewParts): readonly CompartmentView[] {
  const { status, settings, memory, commissioned, windows, nowMs } = parts;
  const seen = new Map(status.custody.compartments.map((each) => [each.name, each]));
  const rows = new Map(commissioned.map((row) => [row.compartment, row]));
  const devices = new Map(
    status.lines.flatMap((line) => line.devices.map((device) => [device.name, { line, device }])),
  );
  return settings.custody.compartments.map(({ name, device, channel, polarity, scale }) => {
    const now = seen.get(name);
    const last = memory.lastEvent(name);
    const lastRef = memory.lastRef(name);
    const grams = scale === undefined ? undefined : memory.grams(scale);
    const door = now?.door ?? 'unknown';
    const why =
      now?.distrusted === true
        ? CONTRADICTED
        : doorWhy(door, polarity !== undefined, now?.unread === true, devices.get(device));
    return {
      name,
      device,
      channel,
      door,
      ...(why !== undefined && { doorWhy: why }),
      ...(now?.occupied !== undefined && { occupied: now.occupied }),
      held: now?.held ?? 0,
      visited: now?.visited ?? false,
      commissioned: rows.get(name)?.at !== undefined,
      maintenance: windows.some(({ compartments }) => compartments.length === 0 || compartments.includes(name)),
      ...(grams !== undefined && { grams }),
      ...(lastRef !== undefined && { lastRef }),
      ...(last !== undefined && { lastEvent: { type: last.type, n: last.n, agoMs: ago(nowMs, last.atMs) } }),
    };
  });
}

/** A door that opened and nobody had asked for it: while it stands open, and then until somebody has looked and counted. */
function forcedFindings({ status, memory, nowMs }: ConsoleViewParts): readonly Finding[] {
  return status.custody.compartments.flatMap(({ name, door }) => {
    const forced = memory.forced(name);
    if (forced === undefined) return [];
    const when = forced.atMs === undefined ? 'before this start' : agoWords(ago(nowMs, forced.atMs));
    return door === 'shut'
      ? [finding('door_was_forced', `the door of ${name} was forced ${when}, and is shut again`, name)]
      : [finding('door_forced', `the door of ${name} was forced ${when}, and is not seen shut since`, name)];
  });
}

function agoWords(agoMs: number): string {
  const minutes = Math.floor(agoMs / 60_000);
  return minutes === 0 ? 'less than a minute ago' : `${minutes} min ago`;
}

interface Place {
  readonly line: LineStatus;
  readonly device: DeviceStatus;
}

const CONTRADICTED = 'its walk and its settings contradict each other: correct its polarity, or commission it again';

/** Why a door is unknown, or how far what was seen last can be trusted. */
function doorWhy(
  door: CompartmentView['door'],
  hasPolarity: boolean,
  isUnread: boolean,
  place: Place | undefined,
): string | undefined {
  if (!hasPolarity) return 'nobody has said what its contact means: commission it';
  if (isUnread) return 'its board cannot read this lock: seen last';
  if (place === undefined) return 'its board is not there';
  const { line, device } = place;
  const seen = door === 'unknown' ? '' : ': seen last';
  if (line.state !== 'open') return `port ${line.port} is ${line.state}${seen}`;
  if (device.state !== 'found') return `${device.name} is ${device.state}: ${inWords(device.reason)}${seen}`;
  return door === 'unknown' ? 'not seen twice alike yet' : undefined;
}

function lineView(line: LineStatus, { memory, nowMs, status }: ConsoleViewParts): LineView {
  const { port, state, reason, cycleMs, unseenMaxMs } = line;
  return {
    port,
    state,
    reason,
    ...(cycleMs !== undefined && { cycleMs }),
    ...(unseenMaxMs !== undefined && { unseenMaxMs }),
    devices: line.devices.map((device) => deviceView(device, status.up_ms, nowMs, memory)),
    quality: memory.quality(port).map(({ atMs, answered, cycleMs: cycle }) => ({
      agoMs: ago(nowMs, atMs),
      answered: Math.round(answered * 1_000) / 1_000,
      ...(cycle !== undefined && { cycleMs: Math.round(cycle) }),
    })),
  };
}

function deviceView(
  device: DeviceStatus,
  upMs: number,
  nowMs: number,
  memory: Pick<ConsoleMemory, 'lastScan'>,
): DeviceView {
  const { name, driver, state, reason, remedy, lastAnswerUpMs, polls } = device;
  const scan = memory.lastScan(name);
  return {
    name,
    driver,
    state,
    reason,
    ...(remedy !== undefined && { remedy }),
    ...(lastAnswerUpMs !== undefined && { lastAnswerAgoMs: ago(upMs, lastAnswerUpMs) }),
    ...(polls !== undefined && {
      polls: { asked: polls.asked, answered: polls.answered, silent: polls.silent, damaged: polls.damaged },
    }),
    ...(scan !== undefined && { lastScan: { text: scan.text, agoMs: ago(nowMs, scan.atMs) } }),
  };
}

function logView({ log, journal, tpm }: GatewayStatus): ConsoleView['log'] {
  const signed = journal.logs.find(({ origin }) => origin === log.origin)?.noteSize ?? 0;
  const anchored = tpm === undefined ? undefined : Math.min(tpm.anchors.lastSize ?? 0, log.entries);
  return { ...log, signed, ...(anchored !== undefined && { anchored }) };
}

function brokerView({ status, settings }: ConsoleViewParts): ConsoleView['broker'] {
  const { connected, phase, waiting, unsendable, receiptAgeMs, alarms } = status.uplink;
  const age = receiptAgeMs === undefined ? {} : { receiptAgeMs: Math.round(receiptAgeMs) };
  return { url: addressOf(settings.mqtt.url), connected, phase, waiting, unsendable, ...age, alarms };
}

/** Nobody should write a password there; whoever did does not see it here. */
function addressOf(text: string): string {
  if (!URL.canParse(text)) return '';
  const url = new URL(text);
  return `${url.protocol}//${url.host}`;
}

function diskView({ status, settings, freeBytes }: ConsoleViewParts): ConsoleView['disk'] {
  const used = status.metrics.find(({ name }) => name === 'journal_used_bytes')?.value;
  return {
    room: status.journal.room,
    ...(freeBytes !== undefined && { freeBytes }),
    ...(used !== undefined && { journalBytes: used }),
    budgetBytes: settings.journal.sizeMaxBytes,
    atRiskEvents: status.journal.waiting,
    atRiskMs: settings.journal.groupCommitMs,
  };
}

function tpmView({ target, anchors }: NonNullable<GatewayStatus['tpm']>): NonNullable<ConsoleView['tpm']> {
  const { state, reason, counter, made, lastAgoMs, lifeYears, lifeYearsAtLeast } = anchors;
  return {
    target,
    state,
    ...(reason !== undefined && { reason }),
    ...(counter !== undefined && { counter }),
    anchors: made,
    ...(lastAgoMs !== undefined && { lastAgoMs: Math.round(lastAgoMs) }),
    ...(lifeYears !== undefined && { lifeYears }),
    lifeYearsAtLeast,
  };
}

function openingView({ opening: { doors } }: GatewayStatus): ConsoleView['opening'] {
  const { stopped, opening, open, openMax } = doors;
  return { ...(stopped !== undefined && { stopped }), opening, open, openMax };
}

function ago(nowMs: number, thenMs: number): number {
  return Math.max(0, Math.round(nowMs - thenMs));
}
