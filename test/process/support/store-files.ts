/**
 * What lies in the consumer's files, read without the product: segment files are lines, a line with a `#` is the store's
 * own, and `commit` says that the lines before it are whole. What follows the last commit is a torn end and does not count.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StoredEntry {
  readonly n: number;
  readonly line: string;
}

export interface StoredLog {
  readonly origin: string;
  /** In the order of the files; an index that is stored twice is here twice. */
  readonly entries: readonly StoredEntry[];
  /** Trees that may carry the consumer's cosignature, in the order in which they were noted. */
  readonly cosigned: readonly { readonly size: number; readonly root: string }[];
}

export function readStore(storeDir: string): readonly StoredLog[] {
  const logs = join(storeDir, 'logs');
  if (!existsSync(logs)) return [];
  return readdirSync(logs).flatMap((gateway) =>
    readdirSync(join(logs, gateway))
      .filter((name) => name.includes('@'))
      .map((name) => readLog(join(logs, gateway, name), originOf(gateway, name))),
  );
}

/** `1-9f2c01aa@lockers.example` of gateway gw-0001 is `lockers.example/gw-0001/1-9f2c01aa`. */
function originOf(gateway: string, name: string): string {
  const [tag = '', domain = ''] = name.split('@');
  return `${domain}/${gateway}/${tag}`;
}

function readLog(dir: string, origin: string): StoredLog {
  const entriesDir = join(dir, 'entries');
  const names = existsSync(entriesDir) ? readdirSync(entriesDir).filter((name) => /^\d+\.ndjson$/.test(name)) : [];
  const entries = names.sort().flatMap((name) => committedEntries(readFileSync(join(entriesDir, name), 'utf8')));
  const cosignedFile = join(dir, 'cosigned.ndjson');
  const cosigned = existsSync(cosignedFile) ? cosignedTrees(readFileSync(cosignedFile, 'utf8')) : [];
  return { origin, entries, cosigned };
}

/** Entries before the last whole commit line of a segment file's text. */
export function committedEntries(text: string): readonly StoredEntry[] {
  const entries: StoredEntry[] = [];
  let waiting: string[] = [];
  for (const line of wholeLines(text)) {
    if (line.startsWith('{"#":"segment",')) continue;
    if (!line.startsWith('{"#":"commit",')) {
      waiting.push(line);
      continue;
    }
    const { first, count } = JSON.parse(line) as { first: number; count: number };
    if (waiting.length !== count) throw new Error(`a commit of ${count} entries follows ${waiting.length} lines`);
    for (const [i, entry] of waiting.entries()) entries.push({ n: first + i, line: entry });
    waiting = [];
  }
  return entries;
}

export function cosignedTrees(text: string): readonly { readonly size: number; readonly root: string }[] {
  return wholeLines(text).map((line) => JSON.parse(line) as { size: number; root: string });
}

function wholeLines(text: string): readonly string[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
}
