/** `latchkey risk migrate`: the schema of the database, by whom it belongs to. */
import { LatchkeyError } from '../../base/errors.ts';
import { migrateStore } from '../../risk/receive/open-store.ts';
import type { CommandRun } from '../command.ts';
import { readStoredWhere } from '../risk-settings.ts';

export const riskMigrateCommand: CommandRun = async (args, io) => {
  const { settings } = readStoredWhere(args);
  const urlFile = args.text('url-file');
  if (urlFile !== undefined && typeof settings.store === 'string') {
    throw new LatchkeyError(
      'USAGE',
      `option --url-file: expected a PostgreSQL database, found store: ${settings.store}`,
    );
  }
  const ran = await migrateStore(settings, urlFile);
  if (args.flag('json')) io.out(JSON.stringify({ ran: ran ?? [] }));
  else if (ran === undefined) io.out('the embedded database is of this version');
  else
    io.out(
      `the database is of this version; ${ran.length} migrations ran${ran.length > 0 ? `, up to ${ran.at(-1)}` : ''}`,
    );
  return 0;
};
