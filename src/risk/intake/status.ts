/** What intake says of itself: one JSON object, for people, for monitoring and for tests. Sizes are tree sizes. */
import { formatVkey } from '../../evidence/log/note.ts';
import type { Alarm } from './alarms.ts';
import type { GatewayIntake } from './gateway-intake.ts';
import type { Intake } from './intake.ts';
import type { LogIntake } from './log-intake.ts';
import type { TrustedBy, TrustedLog } from './trust.ts';

export interface LogStatus {
  readonly origin: string;
  /** `none`: stored once, believed no more. */
  readonly trusted_by: TrustedBy | 'none';
  readonly vkey?: string;
  readonly frozen?: string;
  readonly closed: boolean;
  /** Entries that are stored. */
  readonly entries: number;
  /** End of what is stored. */
  readonly size: number;
  /** Everything below is stored, accepted gaps aside. */
  readonly contiguous: number;
  /** Newest cosigned size. */
  readonly receipted: number;
  readonly receipts: 'ok' | 'behind' | 'contradicted';
  /** Size of the newest checkpoint seen above what is stored. */
  readonly announced?: number;
  readonly gaps: readonly (readonly [number, number])[];
  readonly gap_accepted_below: number;
  readonly parked: number;
  readonly asked_for?: number;
  readonly forks: number;
  readonly recovered_cut_bytes: number;
}

export interface GatewayStatus {
  readonly gateway: string;
  readonly parked_bytes: number;
  readonly unknown_origins: readonly string[];
  readonly logs: readonly LogStatus[];
}

export interface IntakeStatus {
  readonly store: { readonly state: 'ok' | 'down'; readonly code?: string; readonly detail?: string };
  readonly waiting_bytes: number;
  readonly gateways: readonly GatewayStatus[];
  readonly alarms: readonly Alarm[];
  readonly alarms_unlisted: number;
}

export type IntakeFigures = Pick<Intake, 'storeFailure' | 'gateways' | 'waitingBytes' | 'alarms'>;

export function intakeStatus(intake: IntakeFigures): IntakeStatus {
  const failure = intake.storeFailure;
  return {
    store: failure === undefined ? { state: 'ok' } : { state: 'down', code: failure.code, detail: failure.message },
    waiting_bytes: intake.waitingBytes,
    gateways: intake.gateways.map(gatewayStatus).sort((a, b) => (a.gateway < b.gateway ? -1 : 1)),
    alarms: intake.alarms.list(),
    alarms_unlisted: intake.alarms.unlisted,
  };
}

function gatewayStatus(gateway: GatewayIntake): GatewayStatus {
  const origins = new Set([...gateway.logs.keys(), ...gateway.trust.logs.keys()]);
  return {
    gateway: gateway.gateway,
    parked_bytes: gateway.parking.bytes,
    unknown_origins: gateway.parking.unknownOrigins,
    logs: [...origins].map((origin) => {
      const log = gateway.logs.get(origin);
      const trusted = gateway.trust.find(origin);
      return logStatus(origin, log, trusted, gateway);
    }),
  };
}

function logStatus(
  origin: string,
  log: LogIntake | undefined,
  trusted: TrustedLog | undefined,
  gateway: GatewayIntake,
): LogStatus {
  const announced = log?.announced?.size ?? 0;
  return {
    origin,
    trusted_by: trusted?.by ?? 'none',
    ...(trusted === undefined ? {} : { vkey: formatVkey(trusted.vkey) }),
    ...(trusted?.frozen === undefined ? {} : { frozen: trusted.frozen }),
    closed: gateway.trust.isClosed(origin),
    entries: log?.heldCount ?? 0,
    size: log?.durableSize ?? 0,
    contiguous: log?.receiptableSize ?? 0,
    receipted: log?.cosigned?.size ?? 0,
    receipts: log?.receiptState ?? 'ok',
    ...(announced > (log?.durableSize ?? 0) ? { announced } : {}),
    gaps: log?.gaps.map(({ from, to }) => [from, to] as const) ?? [],
    gap_accepted_below: log?.acceptedBelow ?? 0,
    parked: gateway.parking.count(origin),
    ...(log?.asked === undefined ? {} : { asked_for: log.asked.first }),
    forks: log?.forks ?? 0,
    recovered_cut_bytes: log?.cutBytes ?? 0,
  };
}
