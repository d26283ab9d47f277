/** What monitoring reads of a gateway: its counters, and gauges taken from its status when somebody asks. */
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricSample } from '../../base/metrics.ts';
import type { HttpServer } from '../../platform/http/server.ts';
import { ProcessSamples } from '../../platform/metrics/process-samples.ts';
import { countByWord, plainSamples } from '../../platform/metrics/samples.ts';
import { startMonitoring } from '../../platform/metrics/server.ts';
import type { MetricsSettings } from '../../platform/metrics/settings.ts';
import type { LineStatus } from '../drivers/line.ts';
import type { Gateway } from './gateway.ts';
import { GatewayWatch, unsignedOf } from './health.ts';
import { GATEWAY_METRICS } from './metrics-table.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayStatus } from './status.ts';

export interface GatewayMonitoringParts {
  readonly gateway: Gateway;
  readonly settings: GatewaySettings;
  readonly version: string;
  readonly status: () => GatewayStatus;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

export interface Monitoring {
  stop(): Promise<void>;
}

/** Undefined where no settings ask for it, or nobody is answered. */
export async function monitorGateway(parts: GatewayMonitoringParts): Promise<Monitoring | undefined> {
  const { settings, gateway, scheduler } = parts;
  if (settings.metrics === undefined) return undefined;
  const watch = watchOf(settings, gateway, scheduler);
  const own = new ProcessSamples(scheduler, parts.version);
  const server = await serve(settings.metrics, parts, watch, own);
  if (server === undefined) return undefined;
  own.start();
  watch.start();
  return {
    async stop() {
      watch.stop();
      own.stop();
      await server.close();
    },
  };
}

function serve(
  settings: MetricsSettings,
  { gateway, status, scheduler, logger }: GatewayMonitoringParts,
  watch: GatewayWatch,
  own: ProcessSamples,
): Promise<HttpServer | undefined> {
  return startMonitoring({
    settings,
    table: GATEWAY_METRICS,
    // The status first: it brings gauges of the uplink up to date.
    samples: () => [...currentSamples(status), ...gateway.metrics.snapshot(), ...own.take()],
    loopDelayMaxMs: () => own.loopDelayMaxMs,
    readiness: () => watch.readiness(),
    clock: scheduler,
    logger: logger.child({ room: 'metrics' }),
  });
}

function watchOf(settings: GatewaySettings, gateway: Gateway, scheduler: Scheduler): GatewayWatch {
  const { journal, uplink, metrics } = gateway;
  const aliveIntervalMs = settings.alive_interval_s * 1_000;
  return new GatewayWatch({ journal, uplink, metrics, scheduler, aliveIntervalMs, stallMs: settings.uplink.stall_ms });
}

/** Between two logs, with none at all, there is no status; what was counted is shown all the same. */
function currentSamples(status: () => GatewayStatus): readonly MetricSample[] {
  try {
    return statusSamples(status());
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    return [];
  }
}

const DEVICE_STATES = ['unknown', 'found', 'lost', 'faulted'] as const;
const PORT_STATES = ['opening', 'open', 'lost', 'closed'] as const;
const DOORS = ['open', 'shut', 'unknown'] as const;

export function statusSamples(status: GatewayStatus): readonly MetricSample[] {
  const { journal, uplink, lines, custody, tpm, problems } = status;
  const { devices, ports } = { devices: lines.flatMap((line) => line.devices), ports: lines };
  const states = (of: readonly { readonly state: string }[]): readonly string[] => of.map(({ state }) => state);
  return [
    ...plainSamples({
      problems: problems.length,
      journal_waiting_events: journal.waiting,
      journal_unsigned_entries: unsignedOf(journal),
      journal_writing: journal.open !== undefined && journal.writer === 'open' ? 1 : 0,
      journal_set_aside_files: journal.setAside.length,
      uplink_live: uplink.phase === 'live' ? 1 : 0,
      uplink_ahead_bytes: uplink.aheadBytes,
      doors_stopped: status.opening.doors.stopped === undefined ? 0 : 1,
      tpm_away: tpm && (tpm.silent !== undefined || tpm.anchors.state === 'away' ? 1 : 0),
      tpm_counter: tpm?.anchors.counter,
      tpm_last_anchor_age_ms: tpm?.anchors.lastAgoMs,
      tpm_budget_anchors: tpm?.anchors.tokens,
      tpm_life_years: tpm?.anchors.lifeYears ?? tpm?.anchors.lifeYearsAtLeast,
    }),
    ...countByWord('devices', 'state', DEVICE_STATES, states(devices)),
    ...countByWord('ports', 'state', PORT_STATES, states(ports)),
    ...countByWord(
      'compartments',
      'door',
      DOORS,
      custody.compartments.map(({ door }) => door),
    ),
    ...lines.flatMap(lineSamples),
  ];
}

/** Names of ports and devices are the settings': few, and not from outside. */
function lineSamples({ port, cycleMs, devices }: LineStatus): readonly MetricSample[] {
  const cycle = cycleMs === undefined ? [] : [{ name: 'line_cycle_ms', labels: { port }, value: cycleMs }];
  const polls = devices.flatMap(({ name: device, polls: of }) =>
    of === undefined
      ? []
      : [
          { name: 'device_recent_failures_percent', labels: { device }, value: of.recentFailuresPercent },
          { name: 'device_unseen_worst_ms', labels: { device }, value: of.unseenWorstMs },
        ],
  );
  return [...cycle, ...polls];
}
