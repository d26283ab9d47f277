/** The whole of enrolments.yaml. */
import { z } from 'zod';
import { unbase64 } from '../../base/bytes.ts';
import { isKeyName } from '../../evidence/log/key-name.ts';
import { isOperatorDomain, parseOrigin } from '../../evidence/log/origin.ts';
import { LEVELS, WITNESS_ROLES } from '../../evidence/verify/policy.ts';
import { TPM_CLASSES } from '../../evidence/wire/enrolment.ts';
import { httpSettingsSchema } from '../../platform/http/settings.ts';
import { sealedBoxKey } from '../../platform/sealed-box.ts';
import { CRL_CHECKS } from './revocation.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

const keyName = z
  .string()
  .min(1)
  .max(120)
  .refine((text) => isKeyName(text) && !parseOrigin(text).ok, { error: 'a name without spaces and plus, no origin' });

function isX25519(text: string): boolean {
  const spki = unbase64(text);
  return spki !== undefined && sealedBoxKey(spki) !== undefined;
}

export const enrolmentSettingsSchema = z.strictObject({
  data_dir: absolutePath.describe('histories, claims, hashes of tokens, the key of the service; back it up'),
  name: keyName.describe('name of the key that signs records, for example enrolment.lockers.example'),
  key_file: absolutePath.optional().describe('data_dir/keys/enrolment.key unless given; made at the first start'),
  http: httpSettingsSchema,
  operator_domains: z
    .array(z.string().refine(isOperatorDomain, { error: 'lowercase DNS labels, as they begin the names of logs' }))
    .min(1)
    .max(100)
    .describe('logs of these operator domains are enrolled'),
  classes: z
    .array(z.enum(TPM_CLASSES))
    .min(1)
    .default(['hardware'])
    .describe('what is enrolled: hardware; emulated (swtpm, VMs) and software keys for trials and for A0'),
  approve: z
    .enum(['all', 'doubtful'])
    .default('doubtful')
    .describe('which records wait for "latchkey enrolments approve": all, or those that contradict what is known'),
  ek_roots: absolutePath.describe('directory with hardware/*.pem and emulated/*.pem: certificates of TPM vendors'),
  deny_list: absolutePath.optional().describe('YAML: certificates and firmware versions that are refused'),
  crls: z
    .strictObject({
      dir: absolutePath.describe("vendors' revocation lists, DER or PEM, as an operator fetched them"),
      check: z
        .enum(CRL_CHECKS)
        .describe(
          'require: no certificate is believed without a current list. if_present: what a list revokes is refused',
        ),
      when_revoked: z
        .enum(['tell', 'revoke'])
        .default('tell')
        .describe(
          'a list names the certificate of an enrolled box. tell: an alarm with the command. revoke: its logs count for nothing from then on',
        ),
    })
    .optional()
    .describe('what vendors revoked; unless given, only the deny list counts'),
  reread_s: z
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('how often roots, deny list and revocation lists are looked at for changes while it serves'),
  escrow_key: z
    .string()
    .max(200)
    .refine(isX25519, { error: 'an X25519 SubjectPublicKeyInfo in base64' })
    .optional()
    .describe('boxes must seal owner and lockout authorisation to this key; its private half stays offline'),
  challenge_s: z.int().min(5).max(3_600).default(300).describe('a box answers within this time'),
  challenges: z.int().min(1).max(100_000).default(2_000).describe('that wait at a time'),
  policy: z
    .strictObject({
      witnesses: z
        .array(z.strictObject({ vkey: z.string().max(300), roles: z.array(z.enum(WITNESS_ROLES)).min(1) }))
        .max(1_000)
        .default([]),
      least_level: z.enum(LEVELS).default('A0'),
    })
    .prefault({})
    .describe('what "latchkey enrolments policy" adds to the logs'),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});

export type EnrolmentSettings = z.output<typeof enrolmentSettingsSchema>;
