/** The whole of command.yaml: who signs commands, and through which broker they go. */
import { z } from 'zod';
import { isKeyName } from '../../evidence/log/key-name.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { isTopicPrefix, PREFIX_DEFAULT } from '../../evidence/wire/topics.ts';
import { mqttSettingsSchema } from '../../platform/mqtt/settings.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

export const commandSettingsSchema = z.strictObject({
  signer: z.strictObject({
    name: z
      .string()
      .min(1)
      .max(120)
      .refine((text) => isKeyName(text) && !parseOrigin(text).ok, {
        error: 'a name without spaces and plus, no origin',
      })
      .describe('name of the key that signs commands, for example commands.lockers.example'),
    key_file: absolutePath.describe('made, mode 0600, when "latchkey command key" runs and it is not there'),
  }),
  policy: absolutePath.describe('trust policy (JSON): whose replies are believed'),
  mqtt: mqttSettingsSchema,
  prefix: z
    .string()
    .refine(isTopicPrefix, { error: '1 to 8 topic levels without wildcards' })
    .default(PREFIX_DEFAULT)
    .describe('topic levels before /v1/'),
  valid_s: z
    .int()
    .min(5)
    .max(3_600)
    .default(60)
    .describe('a command that the gateway gets later than this is not carried out'),
  reply_wait_s: z.int().min(1).max(600).default(30).describe('how long a reply is waited for'),
});

export type CommandSettings = z.output<typeof commandSettingsSchema>;
