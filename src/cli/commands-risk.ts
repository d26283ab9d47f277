/** The commands of the risk service: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };

export const RISK_COMMANDS: readonly CommandSpec[] = [
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
