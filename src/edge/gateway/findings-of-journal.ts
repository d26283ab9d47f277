/** What stands still or broke in the journal. */
import type { Finding } from '../contracts/console-view.ts';
import { inWords, ROOM_WORDS } from '../contracts/plain-words.ts';
import type { JournalStatus } from '../journal/journal-status.ts';
import { type FindingName, finding } from './findings.ts';

/** Problems first, then what broke and is over: shown for as long as the files are here. */
export function journalFindings(status: JournalStatus): readonly Finding[] {
  const found: Finding[] = [];
  if (status.open === undefined) found.push(finding('no_open_log', 'no log is open: the next one waits for the disk'));
  if (status.writer !== 'open')
    found.push(finding('writer_away', `the journal's writer is ${status.writer.replaceAll('_', ' ')}`));
  if (status.room !== 'ok')
    found.push(finding('disk_room', `room on the disk: ${ROOM_WORDS[status.room]} (${status.room})`));
  for (const log of status.logs) {
    if (log.state === 'open' && log.key !== 'here') {
      found.push(finding('key_away', `the key of log ${log.origin} is ${log.key}`, log.origin));
    }
  }
  const breaks = breaksOf(status);
  found.push(...breaks.flatMap(({ kind, name, what, isOver }) => (isOver ? [] : [finding(kind, what, name)])));
  for (const { name, reason } of status.leftAlone) {
    found.push(finding('log_left_alone', `log ${name} cannot be opened and waits for another start: ${reason}`, name));
  }
  const over = breaks.filter(({ isOver }) => isOver);
  return [...found, ...over.map((each) => finding('break_is_over', `${each.what}; ${each.over}`, each.name))];
}

interface Break {
  readonly kind: FindingName;
  /** Of the log or the file. */
  readonly name: string;
  readonly what: string;
  /** How it ended, once it has. */
  readonly over: string;
  readonly isOver: boolean;
}

/**
 * A break is over when nothing more can come of it: every entry that could be read is receipted in its log or as carried,
 * and where nothing could be read, a later log, whose entry 0 says so, has its first receipt.
 */
function breaksOf(status: JournalStatus): readonly Break[] {
  const nameOf = (origin: string): string => origin.split('/')[2] ?? origin;
  const held = new Map(status.logs.map((log) => [nameOf(log.origin), log]));
  const saved = 'what could be read of it is receipted, the rest is named in the next log';
  const breached = status.logs
    .filter(({ state, cause }) => state === 'breached' && cause !== 'quarantined')
    .map(({ origin, cause = 'unknown', settled }): Break => {
      const what = `log ${origin} is breached: ${inWords(cause)}`;
      return { kind: 'log_breached', name: origin, what, over: saved, isOver: settled };
    });
  const aside = status.setAside.flatMap((file): readonly Break[] => {
    const name = file.slice(0, file.lastIndexOf('.'));
    // Not looked into in this run: that is a problem of its own.
    if (status.leftAlone.some((left) => left.name === name)) return [];
    const about = { kind: 'file_set_aside', name: file, what: `a damaged file was set aside: ${file}` } as const;
    const log = held.get(name);
    return log === undefined
      ? [{ ...about, over: 'nothing of it could be read', isOver: isFollowed(status, name) }]
      : [{ ...about, over: saved, isOver: log.settled }];
  });
  const isAside = (name: string): boolean => status.setAside.some((file) => file.startsWith(`${name}.`));
  const gone = status.gone
    .filter((origin) => !isAside(nameOf(origin)))
    .map((origin): Break => {
      const what = `the database of log ${origin} is gone`;
      const isOver = isFollowed(status, nameOf(origin));
      return { kind: 'log_gone', name: origin, what, over: 'the next log says so', isOver };
    });
  return [...breached, ...aside, ...gone];
}

/** A log after that one has a receipt. */
function isFollowed({ logs }: JournalStatus, name: string): boolean {
  const numberOf = (of: string): number => Number(of.split('-')[0]);
  return logs.some((log) => log.receiptedSize > 0 && numberOf(log.origin.split('/')[2] ?? '') > numberOf(name));
}
