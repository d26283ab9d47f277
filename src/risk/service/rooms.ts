/** The rooms that decide, put together on one database: for the service, and for commands beside it. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { LegalPolicy } from '../casework/legal-policy.ts';
import { RefundDesk } from '../casework/refund-desk.ts';
import type { Assumption } from '../decision/facts.ts';
import type { Ruleset } from '../decision/ruleset.ts';
import { LedgerStore } from '../ledger/ledger-store.ts';
import type { ReceiveSettings } from '../receive/settings.ts';
import type { RiskDatabase } from '../store/open-database.ts';

export type Vouched = Pick<ReceiveSettings, 'gateway_levels' | 'gateway_clocks' | 'tenant' | 'region'>;

export interface RoomParts {
  readonly database: RiskDatabase;
  readonly settings: Vouched;
  readonly ruleset: Ruleset;
  readonly crypto: EvidenceCrypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly legal?: LegalPolicy;
}

export interface Rooms {
  readonly ledger: LedgerStore;
  readonly desk: RefundDesk;
}

/** `ledger`: what the desk reads parcels from, made of the rooms' own unless it is given. */
export function openRooms(
  parts: RoomParts,
  ledgerOf = (ledger: LedgerStore): Pick<LedgerStore, 'ledger'> => ledger,
): Rooms {
  const { settings, ...rest } = parts;
  const { tenant, region, gateway_levels } = settings;
  const owner = { tenant, region };
  const ledger = new LedgerStore({
    database: parts.database,
    ...owner,
    levelOf: (gateway) => gateway_levels[gateway] ?? 'A0',
    assumptionOf: (gateway) => assumptionOf(settings, gateway),
  });
  return { ledger, desk: new RefundDesk({ ...rest, ...owner, ledger: ledgerOf(ledger) }) };
}

/** What the operator's settings say of a gateway; undefined when they say nothing. */
function assumptionOf({ gateway_levels, gateway_clocks }: Vouched, gateway: string): Assumption | undefined {
  const level = gateway_levels[gateway];
  const clock = gateway_clocks[gateway];
  if (level === undefined && clock === undefined) return undefined;
  return { gateway, ...(level !== undefined && { level }), ...(clock !== undefined && { clock }) };
}
