/** What `latchkey status` shows: the shape that the control socket answers with. Its sentences come from findings.ts. */
import type { MetricSample } from '../../base/metrics.ts';
import type { ClockClaim } from '../../evidence/event/event.ts';
import type { AccessStatus } from '../access/access.ts';
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
