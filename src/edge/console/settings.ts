/** Settings of people at the box: who may look and act there, with what password and second factor, and where the page is. */
import { z } from 'zod';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';
import { httpSettingsWith } from '../../platform/http/settings.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'an absolute path');

const personSchema = z
  .strictObject({
    name: z
      .string()
      .regex(new RegExp(`^${NAME_PATTERN}$`), 'letters, digits, dot, hyphen and underscore, at most 64')
      .describe('stands in events as the actor: a staff number, say, rather than a name'),
    role: z
      .enum(['viewer', 'technician', 'administrator'])
      .describe('viewer: looks. technician: also open, stop-pick, recount, maintenance. administrator: also resume'),
    password_file: absolutePath
      .optional()
      .describe('for the page: mode 0600, as "latchkey console password" makes it; without it there is no sign-in'),
    totp_file: absolutePath
      .optional()
      .describe('the secret of the person\'s authenticator, mode 0600, as "latchkey console secret" makes it'),
  })
  .superRefine(({ role, totp_file: file }, context) => {
    if (role === 'viewer' || file !== undefined) return;
    const message = 'a secret for the second factor, which only viewers do without';
    context.addIssue({ code: 'custom', path: ['totp_file'], message, input: file });
  });

const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** A page asks for some files, and then once for each thing that a person does. */
const REQUESTS_PER_MINUTE = 600;

const webSettingsSchema = httpSettingsWith(REQUESTS_PER_MINUTE)
  .safeExtend({
    connections: z.int().min(8).max(1_000).default(128).describe('at a time'),
    names: z
      .array(z.string().max(253).regex(HOST_NAME, 'a host name in small letters'))
      .max(16)
      .default([])
      .describe('names by which browsers reach it, beside localhost and its address; others are refused'),
    session_s: z.int().min(60).max(86_400).default(28_800).describe('the longest that somebody stays signed in'),
    idle_s: z.int().min(30).max(86_400).default(1_800).describe('the longest without doing anything'),
    streams: z.int().min(1).max(500).default(64).describe('pages that are open at a time; 503 beyond'),
    streams_per_person: z.int().min(1).max(100).default(12),
  })
  .describe('the page in a browser; none without it');

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
    web: webSettingsSchema.exactOptional(),
  })
  .superRefine(({ people, web }, context) => {
    if (web === undefined || people.some(({ password_file: file }) => file !== undefined)) return;
    const message = 'a person with a password_file, since nobody else can sign in at the page';
    context.addIssue({ code: 'custom', path: ['people'], message, input: people });
  })
  .describe('who may look and act at the box itself: through the command line, and with a browser');

export type ConsoleSettings = z.output<typeof consoleSettingsSchema>;
export type Person = ConsoleSettings['people'][number];
export type ConsoleWebSettings = NonNullable<ConsoleSettings['web']>;
