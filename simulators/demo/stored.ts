/**
 * What lies in the consumer's files: its segment files are lines that any program reads. A line with a `#` is the
 * store's own; `commit` says that the lines before it are whole and durable.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError } from '../../src/base/errors.ts';
import { parseOrigin } from '../../src/evidence/log/origin.ts';

export interface Stored {
  /** Index to the leaf bytes that are stored for it; undefined where only its hash is kept. */
  readonly leaves: ReadonlyMap<number, string | undefined>;
  /** Indices that are stored more than once. */
  readonly duplicates: number;
}

interface CommitLine {
  readonly first: number;
  readonly count: number;
}

export function readStored(storeDir: string, originText: string): Stored {
  const origin = parseOrigin(originText);
  if (!origin.ok) throw new LatchkeyError('INPUT_UNREADABLE', `${originText} is not the name of a log`);
  const { gateway, number, tag, domain } = origin.value;
  const dir = join(storeDir, 'logs', gateway, `${number}-${tag}@${domain}`, 'entries');
  const leaves = new Map<number, string | undefined>();
  let duplicates = 0;
  for (const name of readdirSync(dir).filter((one) => one.endsWith('.ndjson'))) {
    let waiting: (string | undefined)[] = [];
    for (const line of readFileSync(join(dir, name), 'utf8').split('\n')) {
      if (line.startsWith('{"#":"commit",')) {
        const { first, count } = JSON.parse(line) as CommitLine;
        for (let i = 0; i < count; i += 1) {
          if (leaves.has(first + i)) duplicates += 1;
          leaves.set(first + i, waiting[i]);
        }
        waiting = [];
      } else if (line.startsWith('{"#":"withheld",')) waiting.push(undefined);
      else if (line !== '' && !line.startsWith('{"#"')) waiting.push(line);
    }
  }
  return { leaves, duplicates };
}

/** Entries whose bytes are the same at both ends. */
export function sameAtBothEnds(
  stored: Stored,
  exported: readonly { readonly n: number; readonly line: string }[],
): number {
  return exported.filter(({ n, line }) => stored.leaves.get(n) === line).length;
}
