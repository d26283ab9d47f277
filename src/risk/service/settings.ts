/** The whole of risk.yaml: what the receiver needs, and on top of it rules, ledger and API. */
import { join } from 'node:path';
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import { apiSettingsSchema } from '../api/settings.ts';
import { ACTION_NAMES, type Action } from '../casework/actions.ts';
import { legalPolicySchema } from '../casework/legal-policy.ts';
import { webhooksSchema } from '../casework/webhook-settings.ts';
import { rulesetSchema } from '../decision/ruleset.ts';
import { ledgerSchema } from '../ledger/settings.ts';
import { patternsSchema } from '../patterns/settings.ts';
import {
  absolutePath,
  databaseSchema,
  needsPolicy,
  noTrialInProduction,
  type ReceiveSettings,
  receiveShape,
  witnessSchema,
} from '../receive/settings.ts';
import { retentionSchema } from '../retention/settings.ts';
import { sourcesSchema } from '../sources/settings.ts';

const receiptsSchema = witnessSchema.extend({
  name: witnessSchema.shape.name.default('risk'),
  role: witnessSchema.shape.role
    .unwrap()
    .optional()
    .describe('store for PostgreSQL and off for the embedded database unless given; see receive.yaml'),
});

export const riskSettingsSchema = receiveShape
  .omit({ store: true, witness: true, data_dir: true })
  .extend({
    data_dir: absolutePath
      .optional()
      .describe('keys, status.json, and the embedded database; "latchkey risk --data-dir" names it, too'),
    database: databaseSchema.default('embedded'),
    receipts: receiptsSchema.prefault({}),
    ledger: ledgerSchema.describe(
      'from when on what was seen agrees, or contradicts; what is left out has its default',
    ),
    ruleset: rulesetSchema.prefault({}).describe('parameters of the rules; what is left out has its default'),
    ledger_every_ms: z
      .int()
      .min(20)
      .max(60_000)
      .default(250)
      .describe('how often the ledger reads on; a decision always reads what is stored'),
    api: apiSettingsSchema
      .omit({ token_key_file: true })
      .extend({
        token_key_file: absolutePath
          .optional()
          .describe('data_dir/keys/token.key unless given; made at the first start'),
      })
      .optional()
      .describe('without it nobody is answered over HTTP'),
    sources: sourcesSchema.describe('who may send webhooks to POST /v1/sources/NAME'),
    webhooks: webhooksSchema,
    legal: legalPolicySchema,
    patterns: patternsSchema,
    customers_key_file: absolutePath
      .optional()
      .describe(
        'key of the pseudonyms of customers: data_dir/keys/customers.key unless given; made at the first start, one file for all replicas',
      ),
    retention: retentionSchema.describe(
      'how long what is kept; the service takes away what is older, as "latchkey risk retention run" does',
    ),
  })
  .superRefine(needsPolicy)
  .superRefine(({ trial, database, receipts }, context) => {
    const { role } = receipts;
    noTrialInProduction({ trial, store: database, ...(role !== undefined && { role }) }, context);
  });

type Written = z.output<typeof riskSettingsSchema>;
type Api = NonNullable<Written['api']>;

export interface RiskSettings {
  readonly dataDir: string;
  readonly receive: ReceiveSettings;
  readonly ruleset: Written['ruleset'];
  readonly ledger: Written['ledger'];
  readonly ledgerEveryMs: number;
  readonly sources: Written['sources'];
  readonly webhooks: Written['webhooks'];
  readonly legal: Written['legal'];
  readonly patterns: Written['patterns'];
  readonly retention: Written['retention'];
  readonly customersKeyFile: string;
  readonly api: (Omit<Api, 'token_key_file'> & { readonly token_key_file: string }) | undefined;
}

/** `dataDir` of the command line counts before that of the file. Throws CONFIG_INVALID when neither names one. */
export function riskSettings(written: Written, dataDir = written.data_dir): RiskSettings {
  if (dataDir === undefined) {
    throw new LatchkeyError('CONFIG_INVALID', 'data_dir: expected an absolute path (or --data-dir), found neither');
  }
  const { customers_key_file = customersKeyIn(dataDir), ...others } = written;
  const {
    database,
    receipts,
    ledger,
    ruleset,
    ledger_every_ms,
    api,
    sources,
    webhooks,
    legal,
    patterns,
    retention,
    ...shared
  } = others;
  const role = receipts.role ?? (database === 'embedded' ? 'off' : 'store');
  return {
    dataDir,
    receive: { ...shared, data_dir: dataDir, store: database, witness: { ...receipts, role } },
    ruleset,
    ledger,
    ledgerEveryMs: ledger_every_ms,
    sources,
    webhooks,
    legal,
    patterns,
    retention,
    customersKeyFile: customers_key_file,
    api: api && { ...api, token_key_file: api.token_key_file ?? join(dataDir, 'keys', 'token.key') },
  };
}

/** Commands that no webhook takes, where there are webhooks at all: they wait, and with them what follows for that refund. */
export function actionsWithoutPlace(webhooks: readonly { readonly actions: readonly Action[] }[]): readonly Action[] {
  if (webhooks.length === 0) return [];
  const sent = new Set(webhooks.flatMap(({ actions }) => actions));
  return ACTION_NAMES.filter((action) => !sent.has(action));
}

export function customersKeyIn(dataDir: string): string {
  return join(dataDir, 'keys', 'customers.key');
}
