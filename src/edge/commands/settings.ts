/** Settings of signed commands: which keys may ask for what. Without a key no command is even subscribed to. */
import { z } from 'zod';
import { formatVkey, isSoundVkey, parseVkey, type Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { VERB_NAMES } from './verbs.ts';

export const KEYS_MAX = 16;

function commandVkey(text: string): Vkey | undefined {
  const parsed = parseVkey(text);
  if (!parsed.ok || parsed.value.type !== 1 || !isSoundVkey(nodeCrypto, parsed.value)) return undefined;
  // The key of a log signs logs.
  return parseOrigin(parsed.value.name).ok ? undefined : parsed.value;
}

const keySchema = z.strictObject({
  vkey: z
    .string()
    .max(256)
    .refine(
      (text) => commandVkey(text) !== undefined,
      'a verifier key of type 0x01, as "latchkey command key" prints it, and not that of a log',
    )
    .describe('verifier key of who signs commands'),
  verbs: z.array(z.enum(VERB_NAMES)).min(1).max(VERB_NAMES.length).describe('what this key may ask for'),
});

export const commandsSettingsSchema = z
  .strictObject({
    keys: z
      .array(keySchema)
      .max(KEYS_MAX)
      .default([])
      .superRefine((keys, context) => {
        const seen = new Map<string, number>();
        for (const [index, { vkey }] of keys.entries()) {
          // Commands name their key by the key id alone.
          const id = vkey.split('+')[1] ?? vkey;
          const other = seen.get(id);
          if (other !== undefined) {
            const message = `a key whose key id is its own (also at ${other})`;
            context.addIssue({ code: 'custom', path: [index, 'vkey'], message, input: vkey });
          }
          seen.set(id, index);
        }
      }),
  })
  .describe('signed commands (FORMAT.md section 11); without keys none is taken');

export type CommandsSettings = z.output<typeof commandsSettingsSchema>;

export interface GrantedKey {
  readonly vkey: Vkey;
  readonly verbs: ReadonlySet<string>;
}

/** By key id, 8 hex digits. */
export function grantedKeys({ keys }: CommandsSettings): ReadonlyMap<string, GrantedKey> {
  return new Map(
    keys.flatMap(({ vkey: text, verbs }) => {
      const vkey = commandVkey(text);
      const id = vkey && formatVkey(vkey).split('+')[1];
      return vkey === undefined || id === undefined ? [] : [[id, { vkey, verbs: new Set<string>(verbs) }] as const];
    }),
  );
}
