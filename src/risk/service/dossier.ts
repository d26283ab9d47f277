/** What the service gives others to check for themselves: sealed bundles, and EPCIS documents. */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { BundleMaker, EpcisMaker } from '../api/parts.ts';
import { Bundles } from '../dossier/bundles.ts';
import { EpcisExport } from '../dossier/epcis-export.ts';
import { openSealKey } from '../dossier/seal-key.ts';
import { makeReceipt } from '../intake/receipts.ts';
import type { WitnessKey } from '../intake/witness-key.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { RiskSettings } from './settings.ts';

export interface DossierParts {
  readonly database: RiskDatabase;
  readonly ledger: Pick<LedgerStore, 'ledger'>;
  readonly crypto: EvidenceCrypto;
  readonly clock: Clock;
}

/**
 * The key that seals bundles has the API's name with `/bundles`, and is made at the first start. A service that gives no
 * receipts puts none into a bundle either. Rejects with KEY_PERMISSIONS, KEY_LOST or CONFIG_INVALID.
 */
export async function dossier(
  parts: DossierParts,
  { dataDir, receive, api }: Pick<RiskSettings, 'dataDir' | 'receive' | 'api'>,
  key: WitnessKey,
): Promise<{ readonly bundles: BundleMaker; readonly epcis: EpcisMaker }> {
  const { crypto, clock } = parts;
  const name = `${api?.name ?? receive.witness.name}/bundles`;
  const seal = await openSealKey(crypto, join(dataDir, 'keys', 'bundles.key'), name);
  const cosign = (note: Uint8Array): Uint8Array => makeReceipt(key, note, Math.floor(clock.wallMs() / 1_000));
  const bundles = new Bundles({ ...parts, seal: seal.key, ...(receive.witness.role !== 'off' && { cosign }) });
  return { bundles, epcis: new EpcisExport(parts) };
}
