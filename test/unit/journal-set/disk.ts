/** A data directory seen from outside of the product. */
import { cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** Names, sizes and times of everything below: another text means that the disk changed. */
export function looksOf(path: string): string {
  return readdirSync(path, { withFileTypes: true })
    .map((entry) => {
      const file = join(path, entry.name);
      if (entry.isDirectory()) return `${entry.name}(${looksOf(file)})`;
      // A file may go between the listing and the look.
      const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
      return `${entry.name}:${stat?.size}:${stat?.mtimeNs}`;
    })
    .join(',');
}

/** Marks of the events in all databases here, read without the product: what a loss has left. */
export function marksOn(dir: string): Set<string> {
  const marks = new Set<string>();
  for (const directory of [join(dir, 'journal'), join(dir, 'journal', 'quarantine')]) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory).filter((file) => file.endsWith('.db'))) {
      // A copy, since reading a WAL writes beside it.
      const copy = join(dir, 'look.db');
      for (const suffix of ['', '-wal']) {
        rmSync(`${copy}${suffix}`, { force: true });
        if (existsSync(join(directory, `${name}${suffix}`)))
          cpSync(join(directory, `${name}${suffix}`), `${copy}${suffix}`);
      }
      const database = new Database(copy);
      const rows = database.prepare<[], { leaves: Buffer | null }>('SELECT leaves FROM commits').all();
      for (const { leaves } of rows) {
        for (const match of (leaves?.toString() ?? '').matchAll(/"text":"(event-\d+)"/g)) marks.add(match[1] ?? '');
      }
      database.close();
      for (const suffix of ['', '-wal']) rmSync(`${copy}${suffix}`, { force: true });
    }
  }
  return marks;
}
