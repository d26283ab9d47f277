/** What the rooms behind the receiver add to monitoring: the ledger that decisions stand on, and casework. */
import type { MetricSample } from '../../base/metrics.ts';
import type { NotReady } from '../../platform/metrics/readiness.ts';
import { plainSamples } from '../../platform/metrics/samples.ts';
import type { CaseworkStatus } from '../casework/caseworker.ts';
import type { PatternsStatus } from '../patterns/rounds.ts';
import type { RetentionStatus } from '../retention/rounds.ts';
import type { LedgerPump } from './ledger-pump.ts';

export interface ServiceHealth {
  readonly samples: readonly MetricSample[];
  readonly reasons: readonly NotReady[];
}

export interface Rounds {
  readonly patterns?: PatternsStatus | undefined;
  readonly retention?: RetentionStatus | undefined;
}

/**
 * Casework that waits, patterns that are stale, and retention that is overdue are for people and for alerts: the service
 * answers all the same.
 */
export function serviceHealth(
  ledger: ReturnType<LedgerPump['status']> | undefined,
  casework: CaseworkStatus | undefined,
  { patterns, retention }: Rounds = {},
): ServiceHealth {
  const isUp = ledger !== undefined && ledger.failure === undefined;
  const samples = plainSamples({
    ledger_read: ledger?.read,
    ledger_up: isUp ? 1 : 0,
    casework_open_holds: casework?.holds.open,
    casework_overdue_holds: casework?.holds.overdue,
    casework_commands_waiting: casework?.outbox.waiting,
    casework_commands_dead: casework?.outbox.dead,
    casework_late_unread: casework?.late.unread,
    patterns_up: patterns && (patterns.failure === undefined ? 1 : 0),
    patterns_stale: patterns && (patterns.stale ? 1 : 0),
    patterns_age_ms: patterns?.age_ms,
    patterns_took_ms: patterns?.took_ms,
    retention_age_ms: retention?.age_ms,
    retention_overdue: retention && (retention.overdue ? 1 : 0),
  });
  const stopped: NotReady = {
    reason: 'ledger_stopped',
    detail: ledger === undefined ? 'the ledger has not begun to read' : 'the ledger cannot read what is stored',
    remedy: 'look at the database; the log says why, and it is tried again by itself',
  };
  return { samples, reasons: isUp ? [] : [stopped] };
}
