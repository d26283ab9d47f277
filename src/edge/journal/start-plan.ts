/**
 * What a start finds on disk, and with which log it goes on. Pure.
 */
import type { CloseCause, LogState, OpenCause } from './continuity.ts';

export interface FoundLog {
  readonly origin: string;
  readonly number: number;
  readonly state: LogState;
  /** `locked` also while the key store cannot say yet. */
  readonly key: 'here' | 'locked' | 'lost';
  /** Of a lost key; `key_lost` unless given. */
  readonly lostBy?: 'key_lost' | 'tpm_cleared';
  /** Its domain and gateway are the configured ones. */
  readonly isOurs: boolean;
  /** Its last entry is `key.rotated`: a rotation was cut off before the next log opened. */
  readonly isRotated: boolean;
}

export interface FoundName {
  readonly origin: string;
  readonly number: number;
}

export interface Found {
  readonly logs: readonly FoundLog[];
  /** Keys whose database is gone. */
  readonly lost: readonly FoundName[];
  /** Logs whose database was set aside and cannot be read at all. */
  readonly unreadable: readonly FoundName[];
}

export interface StartPlan {
  /** Open logs that get no new note any more. */
  readonly closes: readonly { readonly origin: string; readonly cause: CloseCause }[];
  /** The log to go on with; otherwise one must be opened. */
  readonly goOn?: string;
  readonly open?: { readonly cause: OpenCause; readonly after?: string };
}

/**
 * Only the newest log can go on, and only when nothing newer was ever here: an open log below a newer one is an old
 * copy, or was left open by a crash, and is closed.
 */
export function planStart(found: Found): StartPlan {
  const newest = newestOf(found);
  const open = found.logs.filter((log) => log.state.kind === 'open');
  if (newest === undefined) return { closes: [], open: { cause: 'first_start' } };
  const log = found.logs.find(({ origin }) => origin === newest.origin);
  const cause = causeOf(found, newest.origin, log);
  const closes = open
    .filter(({ origin }) => origin !== newest.origin || cause !== undefined)
    .map(({ origin }) => ({ origin, cause: origin === newest.origin ? closeCause(cause) : 'rotation' }) as const);
  if (cause === undefined) return { closes, goOn: newest.origin };
  return { closes, open: { cause, after: newest.origin } };
}

function newestOf(found: Found): FoundName | undefined {
  let newest: FoundName | undefined;
  // Of equal numbers a log that is held wins over one that is only remembered.
  for (const each of [...found.logs, ...found.unreadable, ...found.lost]) {
    if (newest === undefined || each.number > newest.number) newest = each;
  }
  return newest;
}

/** Why the newest log cannot go on; undefined when it can. */
function causeOf(found: Found, origin: string, log: FoundLog | undefined): OpenCause | undefined {
  if (log === undefined)
    return found.unreadable.some((each) => each.origin === origin) ? 'quarantined' : 'database_lost';
  if (log.state.kind !== 'open') return log.state.cause;
  if (!log.isOurs) return 'settings';
  if (log.isRotated) return 'rotation';
  return log.key === 'lost' ? (log.lostBy ?? 'key_lost') : undefined;
}

function closeCause(cause: OpenCause | undefined): CloseCause {
  return cause === 'key_lost' || cause === 'tpm_cleared' || cause === 'settings' ? cause : 'rotation';
}
