/** What `latchkey status` shows: the shape that the control socket answers with, and what counts as healthy. */
import type { MetricSample } from '../../base/metrics.ts';
import type { ClockClaim } from '../../evidence/event/event.ts';
import type { AccessStatus } from '../access/access.ts';
import type { CompartmentStatus } from '../custody/compartment.ts';
import type { LineStatus } from '../drivers/line.ts';
import type { JournalStatus } from '../journal/journal-status.ts';
import type { UplinkHealth } from '../uplink/health.ts';
import type { CustodyStatus } from './custody-keeper.ts';
import type { OpeningStatus } from './opening.ts';
import type { TellingStatus } from './successor-duty.ts';
import type { TpmStatus } from './tpm-duty.ts';

export interface GatewayStatus {
  readonly gateway: string;
  readonly version: string;
  /**
   * `A0`: software keys prove no hardware, and every verdict over this gateway's logs stays there. `anchored`: a TPM seals
   * the log keys and anchors the log; whether it is a chip, and so which level, the enrolment says.
   */
  readonly assurance: 'A0' | 'anchored';
  readonly healthy: boolean;
  /** What is wrong, in words for a person; empty when nothing is. */
  readonly problems: readonly string[];
  /** What happened and is over, but stays true: files set aside, logs that were breached. */
  readonly notices: readonly string[];
  readonly up_ms: number;
  readonly clock: ClockClaim;
  /** The open log, or the newest one while the next cannot be opened yet. */
  readonly log: {
    readonly origin: string;
    /** C2SP verifier key. */
    readonly vkey: string;
    /** Entries that are durable. */
    readonly entries: number;
    /** Size below which every store has receipted. */
    readonly receipted: number;
    readonly boot: number;
  };
  readonly journal: JournalStatus;
  readonly uplink: UplinkHealth;
  readonly lines: readonly LineStatus[];
  readonly custody: CustodyStatus;
  /** What can open a door, and what holds it back. */
  readonly opening: OpeningStatus;
  /** Counts of credentials; absent where none count. */
  readonly access?: AccessStatus;
  /** Absent with software keys. */
  readonly tpm?: TpmStatus;
  /** Absent when the gateway is not enrolled, or its settings name no enrolment service. */
  readonly enrolment?: TellingStatus;
  /** Counters and gauges of this run. */
  readonly metrics: readonly MetricSample[];
}

/** One sentence for each thing that stands still. A port that is away or a stalled receipt makes a gateway unhealthy. */
export function problemsOf(parts: {
  readonly uplink: UplinkHealth;
  readonly lines: readonly LineStatus[];
  readonly journalProblems: readonly string[];
}): readonly string[] {
  const { uplink, lines, journalProblems } = parts;
  const found: string[] = [...journalProblems];
  if (!uplink.connected) found.push('the broker is not connected: entries wait in the journal');
  if (uplink.stalled) found.push(`no receipt moves although ${uplink.waiting} entries wait for one`);
  // The journal says itself that a log is breached, and when that is over; the uplink remembers it to its end.
  const alarms = uplink.alarms.filter((alarm) => !alarm.startsWith('log_breached '));
  found.push(...alarms.map((alarm) => `uplink: ${alarm}`));
  for (const line of lines) {
    if (line.state !== 'open') found.push(`port ${line.port} is ${line.state}: ${line.reason}`);
    for (const device of line.devices) {
      if (line.state === 'open' && (device.state === 'lost' || device.state === 'faulted')) {
        found.push(`${device.name} on port ${line.port} is ${device.state}: ${device.reason}`);
      }
    }
  }
  return found;
}

/** A lock that its own board cannot read is not opened, and nothing is claimed of its door. */
export function lockProblems(compartments: readonly CompartmentStatus[]): readonly string[] {
  return compartments.flatMap(({ name, device, unread }) =>
    unread === true
      ? [`${device} cannot read the lock of compartment ${name}: look at its feedback wire and its connector`]
      : [],
  );
}

/** A TPM that is away stops no entry: only what it would prove is missing. */
export function tpmProblems(tpm: TpmStatus | undefined): readonly string[] {
  if (tpm === undefined) return [];
  const { state, reason, awayForMs, because, dueInMs } = tpm.anchors;
  const found: string[] = [];
  if (tpm.enrolAgain === true) {
    found.push('the TPM was cleared after this box was enrolled: stop the gateway and run "latchkey enroll" again');
  }
  if (tpm.ak === undefined) {
    found.push(`the TPM at ${tpm.target} has never answered this box: nothing is signed until it does`);
  }
  if (state === 'away') {
    const forS = Math.round((awayForMs ?? 0) / 1_000);
    found.push(`the TPM has not anchored for ${forS} s, and nothing since is anchored: ${reason}`);
  } else if (tpm.silent !== undefined && tpm.ak !== undefined) {
    found.push(`the TPM does not answer, and nothing will be anchored until it does: ${tpm.silent}`);
  } else if (because === 'wear') {
    found.push(`anchors wait ${Math.ceil((dueInMs ?? 0) / 1_000)} s: the wear budget of the TPM is used up`);
  }
  return found;
}

/** What happened to the TPM and stays true. */
export function tpmNotices(tpm: TpmStatus | undefined): readonly string[] {
  if (tpm?.cleared === undefined) return [];
  const times = tpm.cleared === 1 ? 'once' : `${tpm.cleared} times`;
  return [`the TPM was cleared ${times}: what it had sealed is gone, and its keys and counter were made anew`];
}

/** A service that is away for an hour is worth a look; one that contradicts, at once. */
const TELLING_PATIENCE_MS = 3_600_000;

/** What the enrolment service does not know stops no entry: another log's level waits for it. */
export function tellingProblems(telling: TellingStatus | undefined): readonly string[] {
  if (telling === undefined || telling.waiting === 0) return [];
  const { state, reason = '', failingForMs = 0, service } = telling;
  if (state === 'contested') return [`the enrolment service at ${service} has another successor of a log: ${reason}`];
  if (state !== 'refused' && failingForMs < TELLING_PATIENCE_MS) return [];
  return [`the enrolment service at ${service} does not know the newest log: ${reason}`];
}

/** What stands still in the journal, in words. */
export function journalProblems(status: JournalStatus): readonly string[] {
  const found: string[] = [];
  if (status.open === undefined) found.push('no log is open: the next one waits for the disk');
  if (status.writer !== 'open') found.push(`the journal's writer is ${status.writer}`);
  if (status.room !== 'ok') found.push(`room on the disk: ${status.room}`);
  for (const log of status.logs) {
    if (log.state === 'open' && log.key !== 'here') found.push(`the key of log ${log.origin} is ${log.key}`);
  }
  found.push(...breaksOf(status).flatMap(({ what, isOver }) => (isOver ? [] : [what])));
  for (const { name, reason } of status.leftAlone) {
    found.push(`log ${name} cannot be opened and waits for another start: ${reason}`);
  }
  return found;
}

/** What broke and is over: whatever could be saved is receipted. Shown for as long as the files are here. */
export function journalNotices(status: JournalStatus): readonly string[] {
  return breaksOf(status).flatMap(({ what, over, isOver }) => (isOver ? [`${what}; ${over}`] : []));
}

interface Break {
  readonly what: string;
  /** How it ended, once it has. */
  readonly over: string;
  readonly isOver: boolean;
}

/**
 * A break is over when nothing more can come of it: every entry that could be read is receipted in its log or as carried,
 * and where nothing could be read, a later log, whose entry 0 says so, has its first receipt.
 */
function breaksOf(status: JournalStatus): readonly Break[] {
  const nameOf = (origin: string): string => origin.split('/')[2] ?? origin;
  const held = new Map(status.logs.map((log) => [nameOf(log.origin), log]));
  const saved = 'what could be read of it is receipted, the rest is named in the next log';
  const breached = status.logs
    .filter(({ state, cause }) => state === 'breached' && cause !== 'quarantined')
    .map(({ origin, cause = 'unknown cause', settled }) => {
      return { what: `log ${origin} is breached (${cause})`, over: saved, isOver: settled };
    });
  const aside = status.setAside.flatMap((file) => {
    const name = file.slice(0, file.lastIndexOf('.'));
    // Not looked into in this run: that is a problem of its own.
    if (status.leftAlone.some((left) => left.name === name)) return [];
    const what = `a damaged file was set aside: ${file}`;
    const log = held.get(name);
    return log === undefined
      ? [{ what, over: 'nothing of it could be read', isOver: isFollowed(status, name) }]
      : [{ what, over: saved, isOver: log.settled }];
  });
  const isAside = (name: string): boolean => status.setAside.some((file) => file.startsWith(`${name}.`));
  const gone = status.gone
    .filter((origin) => !isAside(nameOf(origin)))
    .map((origin) => {
      const what = `the database of log ${origin} is gone`;
      return { what, over: 'the next log says so', isOver: isFollowed(status, nameOf(origin)) };
    });
  return [...breached, ...aside, ...gone];
}

/** A log after that one has a receipt. */
function isFollowed({ logs }: JournalStatus, name: string): boolean {
  const numberOf = (of: string): number => Number(of.split('-')[0]);
  return logs.some((log) => log.receiptedSize > 0 && numberOf(log.origin.split('/')[2] ?? '') > numberOf(name));
}
