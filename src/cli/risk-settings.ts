/** Where the commands of the risk side find their settings: risk.yaml, receive.yaml, or a data directory alone. */
import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { LatchkeyError } from '../base/errors.ts';
import { loadSettings, readSettingsText } from '../platform/settings.ts';
import type { RulesetSettings } from '../risk/decision/ruleset.ts';
import { LEDGER_DEFAULTS } from '../risk/ledger/settings.ts';
import { patternsSchema } from '../risk/patterns/settings.ts';
import { type ReceiveSettings, receiveSettingsSchema } from '../risk/receive/settings.ts';
import { retentionSchema } from '../risk/retention/settings.ts';
import { customersKeyIn, type RiskSettings, riskSettings, riskSettingsSchema } from '../risk/service/settings.ts';
import type { CommandArgs } from './command.ts';
import { SETTINGS_KINDS } from './settings-kinds.ts';

const RISK_YAML = '/etc/latchkey/risk.yaml';
const RECEIVE_YAML = '/etc/latchkey/receive.yaml';

/**
 * Of the service. With --data-dir its `risk.yaml` is read, and may name another directory where the data are; an explicit
 * --config leaves that to --data-dir.
 */
export function readRiskSettings(args: CommandArgs): RiskSettings {
  const dataDir = dataDirOf(args);
  const given = args.text('config');
  if (given !== undefined || dataDir === undefined) {
    return riskSettings(loadSettings(given ?? RISK_YAML, riskSettingsSchema), dataDir);
  }
  const written = loadSettings(join(dataDir, 'risk.yaml'), riskSettingsSchema);
  return riskSettings(written, written.data_dir ?? dataDir);
}

export interface StoredWhere {
  readonly settings: Pick<
    ReceiveSettings,
    | 'store'
    | 'data_dir'
    | 'replica'
    | 'tenant'
    | 'region'
    | 'gateway_levels'
    | 'gateway_clocks'
    | 'gateway_sites'
    | 'gateway_silent_h'
    | 'trial'
  >;
  readonly ruleset: RulesetSettings;
  readonly ledger: RiskSettings['ledger'];
  readonly webhooks: RiskSettings['webhooks'];
  readonly legal: RiskSettings['legal'];
  readonly retention: RiskSettings['retention'];
  readonly patterns: RiskSettings['patterns'];
  readonly customersKeyFile: string;
}

/** Of whoever wrote the database: the service, the receiver, or, with --data-dir alone, an embedded one. */
export function readStoredWhere(args: CommandArgs): StoredWhere {
  const dataDir = dataDirOf(args);
  const given = args.text('config');
  if (dataDir !== undefined && given === undefined && !existsSync(join(dataDir, 'risk.yaml'))) {
    const bare = { mqtt: { url: 'mqtt://127.0.0.1' }, trust_first_use: true };
    return ofService(riskSettings(riskSettingsSchema.parse(bare), dataDir));
  }
  if (dataDir !== undefined || isRiskYaml(given)) return ofService(readRiskSettings(args));
  const settings = loadSettings(given ?? RECEIVE_YAML, receiveSettingsSchema);
  return {
    settings,
    ruleset: {},
    ledger: LEDGER_DEFAULTS,
    webhooks: [],
    legal: {},
    retention: retentionSchema.parse({}),
    patterns: patternsSchema.parse({}),
    customersKeyFile: customersKeyIn(settings.data_dir),
  };
}

function ofService({
  receive,
  ruleset,
  ledger,
  webhooks,
  legal,
  retention,
  patterns,
  customersKeyFile,
}: RiskSettings): StoredWhere {
  return { settings: receive, ruleset, ledger, webhooks, legal, retention, patterns, customersKeyFile };
}

function isRiskYaml(file: string | undefined): boolean {
  if (file === undefined) return false;
  const text = readSettingsText(file);
  return text.ok && SETTINGS_KINDS.risk.mark.test(text.value);
}

function dataDirOf(args: CommandArgs): string | undefined {
  const given = args.text('data-dir');
  if (given === undefined) return undefined;
  if (given === '') throw new LatchkeyError('USAGE', 'option --data-dir: expected a directory, found nothing');
  return isAbsolute(given) ? given : resolve(given);
}
