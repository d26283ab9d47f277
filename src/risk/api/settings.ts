/** The `api` part of the service's settings: where it listens, whose tokens it takes, and how much anybody may ask. */
import { z } from 'zod';
import { httpSettingsWith } from '../../platform/http/settings.ts';
import { ROLES } from './roles.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

export const subjectSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, { error: 'lower-case letters, digits, dots, hyphens; at most 63' });

/** Of a merchant's few servers, which stand behind one address. */
const REQUESTS_PER_MINUTE = 60_000;
export const TOKEN_MINUTES_MAX = 15;

export const apiSettingsSchema = z.strictObject({
  http: httpSettingsWith(REQUESTS_PER_MINUTE),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9./-]{0,119}$/, { error: 'a name such as refunds.example/risk' })
    .describe('issuer and audience of its tokens, and the name of the key that signs them'),
  token_key_file: absolutePath.describe(
    'made at the first start; tokens of the key in the file of that name with ".previous" are taken, too',
  ),
  token_minutes: z.int().min(1).max(TOKEN_MINUTES_MAX).default(TOKEN_MINUTES_MAX).describe('how long a token lives'),
  clients: z
    .array(
      z.strictObject({
        id: subjectSchema,
        secret_sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/, { error: '64 hex digits, as "latchkey risk client" prints them' })
          .describe('SHA-256 of the secret, never the secret'),
        roles: z.array(z.enum(ROLES)).min(1).max(ROLES.length),
      }),
    )
    .max(1_000)
    .default([])
    .refine((clients) => new Set(clients.map(({ id }) => id)).size === clients.length, {
      error: 'each id once',
    })
    .describe('who may exchange a long-lived secret for tokens at POST /v1/tokens'),
  recall_subjects: z
    .array(subjectSchema)
    .max(1_000)
    .default([])
    .describe(
      'subjects of tokens (ids of clients) that may say that goods are recalled: what they say so of is paid without evidence',
    ),
  subject_requests_per_minute: z.int().min(1).max(1_000_000).default(60_000).describe('of one subject'),
  failed_logins_per_minute: z
    .int()
    .min(1)
    .max(10_000)
    .default(30)
    .describe(
      'refused tokens of one address, and refused secrets of one address and for one client; after that wrong secrets are answered with 429, and signatures of unknown tokens are checked at a slower rate: right ones never wait for wrong ones',
    ),
  answer_timeout_s: z.int().min(1).max(120).default(10).describe('what takes longer is answered with 503'),
});

export type ApiSettings = z.output<typeof apiSettingsSchema>;
