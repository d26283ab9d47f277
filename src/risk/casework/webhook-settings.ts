/** Where commands are sent, and the terms of the law: the part of the settings that casework reads. */
import { z } from 'zod';
import { isEndpoint } from '../../platform/http/endpoint.ts';
import { ACTION_NAMES } from './actions.ts';
import { legalPolicySchema } from './legal-policy.ts';

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, { error: 'an absolute path' });

const endpointSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'letters, digits and hyphens, at most 63' }),
  url: z
    .string()
    .max(2_048)
    .refine(isEndpoint, { error: 'an https address (http on this machine), without user and password' }),
  actions: z
    .array(z.enum(ACTION_NAMES))
    .min(1)
    .max(ACTION_NAMES.length)
    .describe('what is sent there; each action goes to one place'),
  secret_files: z
    .array(absolutePath)
    .min(1)
    .max(2)
    .describe('one line each, mode 0600: whsec_ (HMAC-SHA256) or whsk_ (Ed25519). Two while a secret is changed'),
  ca_file: absolutePath
    .exactOptional()
    .describe('certificate authority of the server, PEM; the usual ones unless given'),
  timeout_s: z.int().min(1).max(60).default(10),
});

export const webhooksSchema = z
  .array(endpointSchema)
  .max(16)
  .default([])
  .superRefine((endpoints, context) => {
    const seen = new Set<string>();
    for (const [at, { actions }] of endpoints.entries()) {
      for (const action of actions) {
        const path = [at, 'actions'];
        const message = `expected each action at one place, found ${action} at two`;
        if (seen.has(action)) context.addIssue({ code: 'custom', path, message, input: undefined });
        seen.add(action);
      }
    }
  })
  .describe('signed webhooks (Standard Webhooks) to the payment side and to whoever keeps tickets');

export const actionsSettingsSchema = z.strictObject({ webhooks: webhooksSchema, legal: legalPolicySchema });

export type Endpoint = z.output<typeof endpointSchema>;
export type ActionsSettings = z.output<typeof actionsSettingsSchema>;
