/** Settings of people at the box: who may act there, with what second factor. */
import { z } from 'zod';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';

const personSchema = z.strictObject({
  name: z
    .string()
    .regex(new RegExp(`^${NAME_PATTERN}$`), 'letters, digits, dot, hyphen and underscore, at most 64')
    .describe('stands in events as the actor: a staff number, say, rather than a name'),
  role: z
    .enum(['technician', 'administrator'])
    .describe('technician: open, stop-pick, recount. administrator: also resume'),
  totp_file: z
    .string()
    .max(4_096)
    .regex(/^\/[^\0]*$/, 'an absolute path')
    .describe('the secret of the person\'s authenticator, mode 0600, as "latchkey console secret" makes it'),
});

export const consoleSettingsSchema = z
  .strictObject({
    people: z
      .array(personSchema)
      .max(64)
      .default([])
      .superRefine((people, context) => {
        const seen = new Set<string>();
        for (const [index, { name }] of people.entries()) {
          if (seen.has(name)) {
            const message = 'a name that no other person has';
            context.addIssue({ code: 'custom', path: [index, 'name'], message, input: name });
          }
          seen.add(name);
        }
      }),
  })
  .describe('who may act at the box itself, through the command line, with a second factor');

export type ConsoleSettings = z.output<typeof consoleSettingsSchema>;
export type Person = ConsoleSettings['people'][number];
