/**
 * Which sources may speak, each with its kind and how it proves itself. A source that is not here does not exist; one
 * that proves itself by a bearer token alone signs nothing, so that its word weighs as little as an unsigned one.
 */
import { z } from 'zod';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });
const header = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'the name of a header in lower case' });
/** The second is the one before, or the next one. */
const files = z
  .array(absolutePath)
  .min(1)
  .max(2)
  .describe('one or two files, mode 0600; both are valid while it changes');

const authSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('standard').describe('Standard Webhooks 1.0.0, symmetric (v1)'),
    secret_files: files.describe('each holds whsec_ and base64 of 24 to 64 bytes; mode 0600'),
  }),
  z.strictObject({
    type: z.literal('standard_ed25519').describe('Standard Webhooks 1.0.0, asymmetric (v1a)'),
    public_keys: z
      .array(z.string().regex(/^whpk_[A-Za-z0-9+/]{43}=$/, { error: 'whpk_ and base64 of 32 bytes' }))
      .min(1)
      .max(2),
  }),
  z.strictObject({
    type: z
      .literal('hmac')
      .describe(
        'HMAC-SHA256 over <before><timestamp><separator><raw body>; the event is named by "id" in the body, since a header is not signed',
      ),
    secret_files: files.describe('each holds the secret as text in its first line, 16 to 512 bytes; mode 0600'),
    signature_header: header,
    timestamp_header: header,
    encoding: z.enum(['hex', 'base64']).default('hex'),
    prefix: z.string().max(16).default('').describe('stands before the signature in its header, such as sha256='),
    before: z.string().max(16).default(''),
    separator: z.string().max(4).default('.'),
  }),
  z.strictObject({
    type: z
      .literal('bearer')
      .describe('the weakest: a secret that travels; what it says weighs as if it were unsigned'),
    token_files: files.describe('each holds a token in its first line, 16 to 512 bytes; mode 0600'),
  }),
]);

export const SOURCE_KINDS = ['carrier', 'merchant', 'warehouse', 'payment', 'chargeback'] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export const sourceSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'lower-case letters, digits, hyphens; at most 63' }),
  kind: z.enum(SOURCE_KINDS).describe('what it may speak about'),
  auth: authSchema,
  tolerance_s: z.int().min(1).max(3_600).default(300).describe('how far its clock may be from ours'),
  body_bytes_max: z.int().min(64).max(1_048_576).default(20_480),
});

export const sourcesSchema = z
  .array(sourceSchema)
  .max(1_000)
  .superRefine((sources, context) => {
    const names = new Set<string>();
    for (const [at, { name }] of sources.entries()) {
      if (names.has(name))
        context.addIssue({ code: 'custom', path: [at, 'name'], message: 'a name once', input: name });
      names.add(name);
    }
  })
  .default([]);

export type SourceSettings = z.output<typeof sourceSchema>;
export type SourceAuth = SourceSettings['auth'];
