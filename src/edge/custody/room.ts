/** The room of custody as its neighbours see it. */
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Actor, ParcelRef } from '../../evidence/event/event.ts';
import type { Appender } from '../contracts/appender.ts';
import type { Observed, Observer } from '../contracts/observed.ts';
import type { ReadingSink, ScanReading } from '../contracts/reading.ts';
import type { Visit } from '../contracts/visit.ts';
import type { CompartmentStatus } from './compartment.ts';
import type { ReferenceMaker } from './references.ts';
import type { SavedPart } from './saved-parts.ts';
import type { CustodySettings } from './settings.ts';
import type { StartPlace } from './snapshot.ts';
import type { VisitDesk } from './visit-keeper.ts';

export interface CustodyOptions {
  readonly settings: CustodySettings;
  readonly appender: Pick<Appender, 'append'>;
  readonly references: ReferenceMaker;
  /** Start number of the daemon in the log that is open at the start, and that log's origin. */
  readonly boot: number;
  readonly log: string;
  /** What `changes` gave in the run before, as read from disk, the head first. What is none is logged and ignored. */
  readonly restored?: readonly unknown[];
  readonly scheduler: Scheduler;
  readonly observer: Observer;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Called after each change of `revision`, in the same turn as the events that it led to. */
  readonly onChange?: () => void;
}

export interface Custody {
  /** Takes readings in the order in which they were observed. Never throws for what a reading holds. */
  readonly sink: ReadingSink;
  /** Counts up with every change that `snapshot` should not lose; looks that confirm what is known do not count. */
  readonly revision: number;
  /** The journal refused the last event: no new custody should be taken until it is false again. */
  readonly refusing: boolean;
  /** Closes what a restart cut, and begins to look at the time. */
  start(): void;
  /**
   * Said right before a door is let open: the episode that begins when it opens carries the visit. One visit a
   * compartment; a later one takes its place.
   */
  expect(visit: Visit): void;
  /**
   * The doors whose sensing is not believed from now on, in the place of those before: nothing is concluded of them until
   * they are left out again, and they are seen anew.
   */
  distrust(names: ReadonlySet<string>): void;
  /** Assignments and maintenance windows. */
  readonly visits: VisitDesk;
  /** The reference by which events name what this scan holds; undefined when it names no parcel. */
  parcelOf(reading: ScanReading): ParcelRef | undefined;
  /** Ends the timer. Readings that come later are still taken. */
  stop(): void;
  /** What time alone decides: settled and overlong episodes, scans without doors. `start` calls it each second. */
  tick(observed: Observed): void;
  /**
   * What must survive a restart and may have changed since the last call, as canonical JSON will take it: below 2 KiB a
   * compartment. Each part takes the place of the one of its number, all in one transaction. `place` is this start in the
   * log that is open now, when that is another than at the start; `whole` is for the first call in each of them.
   */
  changes(options: { readonly place?: StartPlace | undefined; readonly whole: boolean }): readonly SavedPart[];
  status(): readonly CompartmentStatus[];
  /** Says of every commissioned compartment what is known of it now; returns how many. */
  recount(observed: Observed, actor?: Actor): number;
}
