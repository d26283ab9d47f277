/** The database of receive.yaml for the commands of the risk side. */
import { systemScheduler } from '../base/system-scheduler.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';
import { loadSettings } from '../platform/settings.ts';
import { RefundDesk } from '../risk/casework/refund-desk.ts';
import { LedgerStore } from '../risk/ledger/ledger-store.ts';
import { openDatabase } from '../risk/receive/open-store.ts';
import { receiveSettingsSchema } from '../risk/receive/settings.ts';
import type { RiskDatabase } from '../risk/store/open-database.ts';
import type { CommandArgs, CommandIo } from './command.ts';
import { peopleLogger } from './people-logger.ts';
import { readRuleset } from './read-ruleset.ts';

const RECEIVE_YAML = '/etc/latchkey/receive.yaml';

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
  const settings = loadSettings(args.text('config') ?? RECEIVE_YAML, receiveSettingsSchema);
  const { tenant, region, gateway_levels } = settings;
  const owner = { tenant, region };
  const database = await openDatabase(settings);
  try {
    const levelOf = (gateway: string): 'A0' | 'A1' | 'A2' | 'A3' => gateway_levels[gateway] ?? 'A0';
    const ledger = new LedgerStore({ database, ...owner, levelOf });
    const desk = new RefundDesk({
      database,
      ledger,
      crypto: nodeCrypto,
      ruleset: readRuleset(args.text('ruleset')),
      ...owner,
      clock: systemScheduler(),
      logger: peopleLogger(io),
    });
    return await work({ database, ledger, desk, owner });
  } finally {
    await database.close();
  }
}
