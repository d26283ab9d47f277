/** The commands of the risk service: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };

const CONFIG: CommandOption = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'receive.yaml with a database as its store (/etc/latchkey/receive.yaml)',
};
const RULESET: CommandOption = {
  type: 'string',
  value: 'FILE',
  help: 'parameters of the rules, YAML; what is left out has its default',
};

export const RISK_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'risk ledger',
    summary: 'Tell the story of one parcel from verified exports: where it is, who has it, what does not agree',
    positionals: ['PARCEL', 'FILE...'],
    options: {
      policy: { type: 'string', value: 'FILE', help: 'the trust policy; what does not verify is not read' },
      claims: {
        type: 'string',
        value: 'FILE',
        help: 'what carrier, merchant and warehouse say: JSON, a list of claims',
      },
      json: JSON_OUT,
    },
    details:
      'PARCEL is the reference as it stands in events. The ledger in --json has the facts that a decision reads.\n' +
      'Exit code 0: told. 2: a file does not verify, or is none of these.',
    load: async () => (await import('./commands/risk-ledger.ts')).riskLedgerCommand,
  },
  {
    name: 'risk decide',
    summary: 'Decide a refund from a snapshot of its facts, and say why',
    positionals: ['FILE'],
    options: {
      ruleset: {
        type: 'string',
        value: 'FILE',
        help: 'parameters of the rules, YAML; what is left out has its default',
      },
      json: JSON_OUT,
    },
    details:
      'The same facts and ruleset give the same decision on every machine: an auditor can decide again.\n' +
      'Exit code 0: decided, whatever the outcome. 2: the file is no snapshot of facts.',
    load: async () => (await import('./commands/risk-decide.ts')).riskDecideCommand,
  },
  {
    name: 'risk refund',
    summary: 'Decide a refund on what the receiver stored, keep the decision, and say why',
    positionals: ['REQUEST'],
    options: {
      config: CONFIG,
      key: { type: 'string', value: 'KEY', help: 'idempotency key: the same again gives the same answer (refund_id)' },
      ruleset: RULESET,
      json: JSON_OUT,
    },
    details:
      'REQUEST is JSON: refund_id, kind, parcel_refs, amount_minor, currency, operator, requested_at, payment_ref, destination.\n' +
      'An embedded database serves one process: stop the receiver first. PostgreSQL serves both.',
    load: async () => (await import('./commands/risk-refund.ts')).riskRefundCommand,
  },
  {
    name: 'risk replay',
    summary: 'Decide a kept decision again from its own facts, and compare',
    positionals: ['DECISION'],
    options: { config: CONFIG, json: JSON_OUT },
    details: 'Exit code 0: the same to the byte. 1: another answer. 2: there is no such decision.',
    load: async () => (await import('./commands/risk-refund.ts')).riskReplayCommand,
  },
  {
    name: 'risk import',
    summary: 'Take in payments, exchange rates or claims of carrier, merchant and warehouse',
    positionals: ['KIND', 'FILE'],
    options: { config: CONFIG, json: JSON_OUT },
    details: 'KIND is payments, rates or claims; FILE is JSON, a list. The same again changes nothing.',
    load: async () => (await import('./commands/risk-refund.ts')).riskImportCommand,
  },
];
