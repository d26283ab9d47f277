/** Every metric of a consumer. A test finds each name that the risk rooms count, and fails for one that has no row here. */
import { COMMON_METRICS } from '../../platform/metrics/common-rows.ts';
import type { MetricTable } from '../../platform/metrics/metric-row.ts';

const INTAKE: MetricTable = {
  intake_messages: { kind: 'counter', labels: ['kind'], help: 'Messages of gateways by the name of their topic.' },
  intake_messages_refused: { kind: 'counter', labels: ['kind'], help: 'Messages that are not what their topic says.' },
  intake_batches: { kind: 'counter', labels: ['outcome'], help: 'Batches by what became of them.' },
  intake_entries_stored: { kind: 'counter', help: 'Verified entries that are durable.' },
  intake_store_groups: { kind: 'counter', help: 'Writes to the store, each of several batches.' },
  intake_store_ms: { kind: 'gauge', as: 'intake_store_seconds', help: 'How long the last write to the store took.' },
  intake_receipts: { kind: 'counter', help: 'Receipts that were signed.' },
  intake_published: {
    kind: 'counter',
    labels: ['outcome'],
    help: 'Receipts and requests by the answer of the broker.',
  },
  intake_requests: { kind: 'counter', help: 'Times that a gateway was asked to send from an entry on.' },
  intake_conflicts: { kind: 'counter', help: 'Writes that another receiver had made already.' },
  intake_fenced: {
    kind: 'counter',
    help: 'Writes that the database refused since another receiver has the partition.',
  },
  intake_alarms: { kind: 'counter', labels: ['kind'], help: 'Alarms; status.json names gateway and log.' },
  intake_partitions: { kind: 'gauge', help: 'Partitions that this receiver holds, of those on its database.' },
  intake_assurance_judged: { kind: 'counter', help: 'Logs whose anchors were judged.' },
  witness_submissions: {
    kind: 'counter',
    labels: ['witness', 'result'],
    help: 'Checkpoints that were offered to an independent witness, by what came of it.',
  },
  witness_cosignature_age_ms: {
    kind: 'gauge',
    labels: ['witness'],
    help: 'Since the newest cosignature of an independent witness, by its clock.',
  },
  witness_logs_owed: {
    kind: 'gauge',
    labels: ['witness'],
    help: 'Logs that an independent witness did not cosign although they were due.',
  },
  intake_subscribed: { kind: 'gauge', help: '1 while the subscriptions stand on the present connection.' },
  intake_store_up: { kind: 'gauge', help: '1 while the store takes writes.' },
  intake_waiting_bytes: { kind: 'gauge', help: 'Bytes that were received and are not stored yet.' },
  intake_parked_bytes: {
    kind: 'gauge',
    help: 'Bytes that wait for a gap to close or for somebody who vouches for their log.',
  },
  intake_gateways: { kind: 'gauge', help: 'Gateways that are known here.' },
  intake_logs: { kind: 'gauge', labels: ['receipts'], help: 'Logs by the state of their receipts.' },
  intake_behind_entries: { kind: 'gauge', help: 'Entries that gateways announced and that are not stored.' },
  intake_unreceipted_entries: { kind: 'gauge', help: 'Entries that are stored and not receipted.' },
  intake_gaps: { kind: 'gauge', help: 'Ranges of entries that are missing, accepted ones aside.' },
  intake_forks: { kind: 'gauge', help: 'Proofs that a log key signed two trees.' },
};

const SERVICE: MetricTable = {
  ledger_read: { kind: 'counter', as: 'ledger_entries_read', help: 'Entries that the ledger read in this run.' },
  ledger_up: { kind: 'gauge', help: '1 while the ledger reads what is stored.' },
  casework_open_holds: { kind: 'gauge', help: 'Holds that are open.' },
  casework_overdue_holds: { kind: 'gauge', help: 'Open holds whose legal deadline has passed.' },
  casework_commands_waiting: { kind: 'gauge', help: 'Commands that wait for their endpoint to take them.' },
  casework_commands_dead: { kind: 'gauge', help: 'Commands that are given up: a person must look at them.' },
  sources_secrets_up: {
    kind: 'gauge',
    help: '0 while a changed secret of a source of webhooks cannot be read; those of before stay valid, and the log says why.',
  },
  casework_late_unread: {
    kind: 'counter',
    help: 'Times that a decision could not be looked at again for late facts: the log names it.',
  },
  patterns_up: { kind: 'gauge', help: '0 while the batch analysis fails, or takes too long: status.json says why.' },
  patterns_stale: {
    kind: 'gauge',
    help: '1 while decisions count nothing of the batch analysis, since it is too old.',
  },
  patterns_age_ms: { kind: 'gauge', help: 'Since what decisions read of the batch analysis was found.' },
  patterns_took_ms: { kind: 'gauge', help: 'How long the last batch analysis of this service took.' },
  retention_age_ms: { kind: 'gauge', help: 'Since what was kept long enough was last taken away, by any service.' },
  retention_overdue: { kind: 'gauge', help: '1 when that was not done for longer than twice its interval.' },
  retention_rows_gone: { kind: 'counter', help: 'Rows and bodies that this service took away, kept long enough.' },
  retention_failures: { kind: 'counter', help: 'Rounds of retention that failed; each is tried again.' },
};

export const CONSUMER_METRICS: MetricTable = { ...COMMON_METRICS, ...INTAKE, ...SERVICE };
