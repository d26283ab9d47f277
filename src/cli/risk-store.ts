/** The database of receive.yaml for the commands of the risk side. */
import { systemScheduler } from '../base/system-scheduler.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';
import type { RefundDesk } from '../risk/casework/refund-desk.ts';
import { makeRuleset } from '../risk/decision/ruleset.ts';
import type { LedgerStore } from '../risk/ledger/ledger-store.ts';
import { openDatabase } from '../risk/receive/open-store.ts';
import { openRooms } from '../risk/service/rooms.ts';
import type { RiskDatabase } from '../risk/store/open-database.ts';
import type { CommandArgs, CommandIo } from './command.ts';
import { peopleLogger } from './people-logger.ts';
import { readRuleset } from './read-ruleset.ts';
import { readStoredWhere } from './risk-settings.ts';

export interface RiskSide {
  readonly database: RiskDatabase;
  readonly ledger: LedgerStore;
  readonly desk: RefundDesk;
  readonly owner: { readonly tenant: string; readonly region: string };
}

/** Opens the database, does the work, and closes it again. Rejects with CONFIG_INVALID when entries lie in files. */
export async function withRiskSide<T>(
  args: CommandArgs,
  io: CommandIo,
  work: (side: RiskSide) => Promise<T>,
): Promise<T> {
  const { settings, ruleset } = readStoredWhere(args);
  const { tenant, region } = settings;
  const owner = { tenant, region };
  const database = await openDatabase(settings);
  try {
    const file = args.text('ruleset');
    const { ledger, desk } = openRooms({
      database,
      settings,
      crypto: nodeCrypto,
      ruleset: file === undefined ? makeRuleset(nodeCrypto, ruleset) : readRuleset(file),
      clock: systemScheduler(),
      logger: peopleLogger(io),
    });
    return await work({ database, ledger, desk, owner });
  } finally {
    await database.close();
  }
}
