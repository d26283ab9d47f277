/** What the parts of intake share. */
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Alarms } from './alarms.ts';
import type { LogIntake } from './log-intake.ts';
import type { ParkingLimits, ParkingTotal } from './parking.ts';
import type { IntakeStore } from './store.ts';
import type { IntakePolicy } from './trust.ts';
import type { Writer } from './writer.ts';

export interface IntakeLimits extends ParkingLimits {
  /** Gateways of which neither policy nor store knows anything. */
  readonly strangersMax: number;
  /** Entries that one gateway may have carried over. */
  readonly carriedMax: number;
  /** Bytes that wait for verification or for the disk before the sender is slowed down. */
  readonly waitingBytesMax: number;
}

export const INTAKE_LIMITS: IntakeLimits = {
  gatewayBytesMax: 16_777_216,
  unknownOriginsMax: 64,
  totalBytesMax: 268_435_456,
  strangersMax: 1_000,
  carriedMax: 200_000,
  waitingBytesMax: 16_777_216,
};

export interface IntakeContext {
  readonly crypto: EvidenceCrypto;
  readonly store: IntakeStore;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly alarms: Alarms;
  readonly writer: Writer;
  readonly limits: IntakeLimits;
  readonly parkingTotal: ParkingTotal;
  readonly trustFirstUse: boolean;
  /** Gaps that the operator accepted by name: size below which missing entries of that log are accepted. */
  readonly acceptedGaps: ReadonlyMap<string, number>;
  policy(): IntakePolicy;
  /** A service of the policy has enrolled this gateway: it is no stranger. */
  known(gateway: string): void;
  /** Asks the gateway for entries from `first` on. */
  request(log: Pick<LogIntake, 'gateway' | 'origin'>, first: number): void;
}
