/**
 * What a person must look at: each kind once per log, counted, logged when it first happens and then at most once a
 * minute. Texts are ours alone: nothing that a batch says is repeated.
 */
import type { Clock } from '../../base/clock.ts';
import { wallText } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';

export const ALARMS = {
  fork: 'the log key signed two trees; both byte strings are kept',
  foreign_origin: 'a message on the topic of one gateway names a log of another',
  refused_signed: 'bytes with a valid signature of the log key are no valid batch',
  unreadable_parked: 'a signed batch has a header that this version does not know; it is parked',
  unknown_origin: 'nobody vouches for this log; its batches are parked until the policy names it',
  parking_full: 'parked bytes reached their limit; further ones are dropped until there is room',
  trusted_at_first_use: 'the key of this log was believed because it came first',
  second_successor: 'two successors are stated for one log; neither branch is believed',
  grew_after_successor: 'a log has entries above the size at which its successor took over; neither branch is believed',
  successor_refused: 'a successor statement does not verify',
  grew_after_close: 'a log has entries above the size at which the next log calls it closed',
  withheld: 'a signed event holds what may not be stored; its body was dropped and its hash kept',
  carried_differs: 'a carried entry names another leaf than the one held there; it counts as a second, true event',
  carried_full: 'the gateway carried over more entries than the limit; its batches are refused until it is raised',
  gap_opened: 'entries are missing and were offered no more; no receipts until they are imported or the gap accepted',
  too_many_gaps: 'a log has more gaps than are kept; further ones are refused',
  behind_receipt: 'less is held than was receipted; no receipts until the entries are back',
  receipt_contradicted: 'the tree that is held is not the one that was receipted; this log gets no more receipts',
  witness_contradicts:
    'an independent witness holds another tree of this log: it has two branches, or the witness is wrong',
  witness_ahead:
    'an independent witness cosigned more of this log than is stored: entries are on their way, the store was set back, or the log has two branches',
  witness_went_back: 'an independent witness knows less of this log than it cosigned: it lost its memory, or lies',
  store_down: 'the store cannot write; nothing is receipted',
  gateways_full: 'more gateways send than the limit allows; further ones are ignored',
} as const;

export type AlarmKind = keyof typeof ALARMS;

export interface Alarm {
  readonly kind: AlarmKind;
  readonly gateway: string;
  /** The log, when one is meant. */
  readonly origin?: string;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly detail: string;
}

const ALARMS_MAX = 1_000;
const LOG_INTERVAL_MS = 60_000;

interface Entry {
  readonly kind: AlarmKind;
  readonly gateway: string;
  readonly origin: string | undefined;
  readonly firstAt: string;
  lastAt: string;
  detail: string;
  count: number;
  loggedMs: number;
}

export class Alarms {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #entries = new Map<string, Entry>();
  #unlisted: Entry | undefined;

  constructor(clock: Clock, logger: Logger, metrics: Metrics) {
    this.#clock = clock;
    this.#logger = logger;
    this.#metrics = metrics;
  }

  raise(kind: AlarmKind, gateway: string, origin?: string, detail: string = ALARMS[kind]): void {
    this.#metrics.count('intake_alarms', 1, { kind });
    const nowMs = this.#clock.monotonicMs();
    const at = wallText(this.#clock.wallMs());
    const key = `${kind} ${gateway} ${origin ?? ''}`;
    const entry = this.#entries.get(key) ?? this.#add(key, { kind, gateway, origin, firstAt: at });
    entry.count += 1;
    entry.lastAt = at;
    entry.detail = detail;
    if (nowMs - entry.loggedMs < LOG_INTERVAL_MS) return;
    entry.loggedMs = nowMs;
    this.#logger.error({ alarm: kind, gateway, origin, count: entry.count, detail }, 'alarm');
  }

  /** What finds no room is counted together, so that it cannot fill the log either. */
  #add(key: string, what: Pick<Entry, 'kind' | 'gateway' | 'origin' | 'firstAt'>): Entry {
    const fresh = { ...what, lastAt: what.firstAt, detail: '', count: 0, loggedMs: Number.NEGATIVE_INFINITY };
    if (this.#entries.size < ALARMS_MAX) this.#entries.set(key, fresh);
    else {
      this.#unlisted ??= fresh;
      return this.#unlisted;
    }
    return fresh;
  }

  /** Alarms that found no room in the list. */
  get unlisted(): number {
    return this.#unlisted?.count ?? 0;
  }

  list(): readonly Alarm[] {
    return [...this.#entries.values()].map(({ kind, gateway, origin, count, firstAt, lastAt, detail }) => {
      return { kind, gateway, ...(origin === undefined ? {} : { origin }), count, firstAt, lastAt, detail };
    });
  }
}
