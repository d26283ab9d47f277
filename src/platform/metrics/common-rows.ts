/** Metrics of every process of this house: itself, and its connection to the broker. */
import type { MetricTable } from './metric-row.ts';

export const COMMON_METRICS: MetricTable = {
  build: { kind: 'gauge', labels: ['version', 'node'], as: 'build_info', help: 'Always 1; which version runs.' },
  ready: { kind: 'gauge', help: '1 when /readyz says yes, otherwise 0.' },
  not_ready: { kind: 'gauge', labels: ['reason'], help: 'Always 1: a reason why /readyz says no.' },
  metrics_series_dropped: {
    kind: 'counter',
    help: 'Times that a series beyond the limit of this process was left out.',
  },
  mqtt_connected: { kind: 'gauge', help: '1 while the broker is connected. Proves a socket, not that anything moves.' },
  mqtt_plain_text: { kind: 'gauge', help: '1 when the connection to the broker is not encrypted.' },
  mqtt_connection_attempts: { kind: 'counter', help: 'Attempts to connect to the broker.' },
  mqtt_connections: { kind: 'counter', help: 'Connections that stood.' },
  mqtt_connections_lost: { kind: 'counter', help: 'Connections that ended unasked.' },
  mqtt_connections_refused: { kind: 'counter', help: 'Attempts that the broker refused.' },
  mqtt_connections_failed: { kind: 'counter', help: 'Attempts that reached no broker.' },
  mqtt_logins_failed: { kind: 'counter', help: 'Attempts for which no credentials could be made or read.' },
  mqtt_logins_renewed: { kind: 'counter', help: 'Connections made anew since their credentials ran out.' },
  mqtt_messages_oversize: { kind: 'counter', help: 'Messages of the broker above the limit, which end a connection.' },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Resident memory size in bytes.' },
  process_start_time_seconds: { kind: 'gauge', help: 'Start time of the process since unix epoch in seconds.' },
  process_cpu_seconds: { kind: 'counter', help: 'Total user and system CPU time spent in seconds.' },
  nodejs_heap_used_bytes: { kind: 'gauge', as: 'nodejs_heap_size_used_bytes', help: 'Heap that is in use.' },
  nodejs_eventloop_lag_max_ms: {
    kind: 'gauge',
    help: 'Longest delay of the event loop in the last full ten seconds or since.',
  },
};
