/** The rooms that decide, put together on one database: for the service, and for commands beside it. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { LegalPolicy } from '../casework/legal-policy.ts';
import { RefundDesk } from '../casework/refund-desk.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { Assumption } from '../decision/facts.ts';
import type { Ruleset } from '../decision/ruleset.ts';
import { entryLevel, type LevelWord } from '../ledger/entry-level.ts';
import { LedgerStore } from '../ledger/ledger-store.ts';
import type { LedgerSettings } from '../ledger/settings.ts';
import type { ReceiveSettings } from '../receive/settings.ts';
import type { RiskDatabase } from '../store/open-database.ts';

export type Vouched = Pick<
  ReceiveSettings,
  'gateway_levels' | 'gateway_clocks' | 'gateway_sites' | 'gateway_silent_h' | 'trial' | 'tenant' | 'region'
>;

const HOUR_MS = 3_600_000;

export interface RoomParts {
  readonly database: RiskDatabase;
  readonly settings: Vouched;
  readonly ruleset: Ruleset;
  readonly ledgerSettings?: LedgerSettings;
  readonly crypto: EvidenceCrypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly legal?: LegalPolicy;
  readonly customers?: CustomerNames;
}

export interface Rooms {
  readonly ledger: LedgerStore;
  readonly desk: RefundDesk;
}

/** `ledger`: what the desk reads parcels from, made of the rooms' own unless it is given. */
export function openRooms(
  parts: RoomParts,
  ledgerOf = (ledger: LedgerStore): Pick<LedgerStore, 'ledgers'> => ledger,
): Rooms {
  const { settings, ledgerSettings, ...rest } = parts;
  const { tenant, region, gateway_sites: sites, gateway_silent_h: silentHours } = settings;
  const owner = { tenant, region };
  const ledger = new LedgerStore({
    database: parts.database,
    ...owner,
    levelOf: (gateway, n, proof) => entryLevel(n, proof, wordOn(settings, gateway)),
    assumptionOf: (gateway) => assumptionOf(settings, gateway),
    sites,
    ...(ledgerSettings !== undefined && { settings: ledgerSettings }),
    ...(silentHours > 0 && { silentMs: silentHours * HOUR_MS }),
  });
  return { ledger, desk: new RefundDesk({ ...rest, ...owner, ledger: ledgerOf(ledger) }) };
}

function wordOn({ gateway_levels, trial }: Vouched, gateway: string): LevelWord {
  // Own members alone: a gateway may be called "constructor".
  const ceiling = Object.hasOwn(gateway_levels, gateway) ? gateway_levels[gateway] : undefined;
  const tried = trialOf(trial, gateway);
  return { ...(ceiling !== undefined && { ceiling }), ...(tried !== undefined && { trial: tried }) };
}

function trialOf(trial: Vouched['trial'], gateway: string): Assumption['trial'] {
  if (trial.trust_emulated_tpm.includes(gateway)) return 'emulated_tpm';
  return trial.trust_software_keys.includes(gateway) ? 'software_keys' : undefined;
}

/** What the operator's settings add to what is proved of a gateway; undefined when they add nothing. */
function assumptionOf(settings: Vouched, gateway: string): Assumption | undefined {
  const { gateway_clocks } = settings;
  const { trial } = wordOn(settings, gateway);
  const clock = Object.hasOwn(gateway_clocks, gateway) ? gateway_clocks[gateway] : undefined;
  if (trial === undefined && clock === undefined) return undefined;
  const level = trial === 'emulated_tpm' ? 'A2' : 'A1';
  return { gateway, ...(trial !== undefined && { level, trial }), ...(clock !== undefined && { clock }) };
}
