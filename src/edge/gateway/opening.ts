/**
 * Whatever can open a door, put together: the doors, the signed commands, and people at the box. Nothing else of the
 * gateway reaches `Line.unlock`.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { CommandsRoom, type CommandsStatus } from '../commands/commands.ts';
import { grantedKeys } from '../commands/settings.ts';
import { doorVerbs } from '../commands/verbs.ts';
import { ConsoleRoom, type MaintenanceDesk } from '../console/console.ts';
import type { Doors, DoorsStatus } from '../contracts/doors.ts';
import type { Observer } from '../contracts/observed.ts';
import type { Verbs } from '../contracts/verb.ts';
import { DoorsRoom } from '../doors/doors.ts';
import type { FrameAnswer } from '../doors/machine.ts';
import type { Line } from '../drivers/line.ts';
import type { Journal } from '../journal/journal.ts';
import type { Uplink } from '../uplink/uplink.ts';
import type { CustodyKeeper } from './custody-keeper.ts';
import type { GatewaySettings } from './settings.ts';

/** Names of their files below the data directory. */
const STOP_FILE = 'stop-pick.json';
const ATTEMPTS_FILE = 'console-attempts.json';
/** The journal's name for the state of openings. */
const STATE_NAME = 'doors';

export interface OpeningParts {
  readonly settings: GatewaySettings;
  readonly journal: Journal;
  readonly keeper: CustodyKeeper;
  readonly lines: () => readonly Line[];
  /** base64url of the running start. */
  readonly start: string;
  /** Undefined until it is made. */
  readonly uplink: () => Pick<Uplink, 'publishReply'> | undefined;
  /** Verbs of other rooms, given the doors. */
  readonly verbs?: (doors: Doors) => Verbs;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface OpeningStatus {
  readonly doors: DoorsStatus;
  /** Undefined where no key may command. */
  readonly commands: CommandsStatus | undefined;
}

export interface Opening {
  readonly doors: Doors;
  readonly console: ConsoleRoom;
  /** For the uplink; undefined where no key may command. */
  readonly commands: CommandsRoom | undefined;
  status(): OpeningStatus;
  /** Before the lines stop: nothing is opened any more. */
  stop(): void;
}

/** Ends what the run before left open, in the journal; sends nothing for it. */
export function startOpening(parts: OpeningParts): Opening {
  const { settings, journal, keeper, observer, metrics } = parts;
  const { data_dir: dataDir, id: gateway } = settings.gateway;
  const { appender } = journal;
  const logger = parts.logger.child({ room: 'doors' });
  const doors = new DoorsRoom({
    ...parts,
    settings: settings.doors,
    doors: settings.custody.compartments.map(({ name, device, channel, polarity }) => ({
      name,
      device,
      channel,
      commissioned: polarity !== undefined,
    })),
    appender,
    store: {
      load: () => journal.loadState(STATE_NAME),
      save: (text) => journal.saveState(STATE_NAME, text),
    },
    stopPath: join(dataDir, STOP_FILE),
    unlock: (device, channel, signal) => unlock(parts.lines(), device, channel, signal),
    seen: () => keeper.status().compartments,
    isMaintained: (compartment) => keeper.visits.isMaintained(compartment),
    expect: (visit) => keeper.expect(visit),
    recount: (actor) => keeper.recount(actor),
    logger,
  });
  doors.start();
  keeper.onEvent((body) => doors.heard(body));
  const keys = grantedKeys(settings.commands);
  const commands =
    keys.size === 0
      ? undefined
      : new CommandsRoom({
          ...parts,
          gateway,
          keys,
          verbs: { ...parts.verbs?.(doors), ...doorVerbs(doors, () => observer.observe().upMs) },
          crypto: nodeCrypto,
          appender,
          publishReply: async (bytes) => (await parts.uplink()?.publishReply(bytes)) ?? false,
          openLog: () => journal.openOrigin(),
          signReply: journal.signReply,
          logger: parts.logger.child({ room: 'commands' }),
        });
  const people = new ConsoleRoom({
    ...parts,
    settings: settings.console,
    attemptsPath: join(dataDir, ATTEMPTS_FILE),
    doors,
    maintenance: maintenanceDesk(keeper, settings),
    newId: () => Uint8Array.from(randomBytes(16)),
    appender,
    metrics,
    logger: parts.logger.child({ room: 'console' }),
  });
  return {
    doors,
    console: people,
    commands,
    status: () => ({ doors: doors.status(), commands: commands?.status() }),
    stop: () => {
      commands?.stop();
      doors.stop();
    },
  };
}

function maintenanceDesk({ visits }: CustodyKeeper, { custody }: GatewaySettings): MaintenanceDesk {
  const known = new Set(custody.compartments.map(({ name }) => name));
  return {
    begin: (actor, compartments, minutes) => {
      if (compartments.some((name) => !known.has(name))) return 'unknown_compartment';
      const end = { livesMs: minutes * 60_000, untilMs: undefined };
      const id = randomBytes(16).toString('hex');
      const made = visits.openWindow({ id, actor, compartments, reason: undefined, ticket: undefined, end });
      return made.ok ? undefined : made.reason;
    },
    end: (id) => visits.closeWindow(id),
  };
}

async function unlock(
  lines: readonly Line[],
  device: string,
  channel: number,
  signal: AbortSignal,
): Promise<FrameAnswer> {
  const line = lines.find((each) => each.status().devices.some(({ name }) => name === device));
  if (line === undefined) return { kind: 'not_sent', reason: 'unknown_device' };
  return line.unlock === undefined ? { kind: 'not_sent', reason: 'no_locks' } : line.unlock(device, channel, signal);
}
