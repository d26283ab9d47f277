/** The database of receive.yaml for the commands of the risk side. */
import { systemScheduler } from '../base/system-scheduler.ts';
import { nodeCrypto } from '../platform/node-crypto.ts';
import type { CaseworkerParts } from '../risk/casework/caseworker.ts';
import type { RefundDesk } from '../risk/casework/refund-desk.ts';
import type { Endpoint } from '../risk/casework/webhook-settings.ts';
import { type CustomerNames, openCustomerNames } from '../risk/customers/customer-names.ts';
import { makeRuleset } from '../risk/decision/ruleset.ts';
import type { LedgerStore } from '../risk/ledger/ledger-store.ts';
import type { AnalysisParts } from '../risk/patterns/analysis.ts';
import { promotionsOf } from '../risk/patterns/settings.ts';
import { openDatabase } from '../risk/receive/open-store.ts';
import type { RetentionSettings } from '../risk/retention/settings.ts';
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
  /** What the work beside decisions is made of. */
  readonly parts: Omit<CaseworkerParts, 'scheduler' | 'ledger'>;
  readonly webhooks: readonly Endpoint[];
  readonly dataDir: string;
  readonly retention: RetentionSettings;
  readonly analysis: AnalysisParts;
  /** Of commands that decide, import or erase. */
  readonly customers?: CustomerNames;
}

/**
 * Opens the database, does the work, and closes it again. Rejects with CONFIG_INVALID when entries lie in files. `reads`:
 * it neither decides nor names anybody, so it needs no key of the service, nor the user of it.
 */
export async function withRiskSide<T>(
  args: CommandArgs,
  io: CommandIo,
  work: (side: RiskSide) => Promise<T>,
  reads = false,
): Promise<T> {
  const { settings, ledger: ledgerSettings, ruleset: rules, ...others } = readStoredWhere(args);
  const { webhooks, legal, retention, patterns, customersKeyFile } = others;
  const { tenant, region } = settings;
  const owner = { tenant, region };
  const file = args.text('ruleset');
  const ruleset = file === undefined ? makeRuleset(nodeCrypto, rules) : readRuleset(file);
  const database = await openDatabase(settings);
  try {
    const place = { crypto: nodeCrypto, database, path: customersKeyFile, tenant };
    const named = reads ? {} : { customers: await openCustomerNames(place) };
    const shared = { database, crypto: nodeCrypto, ...named, ruleset, legal, logger: peopleLogger(io) };
    const { ledger, desk } = openRooms({ ...shared, settings, ledgerSettings, clock: systemScheduler() });
    const largeUsdMinor = ruleset.parameters.velocity_usd_minor;
    const analysis = { database, ...owner, largeUsdMinor, promotions: promotionsOf(patterns) };
    const more = { webhooks, retention, analysis, ...named, dataDir: settings.data_dir };
    return await work({ database, ledger, desk, owner, parts: { ...shared, ...owner }, ...more });
  } finally {
    await database.close();
  }
}
