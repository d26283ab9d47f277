/**
 * The gateway put together: devices to custody to journal to uplink. The only edge room that knows all the others.
 *
 * Order of the start: the journal opens and says so, the start is durable, then devices are read, then the uplink
 * speaks. The stop goes the other way, and waits, bounded, until the last entry is receipted.
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { orAborted, withTimeout } from '../../base/abort.ts';
import { base64url } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MemoryMetrics } from '../../base/metrics.ts';
import { readTime } from '../../base/wall-time.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { createMqttConnection } from '../../platform/mqtt/client.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { type ClockSource, createClockSource } from '../clock/clock-source.ts';
import { type ClockStep, type ClockWatch, createClockWatch } from '../clock/clock-watch.ts';
import { createObserver } from '../clock/observer.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReadingSink } from '../contracts/reading.ts';
import type { Line } from '../drivers/line.ts';
import type { Journal } from '../journal/journal.ts';
import { createUplink, type Uplink, uplinkWill } from '../uplink/uplink.ts';
import { type AccessKeeper, expectationVerbs, openAccess } from './access-keeper.ts';
import { AliveFacts } from './alive-facts.ts';
import { Commissioning } from './commission/commissioning.ts';
import type { ConsoleMemory } from './console-memory.ts';
import { openMemory } from './console-recall.ts';
import { type CustodyKeeper, startCustody } from './custody-keeper.ts';
import { type GatewayKeys, openKeys } from './gateway-keys.ts';
import { Life } from './life.ts';
import { createLines, unseenMaxMs } from './lines.ts';
import { openGatewayJournal } from './open-journal.ts';
import { type Opening, type OpeningParts, startOpening } from './opening.ts';
import { successorDuty, tellOwnEnrolment } from './own-enrolment.ts';
import { openPhotos, type Photos } from './photos.ts';
import type { GatewaySettings } from './settings.ts';
import type { SuccessorDuty, TellingStatus } from './successor-duty.ts';
import { TpmDuty, type TpmStatus } from './tpm-duty.ts';
import { tpmLogin } from './tpm-login.ts';
import { clockSteppedData, openedData } from './words.ts';

const FLUSH_LIMIT_MS = 30_000;
const CLOCK_WAIT_MS = 500;

export interface GatewayParts {
  readonly settings: GatewaySettings;
  readonly version: string;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: MemoryMetrics;
  /** Devices other than those of the settings: benchmarks inject readings here. */
  readonly makeLines?: ((sink: ReadingSink, observer: Observer) => readonly Line[]) | undefined;
  /** Fires when the process is to stop: a start that it finds waiting is undone at once. */
  readonly signal?: AbortSignal | undefined;
}

export interface Gateway {
  readonly journal: Journal;
  readonly uplink: Uplink;
  readonly lines: readonly Line[];
  readonly custody: Pick<CustodyKeeper, 'status' | 'visits'>;
  readonly opening: Pick<Opening, 'doors' | 'console' | 'status'>;
  readonly commissioning: Pick<Commissioning, 'walk' | 'rows' | 'findings'>;
  /** What the console shows of the past. */
  readonly memory: ConsoleMemory;
  /** Undefined where there are none. */
  readonly photos: Pick<Photos, 'status' | 'send'> | undefined;
  /** Undefined where no codes count. */
  readonly access: Pick<AccessKeeper, 'status'> | undefined;
  /** Undefined with software keys. */
  readonly tpm: { status(): TpmStatus | undefined } | undefined;
  /** Of an enrolled gateway whose settings name the service. */
  readonly telling: { status(): TellingStatus } | undefined;
  readonly metrics: MemoryMetrics;
  readonly observer: Observer;
  /** Stops in good order; resolves with what was left without a receipt. A second call joins the first. */
  stop(reason: 'signal' | 'failure'): Promise<Stopped>;
}

export interface Stopped {
  readonly waiting: number;
}

/** Starts everything, or rejects with nothing left running: no half a gateway. With the signal's reason when it fires. */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { settings, scheduler, logger, metrics, signal } = parts;
  const source = createClockSource({ scheduler, logger });
  const undo: (() => Promise<void> | void)[] = [() => source.stop()];
  try {
    // A machine that is slow to say where its time comes from does not hold up the locker: until then it is `none`.
    await withTimeout(scheduler, CLOCK_WAIT_MS, 'the clock source', source.start()).catch(() => undefined);
    signal?.throwIfAborted();
    const observer = createObserver(scheduler, source);
    const start = base64url(randomBytes(16));
    const kernelBoot = readKernelBoot();
    const about = (): JsonObject => openedData({ settings, version: parts.version, start, kernelBoot });
    const keys = await openKeys({ ...parts, isHasty: true });
    undo.push(() => keys.close());
    const journal = await openGatewayJournal({ ...parts, keys, observer, about });
    undo.push(() => journal.close());
    // Now, while a log is surely open: damage that is found later replaces it, and between two logs there is none.
    const boot = journal.boot();
    const log = journal.origin();
    let lines: readonly Line[] = [];
    let uplink: Uplink | undefined;
    const facts = new AliveFacts({ dataDir: settings.gateway.data_dir, journal, lines: () => lines });
    const life = lifeOf(parts, journal, observer, facts);
    const access = await openAccess({ ...parts, observer });
    undo.push(() => access?.close());
    const site = siteOf(settings, access);
    const { isFirstStart, previousEnd } = journal;
    const duty = dutyOf(parts, keys, journal, observer);
    const tpm = await orAborted(signal, duty?.early() ?? Promise.resolve(undefined));
    keys.started();
    life.started({ start, kernelBoot, version: parts.version, isFirstStart, tpm, ...site }, previousEnd, log);
    tellOwnEnrolment(settings, journal, observer);
    // Its timer would keep a process alive that could not start, and the log says how this start ended.
    undo.push(() => void life.stopped(signal?.aborted === true ? 'signal' : 'failure'));
    await orAborted(signal, journal.appender.flush(AbortSignal.timeout(FLUSH_LIMIT_MS)));
    duty?.start(tpm);
    undo.push(() => duty?.stop());
    const keeper = startCustody({ settings, journal, boot, log, observer, scheduler, logger, metrics });
    undo.push(() => keeper.stop());
    const photos = await openPhotos({ ...parts, keys, journal, observer });
    undo.push(() => photos?.stop());
    const ears = { lines: () => lines, uplink: () => uplink };
    const front = startFront(parts, { journal, keeper, access, photos, start, observer, ...ears });
    const { opening, commissioning, memory } = front;
    undo.push(() => stopFront(opening, memory));
    const watch = watchClock(scheduler, source, journal, observer);
    undo.push(() => watch.stop());
    const sink = facts.counting(front.sink);
    undo.push(() => access?.stop());
    lines = parts.makeLines?.(sink, observer) ?? createLines(parts, sink, observer, journal.appender);
    undo.push(() => stopLines(lines));
    for (const line of lines) line.start();
    photos?.start(sink, keeper);
    // A port that another daemon holds ends this one; a port that is merely away does not.
    await orAborted(signal, Promise.all(lines.map((line) => line.firstAttempt())));
    uplink = connect(parts, keys, journal, boot, opening);
    uplink.start();
    const telling = successorDuty(parts, journal);
    telling?.start();
    const rooms = { parts, lines, keeper, memory, opening, access, photos, watch, life, duty };
    const running = { ...rooms, keys, journal, uplink, source, telling };
    let stopped: Promise<Stopped> | undefined;
    const stop = (reason: 'signal' | 'failure'): Promise<Stopped> => {
      stopped ??= stopRunning(running, reason);
      return stopped;
    };
    const faces = { journal, uplink, lines, custody: keeper, memory, opening, commissioning, access, photos };
    return { ...faces, tpm: duty, telling, metrics, observer, stop };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

function siteOf(settings: GatewaySettings, access: AccessKeeper | undefined) {
  const { ports, custody } = settings;
  const devices = ports.reduce((sum, port) => sum + port.devices.length, 0);
  const counts = { ports: ports.length, devices, compartments: custody.compartments.length };
  return { accessKey: access?.publicKey, ...counts, unseenMaxMs: unseenMaxMs(settings) };
}

type FrontParts = Pick<OpeningParts, 'journal' | 'keeper' | 'start' | 'observer' | 'lines' | 'uplink'> & {
  readonly access: AccessKeeper | undefined;
  readonly photos: Photos | undefined;
};

/** Doors and who may open them; readings go to `sink`, where codes are taken out before custody hears of them. */
function startFront(parts: GatewayParts, front: FrontParts) {
  const { access, journal, keeper, lines, photos } = front;
  const verbs = () => ({ ...expectationVerbs(parts.settings, keeper), ...access?.verbs(), ...photos?.verbs() });
  const opening = startOpening({ ...parts, ...front, verbs });
  const neighbours = { keeper, doors: opening.doors, appender: journal.appender, lines };
  const { compartments } = parts.settings.custody;
  const onContradicted = (names: ReadonlySet<string>): void => keeper.distrust(names);
  const drivers = new Map(
    parts.settings.ports.flatMap(({ devices }) => devices.map(({ name, driver }) => [name, driver])),
  );
  const driverOf = (device: string): string | undefined => drivers.get(device);
  const commissioning = new Commissioning({ ...parts, ...front, compartments, driverOf, onContradicted });
  const memory = openMemory({ ...parts, settings: parts.settings, journal, keeper, lines });
  memory.start();
  // Behind access: what opens a door is never remembered here.
  const custody = memory.tapping(keeper.sink);
  const sink: ReadingSink = access?.start(neighbours, custody) ?? custody;
  return { opening, commissioning, memory, sink: commissioning.tapping(sink) };
}

function stopFront(opening: Opening, memory: ConsoleMemory): void {
  opening.stop();
  memory.stop();
}

function lifeOf({ settings, scheduler }: GatewayParts, journal: Journal, observer: Observer, facts: AliveFacts): Life {
  const aliveIntervalMs = settings.alive_interval_s * 1_000;
  const { appender } = journal;
  return new Life({ appender, observer, scheduler, aliveIntervalMs, aliveFacts: () => facts.take() });
}

function watchClock(scheduler: Scheduler, source: ClockSource, journal: Journal, observer: Observer): ClockWatch {
  const onStep = (step: ClockStep): void => {
    const body = { type: 'clock.stepped', data: clockSteppedData(step) };
    journal.appender.append({ observed: observer.observe(), body });
    void source.refresh();
  };
  const watch = createClockWatch({ scheduler, claim: () => source.claim(), onStep });
  watch.start();
  return watch;
}

interface Running {
  readonly parts: GatewayParts;
  readonly lines: readonly Line[];
  readonly keeper: CustodyKeeper;
  readonly memory: ConsoleMemory;
  readonly opening: Opening;
  readonly access: AccessKeeper | undefined;
  readonly photos: Photos | undefined;
  readonly watch: { stop(): void };
  readonly life: Life;
  readonly duty: TpmDuty | undefined;
  readonly keys: GatewayKeys;
  readonly journal: Journal;
  readonly uplink: Uplink;
  readonly source: { stop(): void };
  readonly telling: SuccessorDuty | undefined;
}

/** Devices first, so that what they said last is still recorded; then the last anchor; the uplink after the last entry. */
async function stopRunning(running: Running, reason: 'signal' | 'failure'): Promise<Stopped> {
  const { parts, lines, keeper, memory, opening, access, photos, watch, life, duty } = running;
  const { keys, journal, uplink, source, telling } = running;
  stopFront(opening, memory);
  await stopLines(lines);
  await access?.stop();
  await photos?.stop();
  keeper.stop();
  watch.stop();
  life.stopped(reason);
  await journal.appender.flush(AbortSignal.timeout(FLUSH_LIMIT_MS)).catch((error: unknown) => {
    parts.logger.error({ reason: explain(error) }, 'the last entries could not be recorded');
  });
  access?.close();
  await duty?.stop();
  await telling?.stop();
  const { waiting } = await uplink.stop(parts.settings.stop_wait_s * 1_000);
  keys.giveUp();
  await journal.close();
  await keys.close();
  source.stop();
  return { waiting };
}

function dutyOf(parts: GatewayParts, keys: GatewayKeys, journal: Journal, observer: Observer): TpmDuty | undefined {
  const { scheduler, metrics } = parts;
  const logger = parts.logger.child({ room: 'tpm' });
  return keys.tpm && new TpmDuty({ tpm: keys.tpm, journal, observer, scheduler, logger, metrics });
}

function loginOf({ settings, scheduler }: GatewayParts, { tpm }: GatewayKeys, journal: Journal) {
  const login = tpm?.settings.mqtt_login;
  if (tpm === undefined || login === undefined) return {};
  const { previousEnd } = journal;
  const credentials = tpmLogin({
    gateway: settings.gateway.id,
    settings: login,
    signLogin: (bytes, signal) => tpm.box.signLogin(bytes, signal),
    clock: scheduler,
    lastSeenMs: previousEnd && readTime(previousEnd.at),
  });
  return { credentials };
}

function connect(
  parts: GatewayParts,
  keys: GatewayKeys,
  journal: Journal,
  boot: number,
  { commands }: Opening,
): Uplink {
  const { settings, scheduler, metrics } = parts;
  const { id } = settings.gateway;
  const logger = parts.logger.child({ room: 'uplink' });
  const will = uplinkWill(nodeCrypto, settings.prefix, id, boot);
  const connection = createMqttConnection({
    settings: settings.mqtt,
    clientId: id,
    will,
    scheduler,
    logger,
    metrics,
    ...loginOf(parts, keys, journal),
  });
  return createUplink({
    outbox: journal.outbox,
    connection,
    gateway: id,
    prefix: settings.prefix,
    boot,
    crypto: nodeCrypto,
    settings: settings.uplink,
    ...(commands !== undefined && { commands }),
    scheduler,
    logger,
    metrics,
  });
}

async function stopLines(lines: readonly Line[]): Promise<void> {
  await Promise.all(lines.map((line) => line.stop()));
}

function readKernelBoot(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return undefined;
  }
}
