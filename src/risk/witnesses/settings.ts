/** Independent witnesses: who is asked to cosign the checkpoints of stored logs, and how often. */
import { z } from 'zod';
import { base64 } from '../../base/bytes.ts';
import { isSoundVkey, parseVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { isEndpoint } from '../../platform/http/endpoint.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';

/** Their lines stand on one note, beside those of the log and ours. */
export const WITNESSES_MAX = 8;

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

/** Of `cosignature/v1` (type 04), and no log's. Undefined for any other text. */
export function witnessVkeyOf(text: string): Vkey | undefined {
  const parsed = parseVkey(text);
  const isSound = parsed.ok && parsed.value.type === 4 && isSoundVkey(nodeCrypto, parsed.value);
  return isSound && !parseOrigin(parsed.value.name).ok ? parsed.value : undefined;
}

function isPrefix(text: string): boolean {
  return isEndpoint(text) && !text.endsWith('/') && new URL(text).search === '' && !text.includes('?');
}

const witnessSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'letters, digits and hyphens, at most 63' })
    .describe('what metrics, status and logs call it'),
  vkey: z
    .string()
    .max(300)
    .refine((text) => witnessVkeyOf(text) !== undefined, {
      error: 'the verifier key of a witness: <name>+<8 hex digits>+<base64 of type 04 and an Ed25519 key>',
    })
    .describe('its verifier key (C2SP cosignature/v1, type 04), as its operator publishes it'),
  url: z
    .string()
    .max(2_048)
    .refine(isPrefix, { error: 'an https address (http on this machine) without user, query and final slash' })
    .describe('its submission prefix (C2SP tlog-witness): checkpoints are posted to <url>/add-checkpoint'),
  ca_file: absolutePath
    .exactOptional()
    .describe('certificate authority of the witness, PEM; the usual ones unless given'),
  every_s: z.int().min(1).max(86_400).default(300).describe('a log that grew is submitted again after so long'),
  timeout_s: z.int().min(1).max(60).default(10),
  at_once: z.int().min(1).max(64).default(4).describe('submissions that are under way at a time'),
});

export const witnessesSchema = z
  .array(witnessSchema)
  .max(WITNESSES_MAX)
  .default([])
  .superRefine((witnesses, context) => {
    const refuse = (at: number, member: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [at, member], message, input: undefined });
    const names = new Set<string>();
    const keys = new Set<string>();
    for (const [at, { name, vkey: text }] of witnesses.entries()) {
      if (names.has(name)) refuse(at, 'name', `expected each name once, found ${name} twice`);
      names.add(name);
      const vkey = witnessVkeyOf(text);
      if (vkey === undefined) continue;
      // The signed bytes do not say whose they are (C2SP tlog-cosignature): one key is one witness.
      const own = [`name ${vkey.name}`, `key ${base64(vkey.publicKey)}`];
      if (own.some((each) => keys.has(each)))
        refuse(at, 'vkey', 'expected each witness once, found its name or key before');
      for (const each of own) keys.add(each);
    }
  })
  .describe('witnesses of other operators that cosign checkpoints (C2SP tlog-witness), which makes A2 into A3');

export type WitnessSettings = z.output<typeof witnessesSchema>[number];
