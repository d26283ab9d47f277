/** The commands of the risk service: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };

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
];
