/** The kinds of settings files, and a member by which each is recognised. */
import type { z } from 'zod';
import { siteSchema } from '../../simulators/site/settings.ts';
import { gatewaySettingsSchema } from '../edge/gateway/settings.ts';
import { commandSettingsSchema } from '../risk/commands/settings.ts';
import { enrolmentSettingsSchema } from '../risk/enrolment/settings.ts';
import { receiveSettingsSchema } from '../risk/receive/settings.ts';
import { riskSettingsSchema } from '../risk/service/settings.ts';

export type SettingsKind = 'command' | 'gateway' | 'enrolments' | 'risk' | 'receive' | 'site';

export const SETTINGS_KINDS: Readonly<Record<SettingsKind, { readonly schema: z.ZodType; readonly mark: RegExp }>> = {
  command: { schema: commandSettingsSchema, mark: /^signer:/m },
  gateway: { schema: gatewaySettingsSchema, mark: /^gateway:/m },
  enrolments: { schema: enrolmentSettingsSchema, mark: /^(ek_roots|operator_domains):/m },
  risk: { schema: riskSettingsSchema, mark: /^(receipts|database|api|ruleset|sources):/m },
  receive: { schema: receiveSettingsSchema, mark: /^(data_dir|policy|trust_first_use|witness):/m },
  site: { schema: siteSchema, mark: /^lines:/m },
};
