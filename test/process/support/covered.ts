/**
 * In a trace under load no byte of a batch reaches a socket before the fsync that covers it: entries are found in the
 * writes to files by their salts, which are random and occur nowhere else.
 */
import type { Syscall } from '../../support/strace.ts';
import type { TracedMessage } from './sightings.ts';

export interface CoveredReport {
  readonly batches: number;
  readonly entries: number;
  readonly faults: readonly string[];
}

interface Write {
  readonly path: string;
  readonly call: Syscall;
  readonly text: string;
}

const SALT = /"salt":"([A-Za-z0-9_-]{22})"/g;
const WRITES = /^p?writev?(64)?$/;
const FAULTS_MAX = 10;

/** `dataDir` holds the files of the traced process. */
export function judgeCovered(
  calls: readonly Syscall[],
  messages: readonly TracedMessage[],
  dataDir: string,
): CoveredReport {
  const writes = calls.flatMap((call): readonly Write[] => {
    const path = call.args[0]?.path ?? '';
    if (!WRITES.test(call.name) || !path.startsWith(`${dataDir}/`) || call.error !== undefined) return [];
    return [{ path, call, text: Buffer.concat(call.args[1]?.buffers ?? []).toString('latin1') }];
  });
  const first = new Map<string, Write>();
  for (const write of writes) {
    for (const [, salt = ''] of write.text.matchAll(SALT)) if (!first.has(salt)) first.set(salt, write);
  }
  // A leaf that a page ends in: one half of its salt is whole all the same.
  const find = (salt: string): Write | undefined =>
    first.get(salt) ??
    writes.find(({ text }) => text.includes(salt.slice(0, 11)) || text.includes(salt.slice(11)));
  const syncs = calls.filter(({ name, result }) => /^f(data)?sync$/.test(name) && result === 0);
  const coverEnd = memo((write: Write): number => {
    const sync = syncs.find((call) => call.args[0]?.path === write.path && call.startLine > write.call.endLine);
    return sync?.endLine ?? Number.POSITIVE_INFINITY;
  });

  const faults: string[] = [];
  let batches = 0;
  let entries = 0;
  for (const message of messages.filter(({ topic }) => topic.endsWith('/batch'))) {
    batches += 1;
    for (const [, salt = ''] of Buffer.from(message.payload).toString('latin1').matchAll(SALT)) {
      entries += 1;
      const write = find(salt);
      if (write === undefined) faults.push(`line ${message.firstLine}: an entry leaves that was never written`);
      else if (coverEnd(write) >= message.firstLine) {
        faults.push(`line ${message.firstLine}: an entry leaves that was written at line ${write.call.endLine}, unsynced`);
      }
    }
  }
  return { batches, entries, faults: faults.slice(0, FAULTS_MAX) };
}

function memo(work: (write: Write) => number): (write: Write) => number {
  const known = new Map<Write, number>();
  return (write) => {
    const value = known.get(write) ?? work(write);
    known.set(write, value);
    return value;
  };
}
