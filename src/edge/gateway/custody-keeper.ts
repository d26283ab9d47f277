/** Custody with its memory: what must survive a restart is kept by the journal, beside the events that led to it. */
import type { Scheduler } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Actor, EventBody, ParcelRef } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { AppendAnswer, EntryRef, EventDraft } from '../contracts/appender.ts';
import type { Observer } from '../contracts/observed.ts';
import type { ReadingSink, ScanReading } from '../contracts/reading.ts';
import type { Visit } from '../contracts/visit.ts';
import type { CompartmentStatus } from '../custody/compartment.ts';
import { createCustody } from '../custody/custody.ts';
import { clearReferences, pseudonymousReferences } from '../custody/references.ts';
import { PARTS_MAX } from '../custody/saved-parts.ts';
import type { VisitDesk, VisitStatus } from '../custody/visit-keeper.ts';
import type { Journal } from '../journal/journal.ts';
import { loadReferenceKeys } from './references.ts';
import { SensorMarks } from './sensor-marks.ts';
import type { GatewaySettings } from './settings.ts';

const STATE_NAME = 'custody';
/** In the place of a part that an earlier run with more compartments wrote. */
const NO_PART = 'null';

export interface CustodyKeeperParts {
  readonly settings: GatewaySettings;
  readonly journal: Journal;
  /** Start number of the daemon in the log that was open at the start, and that log's origin. */
  readonly boot: number;
  readonly log: string;
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface CustodyKeeper {
  readonly sink: ReadingSink;
  status(): CustodyStatus;
  /** A door is about to be opened. */
  expect(visit: Visit): void;
  /** Says of every commissioned compartment what is known of it; returns how many. */
  recount(actor: Actor): number;
  /** The doors whose sensing is not believed from now on. */
  distrust(names: ReadonlySet<string>): void;
  /** Assignments and maintenance windows. */
  readonly visits: VisitDesk;
  /** The reference by which events name what this scan holds. */
  parcelOf(reading: ScanReading): ParcelRef | undefined;
  /** Calls with each event of custody, at once and after it was appended. */
  onEvent(listener: (body: EventBody) => void): void;
  /** Calls with each event about a compartment once it is durable, and its index. */
  onDurable(listener: (body: EventBody, index: number) => void): void;
  stop(): void;
}

export interface CustodyStatus {
  /** The journal refused the last event: no new custody is to be taken. */
  readonly refusing: boolean;
  readonly compartments: readonly CompartmentStatus[];
  readonly expected: VisitStatus;
}

/** Throws like `loadReferenceKeys`. */
export function startCustody(parts: CustodyKeeperParts): CustodyKeeper {
  const { settings, journal, boot, log, observer, scheduler, logger, metrics } = parts;
  const keys = loadReferenceKeys(settings.references);
  const { restored, partsBefore } = savedBy(journal);
  const listeners: ((body: EventBody) => void)[] = [];
  const durable: ((body: EventBody, index: number) => void)[] = [];
  const marks = new SensorMarks();
  const append = (draft: EventDraft): AppendAnswer => {
    const body = marks.mark(draft.body);
    const onDurable = (entry: EntryRef): void => {
      draft.onDurable?.(entry);
      for (const listener of durable) listener(body, entry.index);
    };
    const answer = journal.appender.append({ ...draft, body, ...(body.compartment !== undefined && { onDurable }) });
    for (const listener of listeners) listener(body);
    return answer;
  };
  const custody = createCustody({
    settings: settings.custody,
    appender: { append },
    references: keys.length === 0 ? clearReferences() : pseudonymousReferences(nodeCrypto, keys),
    boot,
    log,
    restored,
    scheduler,
    observer,
    logger: logger.child({ room: 'custody' }),
    metrics,
    onChange: () => save(),
  });
  let savedFor = log;
  let partCount = 0;
  const save = (begins = false): void => {
    // Between two logs the one before is named, and the state is saved anew when the next is open.
    const open = journal.openOrigin() ?? savedFor;
    const whole = begins || open !== savedFor;
    savedFor = open;
    const place = open === log ? undefined : { log: open, boot: journal.log(open).record.boot };
    for (const { number, state } of custody.changes({ place, whole })) {
      journal.saveState(number === undefined ? STATE_NAME : partName(number), canonicalJson(state));
      if (number !== undefined) partCount = Math.max(partCount, number + 1);
    }
  };
  custody.start();
  // Also when nothing changed: what was saved by the run before counts its starts up to that one.
  save(true);
  for (let number = partCount; number < partsBefore; number += 1) journal.saveState(partName(number), NO_PART);
  // A log that opens while the daemon runs counts its starts anew.
  const forget = journal.outbox.onChange(() => {
    const open = journal.openOrigin();
    if (open !== undefined && open !== savedFor) save();
  });
  const status = (): CustodyStatus => {
    return { refusing: custody.refusing, compartments: custody.status(), expected: custody.visits.status() };
  };
  const stop = (): void => {
    forget();
    custody.stop();
    // Scans that wait for a door and looks that only confirmed are not worth a write each: here they are.
    save(true);
  };
  return {
    sink: (reading) => {
      marks.note(reading);
      custody.sink(reading);
    },
    status,
    expect: (visit) => custody.expect(visit),
    distrust: (names) => custody.distrust(names),
    recount: (actor) => custody.recount(observer.observe(), actor),
    onEvent: (listener) => void listeners.push(listener),
    onDurable: (listener) => void durable.push(listener),
    visits: custody.visits,
    parcelOf: (reading) => custody.parcelOf(reading),
    stop,
  };
}

function partName(number: number): string {
  return `${STATE_NAME}_${number}`;
}

/** What the run before kept, and how many parts there are in it. */
function savedBy(journal: Pick<Journal, 'loadState'>) {
  const texts: string[] = [];
  for (const name of [STATE_NAME, ...Array.from({ length: PARTS_MAX }, (_, number) => partName(number))]) {
    const text = journal.loadState(name);
    if (text === undefined) break;
    texts.push(text);
  }
  const restored = texts.filter((text) => text !== NO_PART).map(parseState);
  return { restored, partsBefore: Math.max(0, texts.length - 1) };
}

/** What is no JSON is no state: custody says so itself when it cannot read one. */
function parseState(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
