/** What `latchkey status` shows: the shape that the control socket answers with, and what counts as healthy. */
import type { MetricSample } from '../../base/metrics.ts';
import type { ClockClaim } from '../../evidence/event/event.ts';
import type { LineStatus } from '../drivers/line.ts';
import type { JournalStatus } from '../journal/journal.ts';
import type { UplinkHealth } from '../uplink/health.ts';
import type { CustodyStatus } from './custody-keeper.ts';

export interface GatewayStatus {
  readonly gateway: string;
  readonly version: string;
  /** Software keys prove no hardware: every verdict over this gateway's logs stays at A0. */
  readonly assurance: 'A0';
  readonly healthy: boolean;
  /** What is wrong, in words for a person; empty when nothing is. */
  readonly problems: readonly string[];
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
  found.push(...uplink.alarms.map((alarm) => `uplink: ${alarm}`));
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

/** What stands still in the journal, in words. */
export function journalProblems(status: JournalStatus): readonly string[] {
  const found: string[] = [];
  if (status.open === undefined) found.push('no log is open: the next one waits for the disk');
  if (status.writer !== 'open') found.push(`the journal's writer is ${status.writer}`);
  if (status.room !== 'ok') found.push(`room on the disk: ${status.room}`);
  for (const log of status.logs) {
    if (log.state === 'breached') found.push(`log ${log.origin} is breached (${log.cause ?? 'unknown cause'})`);
    if (log.state === 'open' && log.key !== 'here') found.push(`the key of log ${log.origin} is ${log.key}`);
  }
  if (status.setAside.length > 0) found.push(`damaged files were set aside: ${status.setAside.join(', ')}`);
  return found;
}
