/**
 * Exports that a person lays into `<data_dir>/import/` are taken in at the start and at SIGHUP. A file of which every
 * batch is held now is removed: it may hold what the store withholds. One that was not taken whole is kept as `.refused`.
 */
import { createReadStream } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { makeDirectory } from '../../platform/durable-file.ts';
import { type ImportReport, importExport } from '../intake/import-export.ts';
import type { Intake } from '../intake/intake.ts';

export async function importFolder(intake: Intake, directory: string, logger: Logger): Promise<void> {
  await makeDirectory(directory);
  const entries = await readdir(directory, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !/\.(refused|tmp)$/.test(entry.name));
  for (const { name } of files) {
    const path = join(directory, name);
    try {
      const report = await importExport(intake, createReadStream(path));
      const isWhole = isTaken(report) && intake.storeFailure === undefined;
      // While the store is down the file stays, for the next time.
      if (!isWhole && intake.storeFailure !== undefined) return;
      if (isWhole) await unlink(path);
      else await rename(path, `${path}.refused`);
      if (isWhole) logger.info({ file: name, ...report }, 'an export was taken in');
      else logger.error({ file: name, ...report }, 'not all of an export was taken in');
    } catch (error) {
      logger.error({ file: name, error: messageOf(error) }, 'an export could not be read');
    }
  }
}

/** Nothing in it but what is held now. */
function isTaken(report: ImportReport): boolean {
  const { accepted = 0, known = 0 } = report.outcomes;
  return report.batches > 0 && accepted + known === report.batches;
}
