/** The whole of receive.yaml. */
import { z } from 'zod';
import { isKeyName } from '../../evidence/log/key-name.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { isTopicPrefix, PREFIX_DEFAULT } from '../../evidence/wire/topics.ts';
import { metricsSettingsSchema } from '../../platform/metrics/settings.ts';
import { mqttSettingsSchema } from '../../platform/mqtt/settings.ts';
import { STATEMENTS } from '../intake/receipts.ts';
import { witnessesSchema } from '../witnesses/settings.ts';

export const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

export const witnessSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(120)
    .refine(isKeyName, { error: 'a name without spaces and plus signs' })
    .describe('name of the key that signs receipts, for example refunds.example/receipts'),
  role: z
    .enum(['store', 'advisory', 'off'])
    .default('store')
    .describe(
      `what a receipt states. store: ${STATEMENTS.store}. advisory: ${STATEMENTS.advisory}. off: ${STATEMENTS.off}`,
    ),
  key_file: absolutePath.optional().describe('data_dir/keys/witness.key unless given; made at the first start'),
});

const acceptedGapSchema = z.strictObject({
  log: z
    .string()
    .refine((text) => parseOrigin(text).ok, { error: '<domain>/<gateway id>/<number>-<tag>' })
    .describe('the log whose missing entries are accepted'),
  below: z
    .int()
    .min(1)
    .max(Number.MAX_SAFE_INTEGER)
    .describe('receipts go on although entries below this size are missing'),
});

const postgresSchema = z.strictObject({
  postgres: z.strictObject({
    url_file: absolutePath.describe('first line: postgres://user:password@host/database; mode 0600'),
    pool_max: z.int().min(1).max(100).default(4),
  }),
});

const storeSchema = z
  .union([z.literal('files'), z.literal('embedded'), postgresSchema], {
    error: '"files", "embedded" or {postgres: {url_file: ...}}',
  })
  .describe('files in data_dir; embedded: PGlite there, for advisory receipts; or PostgreSQL 15 and later');

export const databaseSchema = z
  .union([z.literal('embedded'), postgresSchema], { error: '"embedded" or {postgres: {url_file: ...}}' })
  .describe('embedded: PGlite in data_dir, which survives the process and no power cut; or PostgreSQL 15 and later');

const label = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'letters, digits and hyphens, at most 63' });

const gatewayId = z.string().regex(/^[a-z0-9-]{1,64}$/, { error: 'a gateway id' });

const limitsSchema = z.strictObject({
  parked_gateway_mib: z.int().min(1).max(1_024).default(16).describe('bytes that wait, of one gateway'),
  parked_mib: z.int().min(1).max(65_536).default(256).describe('bytes that wait, of all gateways'),
  unknown_origins: z.int().min(1).max(1_024).default(64).describe('logs that nobody vouches for, of one gateway'),
  unknown_gateways: z.int().min(1).max(1_000_000).default(1_000).describe('gateways that the policy does not know'),
  carried: z.int().min(1).max(10_000_000).default(200_000).describe('entries that one gateway may have carried over'),
});

const replicaSchema = z.strictObject({
  name: label
    .optional()
    .describe('of this receiver among those on one database: the next start of that name takes over at once'),
  lease_s: z
    .int()
    .min(2)
    .max(300)
    .default(10)
    .describe('after so long without a sign of life others take over; renewed three times within it'),
});

const gatewaysSchema = z.array(gatewayId).max(1_000).default([]);

const trialSchema = z.strictObject({
  trust_emulated_tpm: gatewaysSchema.describe(
    'take the emulated TPM of these gateways for a hardware one, in refund decisions alone; each of them says so',
  ),
  trust_software_keys: gatewaysSchema.describe(
    'take log keys in files of these gateways for keys in a TPM (A1), in refund decisions alone; each of them says so',
  ),
});

/** Also the first part of the settings of the service, which receives and more. */
export const receiveShape = z.strictObject({
  data_dir: absolutePath.describe('entries, receipts, the witness key, status.json; on a disk, not in memory'),
  store: storeSchema.default('files'),
  tenant: label
    .default('default')
    .describe('stands on every row of a database, which serves one tenant: rows of another are refused at the start'),
  region: label.default('default').describe('stands on every row of a database'),
  gateway_levels: z
    .record(gatewayId, z.enum(['A0', 'A1', 'A2', 'A3']))
    .default({})
    .describe(
      'how much entries of a gateway count at most, whatever its anchors prove; it never raises what they prove',
    ),
  gateway_clocks: z
    .record(gatewayId, z.enum(['synced', 'fair']))
    .default({})
    .describe('clocks that refund decisions believe, although the gateway cannot say who synchronises it'),
  gateway_sites: z
    .record(
      gatewayId,
      z.strictObject({ lat_mdeg: z.int().min(-90_000).max(90_000), lon_mdeg: z.int().min(-180_000).max(180_000) }),
    )
    .default({})
    .describe(
      'where gateways stand, in thousandths of a degree: a parcel that is seen in two of them faster than anything travels is held (C09)',
    ),
  gateway_silent_h: z
    .int()
    .min(0)
    .max(8_760)
    .default(24)
    .describe(
      'a refund waits (R15) for the gateway that has its parcel when nothing of it was stored for more hours; more than its alive_interval_s. 0: silence counts for nothing',
    ),
  trial: trialSchema
    .prefault({})
    .describe('what no production may believe: refused with PostgreSQL, and with receipts of role store'),
  policy: absolutePath.optional().describe('trust policy (JSON): whose logs are believed. Read again at SIGHUP'),
  trust_first_use: z
    .boolean()
    .default(false)
    .describe('believe the first log key of each gateway unseen: for trials only'),
  mqtt: mqttSettingsSchema,
  prefix: z
    .string()
    .refine(isTopicPrefix, { error: '1 to 8 topic levels without wildcards' })
    .default(PREFIX_DEFAULT)
    .describe('topic levels before /v1/'),
  partitions: z
    .union([
      z.literal('all'),
      z
        .array(z.string().regex(/^[0-3][0-9a-f]$/, { error: 'two hex digits from 00 to 3f' }))
        .min(1)
        .max(64),
    ])
    .default('all')
    .describe('the part of the fleet that this receiver is for; those on one database share all among them'),
  replica: replicaSchema
    .prefault({})
    .describe('several receivers on one PostgreSQL share the fleet, and one witness key'),
  witness: witnessSchema,
  independent_witnesses: witnessesSchema,
  accepted_gaps: z.array(acceptedGapSchema).max(10_000).default([]),
  limits: limitsSchema.prefault({}),
  metrics: metricsSettingsSchema.exactOptional(),
  status_interval_s: z.int().min(1).max(3_600).default(2).describe('how often data_dir/status.json is renewed'),
  stop_wait_s: z.int().min(0).max(600).default(10).describe('a clean stop waits this long for the disk and the broker'),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});

/** A check over the whole settings. */
export function needsPolicy(
  settings: { readonly policy?: string | undefined; readonly trust_first_use: boolean },
  context: z.core.$RefinementCtx,
): void {
  if (settings.policy !== undefined || settings.trust_first_use) return;
  const message = 'expected a trust policy (or trust_first_use: true), found neither';
  context.addIssue({ code: 'custom', path: ['policy'], message, input: undefined });
}

/** Refuses trials where gateways forget on the word of this store, or several receivers share it. */
export function noTrialInProduction(
  { trial, store, role }: Pick<ReceiveSettings, 'trial'> & { readonly store: unknown; readonly role?: string },
  context: z.RefinementCtx,
): void {
  const found = Object.entries(trial).find(([, gateways]) => gateways.length > 0);
  if (found === undefined || (role !== 'store' && typeof store === 'string')) return;
  const message = `expected no gateway with ${role === 'store' ? 'receipts of role store' : 'PostgreSQL'}: trials are for an embedded database with advisory receipts, or none`;
  context.addIssue({ code: 'custom', path: ['trial', found[0]], message, input: undefined });
}

export const receiveSettingsSchema = receiveShape.superRefine(needsPolicy).superRefine((settings, context) => {
  noTrialInProduction({ ...settings, role: settings.witness.role }, context);
  if (settings.store !== 'files' || settings.independent_witnesses.length === 0) return;
  const message = 'expected none with store: files, since cosignatures are kept in a database: embedded or postgres';
  context.addIssue({ code: 'custom', path: ['independent_witnesses'], message, input: undefined });
});

export type ReceiveSettings = z.output<typeof receiveSettingsSchema>;
