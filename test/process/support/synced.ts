/**
 * What a power cut would leave of the consumer's files, from a trace of its system calls: for each receipt that reaches
 * a socket, whether entries and cosigned tree were synced before.
 */
import { parser } from 'mqtt-packet';
import type { Syscall } from '../../support/strace.ts';
import { committedEntries, cosignedTrees } from './store-files.ts';

export interface SyncedReport {
  /** Receipts that the trace shows leaving. */
  readonly receipts: number;
  readonly faults: readonly string[];
}

interface TracedFile {
  written: Buffer;
  synced: Buffer;
}

/** `before`: path to content at the start of the trace, of all files of one log. `logDir`: that log's folder. */
export function judgeSyncs(
  calls: readonly Syscall[],
  before: ReadonlyMap<string, Buffer>,
  logDir: string,
): SyncedReport {
  const files = new Map<string, TracedFile>();
  for (const [path, content] of before) files.set(path, { written: content, synced: content });
  const sockets = new Map<string, (bytes: Uint8Array) => readonly number[]>();
  const faults: string[] = [];
  let receipts = 0;
  for (const { call, moment } of moments(calls)) {
    const path = call.args[0]?.path ?? '';
    const isOutput = /^[12]</.test(call.args[0]?.text ?? '');
    if (moment === 'start' && /^write/.test(call.name) && path.startsWith('socket') && !isOutput) {
      const reader = sockets.get(path) ?? receiptReader();
      sockets.set(path, reader);
      for (const size of call.args.slice(1).flatMap(({ buffers }) => buffers.flatMap((bytes) => reader(bytes)))) {
        receipts += 1;
        faults.push(...uncovered(size, files, logDir, call.startLine));
      }
    } else if (path.startsWith(logDir)) apply(call, moment, path, files);
  }
  return { receipts, faults };
}

/** Both ends of each call, in the order of the log. */
function moments(calls: readonly Syscall[]): readonly { readonly call: Syscall; readonly moment: 'start' | 'end' }[] {
  const all = calls.flatMap((call) => [
    { call, moment: 'start' as const, line: call.startLine },
    ...(call.result === undefined ? [] : [{ call, moment: 'end' as const, line: call.endLine }]),
  ]);
  return all.sort((a, b) => a.line - b.line || (a.moment === 'start' ? -1 : 1));
}

/** A write may count when it begins; what is synced is what was written when the sync began, once it has returned. */
function apply(call: Syscall, moment: 'start' | 'end', path: string, files: Map<string, TracedFile>): void {
  const file = files.get(path) ?? { written: Buffer.alloc(0), synced: Buffer.alloc(0) };
  files.set(path, file);
  if (moment !== 'end' || call.error !== undefined) return;
  if (call.name === 'pwrite64') {
    const bytes = call.args[1]?.buffers[0] ?? new Uint8Array(0);
    const at = Number(call.args[3]?.text);
    const grown = Buffer.alloc(Math.max(file.written.length, at + bytes.length));
    file.written.copy(grown);
    grown.set(bytes.subarray(0, call.result), at);
    file.written = grown;
  } else if (call.name === 'ftruncate') file.written = file.written.subarray(0, Number(call.args[1]?.text));
  else if (call.name === 'fsync' || call.name === 'fdatasync') file.synced = file.written;
}

function uncovered(
  size: number,
  files: ReadonlyMap<string, TracedFile>,
  logDir: string,
  line: number,
): readonly string[] {
  const synced = [...files].map(([path, file]) => [path, file.synced.toString('utf8')] as const);
  const segments = synced.filter(([path]) => path.startsWith(`${logDir}/entries/`) && path.endsWith('.ndjson'));
  const held = new Set(segments.flatMap(([, text]) => committedEntries(text).map(({ n }) => n)));
  const noted = synced.filter(([path]) => path.endsWith('/cosigned.ndjson')).flatMap(([, text]) => cosignedTrees(text));
  const found: string[] = [];
  for (let n = 0; n < size; n += 1) {
    if (held.has(n)) continue;
    found.push(`line ${line}: a receipt of size ${size} leaves and entry ${n} is not synced`);
    break;
  }
  if (!noted.some((tree) => tree.size === size))
    found.push(`line ${line}: the cosigned tree of size ${size} is not synced`);
  return found;
}

/** Sizes of the receipts that are whole with these bytes of a connection. */
function receiptReader(): (bytes: Uint8Array) => readonly number[] {
  const frames = parser();
  let sizes: number[] = [];
  frames.on('packet', (packet) => {
    if (packet.cmd !== 'publish' || packet.topic.split('/')[4] !== 'receipt') return;
    sizes.push(Number(packet.payload.toString().split('\n')[1]));
  });
  return (bytes) => {
    sizes = [];
    frames.parse(Buffer.from(bytes));
    return sizes;
  };
}
