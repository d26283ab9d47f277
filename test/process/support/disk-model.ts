/**
 * A disk in memory, fed with the system calls of a traced process: what is synced is durable, and what is not may be lost
 * at a power cut, whole or page by page. Names are as strict as POSIX: a new, renamed or removed name counts only after
 * an fsync of its directory.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Syscall } from '../../support/strace.ts';

/** The calls that a trace for this model must record. */
export const DISK_CALLS = [
  'openat',
  'pwrite64',
  'pwritev',
  'pwritev2',
  'write',
  'writev',
  'ftruncate',
  'fallocate',
  'rename',
  'renameat2',
  'link',
  'unlink',
  'unlinkat',
  'rmdir',
  'mkdir',
  'fsync',
  'fdatasync',
  'sync_file_range',
  'msync',
] as const;

export interface Moment {
  readonly call: Syscall;
  readonly moment: 'start' | 'end';
  readonly line: number;
}

/** Both ends of each call, in the order of the log. */
export function momentsOf(calls: readonly Syscall[]): readonly Moment[] {
  const all = calls.flatMap((call): Moment[] => [
    { call, moment: 'start', line: call.startLine },
    ...(call.result === undefined ? [] : [{ call, moment: 'end' as const, line: call.endLine }]),
  ]);
  return all.sort((a, b) => a.line - b.line || (a.moment === 'start' ? -1 : 1));
}

/** What of the unsynced survives: `none`, or by the dice about half of the pages and a prefix of the names. */
export type Survivors = { readonly kind: 'none' } | { readonly kind: 'some'; readonly random: () => number };

type FileOp =
  | { readonly kind: 'write'; readonly call: Syscall; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'cut'; readonly call: Syscall; readonly size: number };

interface Inode {
  readonly isDirectory: boolean;
  durable: Buffer;
  pending: FileOp[];
}

interface NameOp {
  readonly call: Syscall;
  /** A name and what it then means; undefined: nothing. */
  readonly sets: readonly (readonly [string, Inode | undefined])[];
}

const PAGE = 4_096;
const CUT_SHORT_OK = /\/reserve(\.tmp)?$/;

export class DiskModel {
  readonly #root: string;
  readonly #visible = new Map<string, Inode>();
  readonly #durable = new Map<string, Inode>();
  readonly #open = new Map<number, { readonly inode: Inode; at: number }>();
  #names: NameOp[] = [];
  /** Files and names that were synced so far. */
  syncs = 0;

  /** `root` is where the traced process has its files; `before` is a folder that holds what was durable in it. */
  constructor(root: string, before: string) {
    this.#root = root;
    for (const name of readdirSync(before, { recursive: true, encoding: 'utf8' })) {
      const path = join(before, name);
      const stat = statSync(path);
      if (!stat.isDirectory() && !stat.isFile()) continue;
      const inode = inodeOf(stat.isDirectory(), stat.isFile() ? readFileSync(path) : Buffer.alloc(0));
      this.#visible.set(join(root, name), inode);
      this.#durable.set(join(root, name), inode);
    }
  }

  take({ call, moment }: Moment): void {
    if (moment !== 'end' || call.error !== undefined || call.result === undefined) return;
    const path = call.args[0]?.path ?? '';
    if (call.name === 'openat') this.#opened(call, call.result);
    else if (/^(pwrite64|write|writev|ftruncate)$/.test(call.name)) this.#changed(call, path, call.result);
    else if (/^f(data)?sync$/.test(call.name)) this.#synced(call, path);
    else if (call.name === 'mkdir') this.#name(call, [[textOf(call, 0), inodeOf(true)]]);
    else if (/^(unlink|rmdir)$/.test(call.name)) this.#name(call, [[textOf(call, 0), undefined]]);
    else if (call.name === 'rename') this.#renamed(call, textOf(call, 0), textOf(call, 1));
    else if (call.args.some((arg) => `${arg.path ?? ''} ${textIn(arg.buffers)}`.includes(this.#root))) {
      throw new Error(`${call.name} is not modelled`);
    }
  }

  #renamed(call: Syscall, from: string, to: string): void {
    this.#name(call, [
      [from, undefined],
      [to, this.#visible.get(from)],
    ]);
  }

  /** Writes what a power cut now would leave. */
  writeTo(folder: string, survivors: Survivors): void {
    const names = new Map(this.#durable);
    if (survivors.kind === 'some') {
      // A journalling file system keeps the order of names.
      const kept = Math.floor(survivors.random() * (this.#names.length + 1));
      for (const op of this.#names.slice(0, kept)) setAll(names, op);
    }
    mkdirSync(folder, { recursive: true });
    for (const [path, inode] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!this.#isReachable(path, names)) continue;
      const place = join(folder, path.slice(this.#root.length));
      if (inode.isDirectory) mkdirSync(place, { recursive: true });
      else writeFileSync(place, contentOf(inode, survivors), { mode: 0o600 });
    }
  }

  #isReachable(path: string, names: ReadonlyMap<string, Inode>): boolean {
    const above = dirname(path);
    return above === this.#root || (names.get(above)?.isDirectory === true && this.#isReachable(above, names));
  }

  #opened(call: Syscall, descriptor: number): void {
    const path = textOf(call, 1);
    const flags = call.args[2]?.text ?? '';
    this.#open.delete(descriptor);
    if (!path.startsWith(`${this.#root}/`) || flags.includes('O_DIRECTORY')) return;
    let inode = this.#visible.get(path);
    if (inode === undefined) {
      if (!flags.includes('O_CREAT')) return;
      inode = inodeOf(false);
      this.#name(call, [[path, inode]]);
    } else if (flags.includes('O_TRUNC')) inode.pending.push({ kind: 'cut', call, size: 0 });
    if (flags.includes('O_APPEND')) throw new Error('O_APPEND is not modelled');
    this.#open.set(descriptor, { inode, at: 0 });
  }

  #changed(call: Syscall, path: string, result: number): void {
    const file = this.#open.get(descriptorOf(call));
    if (file === undefined || !path.startsWith(`${this.#root}/`)) return;
    if (call.name === 'ftruncate') {
      file.inode.pending.push({ kind: 'cut', call, size: Number(call.args[1]?.text) });
      return;
    }
    const recorded = Buffer.concat(call.args[1]?.buffers ?? []);
    if (recorded.length < result && !CUT_SHORT_OK.test(path))
      throw new Error(`the trace cuts a write to ${path} short`);
    const bytes = Buffer.alloc(result);
    recorded.copy(bytes);
    const at = call.name === 'pwrite64' ? Number(call.args[3]?.text) : file.at;
    if (call.name !== 'pwrite64') file.at += result;
    file.inode.pending.push({ kind: 'write', call, at, bytes });
  }

  /** Only what had returned before the sync began. */
  #synced(call: Syscall, path: string): void {
    if (path !== this.#root && !path.startsWith(`${this.#root}/`)) return;
    this.syncs += 1;
    const before = (op: { readonly call: Syscall }): boolean => op.call.endLine < call.startLine;
    const inode = this.#open.get(descriptorOf(call))?.inode;
    if (inode !== undefined && !inode.isDirectory) {
      inode.durable = applied(inode.durable, inode.pending.filter(before));
      inode.pending = inode.pending.filter((op) => !before(op));
      return;
    }
    const isHere = (op: NameOp): boolean => before(op) && op.sets.some(([name]) => dirname(name) === path);
    for (const op of this.#names.filter(isHere)) setAll(this.#durable, op);
    this.#names = this.#names.filter((op) => !isHere(op));
  }

  #name(call: Syscall, sets: NameOp['sets']): void {
    if (!sets.some(([name]) => name.startsWith(`${this.#root}/`))) return;
    const op = { call, sets };
    setAll(this.#visible, op);
    this.#names.push(op);
  }
}

function inodeOf(isDirectory: boolean, durable: Buffer = Buffer.alloc(0)): Inode {
  return { isDirectory, durable, pending: [] };
}

function setAll(names: Map<string, Inode>, op: NameOp): void {
  for (const [name, inode] of op.sets) {
    if (inode === undefined) names.delete(name);
    else names.set(name, inode);
  }
}

function descriptorOf(call: Syscall): number {
  return Number.parseInt(call.args[0]?.text ?? '', 10);
}

function textIn(buffers: readonly Uint8Array[]): string {
  return Buffer.from(buffers[0] ?? []).toString();
}

function textOf(call: Syscall, arg: number): string {
  return textIn(call.args[arg]?.buffers ?? []);
}

function applied(content: Buffer, ops: readonly FileOp[], keeps: (() => boolean) | undefined = undefined): Buffer {
  let size = content.length;
  for (const op of ops) if (op.kind === 'write') size = Math.max(size, op.at + op.bytes.length);
  const room = Buffer.alloc(size);
  content.copy(room);
  let end = content.length;
  for (const op of ops) {
    if (op.kind === 'cut') {
      if (keeps?.() === false) continue;
      room.fill(0, Math.min(op.size, end));
      end = op.size;
      if (end > size) throw new Error('a file is made longer by ftruncate');
      continue;
    }
    for (let at = op.at; at < op.at + op.bytes.length; ) {
      const next = Math.min(op.at + op.bytes.length, (Math.floor(at / PAGE) + 1) * PAGE);
      if (keeps?.() !== false) {
        room.set(op.bytes.subarray(at - op.at, next - op.at), at);
        end = Math.max(end, next);
      }
      at = next;
    }
  }
  return room.subarray(0, end);
}

function contentOf(inode: Inode, survivors: Survivors): Buffer {
  if (survivors.kind === 'none') return inode.durable;
  return applied(inode.durable, inode.pending, () => survivors.random() < 0.5);
}
