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

/** `dataDir` holds the files of the traced process. `synced`: the syncs that count, all of them by default. */
export function judgeCovered(
  calls: readonly Syscall[],
  messages: readonly TracedMessage[],
  dataDir: string,
): (synced?: (call: Syscall) => boolean) => CoveredReport {
  const find = finderOf(calls, dataDir);
  const batches = messages.filter(({ topic }) => topic.endsWith('/batch'));
  const sent = batches.flatMap(({ firstLine, payload }) =>
    saltsIn(Buffer.from(payload).toString('latin1')).map((salt) => ({ firstLine, write: find(salt) })),
  );
  const syncs = calls.filter(({ name, result }) => /^f(data)?sync$/.test(name) && result === 0);
  return (synced = () => true) => {
    const counted = syncs.filter(synced);
    const coverEnd = memo((write: Write): number => {
      const sync = counted.find((call) => call.args[0]?.path === write.path && call.startLine > write.call.endLine);
      return sync?.endLine ?? Number.POSITIVE_INFINITY;
    });
    const faults = sent.flatMap(({ firstLine, write }): readonly string[] => {
      if (write === undefined) return [`line ${firstLine}: an entry leaves that was never written`];
      if (coverEnd(write) < firstLine) return [];
      return [`line ${firstLine}: an entry leaves that was written at line ${write.call.endLine}, unsynced`];
    });
    return { batches: batches.length, entries: sent.length, faults: faults.slice(0, FAULTS_MAX) };
  };
}

function finderOf(calls: readonly Syscall[], dataDir: string): (salt: string) => Write | undefined {
  const writes = calls.flatMap((call): readonly Write[] => {
    const path = call.args[0]?.path ?? '';
    if (!WRITES.test(call.name) || !path.startsWith(`${dataDir}/`) || call.error !== undefined) return [];
    return [{ path, call, text: Buffer.concat(call.args[1]?.buffers ?? []).toString('latin1') }];
  });
  const first = new Map<string, Write>();
  for (const write of writes) for (const salt of saltsIn(write.text)) if (!first.has(salt)) first.set(salt, write);
  // A leaf in which a page ends: one half of its salt is whole all the same.
  const half = (salt: string): Write | undefined =>
    writes.find(({ text }) => text.includes(salt.slice(0, 11)) || text.includes(salt.slice(11)));
  return (salt) => first.get(salt) ?? half(salt);
}

function saltsIn(text: string): readonly string[] {
  return [...text.matchAll(SALT)].map(([, salt = '']) => salt);
}

function memo(work: (write: Write) => number): (write: Write) => number {
  const known = new Map<Write, number>();
  return (write) => {
    const value = known.get(write) ?? work(write);
    known.set(write, value);
    return value;
  };
}
