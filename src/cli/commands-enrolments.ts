/** The commands of the enrolment service and of whoever answers for it: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const CONFIG: CommandOption = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'enrolments.yaml (/etc/latchkey/enrolments.yaml)',
};
const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };
const BY: CommandOption = { type: 'string', value: 'NAME', help: 'who decides; kept with the decision' };
const WHY: CommandOption = { type: 'string', value: 'TEXT', help: 'why; kept with the decision' };

export const ENROLMENT_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'enrolments serve',
    summary: 'Run the enrolment service: who is who, proven by TPMs',
    positionals: [],
    options: {
      config: CONFIG,
      'show-key': { type: 'boolean', help: 'print the verifier key of this service and stop (made if there is none)' },
    },
    load: async () => (await import('./commands/enrolments-serve.ts')).enrolmentsServeCommand,
  },
  {
    name: 'enrolments tokens',
    summary: 'Make one-time tokens with which boxes enrol',
    positionals: [],
    options: {
      config: CONFIG,
      gateways: { type: 'string', value: 'FILE', help: 'gateway ids, one a line' },
      prefix: { type: 'string', value: 'TEXT', help: 'instead of a file: ids are this and a number, as in gw-0001' },
      count: { type: 'string', value: 'N', help: 'with --prefix: how many' },
      first: { type: 'string', value: 'N', help: 'with --prefix: the first number (1)' },
      hours: { type: 'string', value: 'N', help: 'they expire after so many hours (168)' },
    },
    details:
      'Prints a line "gateway,token" for each. The tokens are shown this once: the service keeps only their hashes.',
    load: async () => (await import('./commands/enrolments-tokens.ts')).enrolmentsTokensCommand,
  },
  {
    name: 'enrolments list',
    summary: 'List enrolled gateways, their logs, and what waits for a person',
    positionals: [],
    options: { config: CONFIG, json: JSON_OUT },
    load: async () => (await import('./commands/enrolments-list.ts')).enrolmentsListCommand,
  },
  {
    name: 'enrolments show',
    summary: 'Show the whole history of one gateway as JSON',
    positionals: ['GATEWAY'],
    options: { config: CONFIG },
    load: async () => (await import('./commands/enrolments-list.ts')).enrolmentsShowCommand,
  },
  {
    name: 'enrolments approve',
    summary: 'Sign the record of an enrolment that waits, or choose one of several successors',
    positionals: ['GATEWAY', 'CHALLENGE_OR_LOG'],
    options: { config: CONFIG, by: BY, why: WHY },
    details:
      'With a challenge: the enrolment is signed. With the origin of a log: of the logs that are stated to follow the same one, this one counts.',
    load: async () => (await import('./commands/enrolments-decide.ts')).enrolmentsApproveCommand,
  },
  {
    name: 'enrolments decline',
    summary: 'Decline an enrolment that waits',
    positionals: ['GATEWAY', 'CHALLENGE'],
    options: { config: CONFIG, by: BY, why: WHY },
    load: async () => (await import('./commands/enrolments-decide.ts')).enrolmentsDeclineCommand,
  },
  {
    name: 'enrolments revoke',
    summary: 'Revoke the key of a log at a checkpoint: it counts for no tree beyond it',
    positionals: ['GATEWAY', 'LOG'],
    options: {
      config: CONFIG,
      by: BY,
      why: WHY,
      size: { type: 'string', value: 'N', help: 'size of the last tree that counts (0: none does)' },
      root: { type: 'string', value: 'BASE64', help: 'its root; may be left out with size 0' },
    },
    load: async () => (await import('./commands/enrolments-decide.ts')).enrolmentsRevokeCommand,
  },
  {
    name: 'enrolments recheck',
    summary: 'Find enrolled boxes whose certificate a vendor revoked since, and propose what to revoke',
    positionals: [],
    options: { config: CONFIG, json: JSON_OUT },
    details:
      'Looks at the revocation lists and the deny list of the settings; the service does the same while it runs.\nExit code 0: none. 1: some, each with the command that revokes it.',
    load: async () => (await import('./commands/enrolments-recheck.ts')).enrolmentsRecheckCommand,
  },
  {
    name: 'enrolments escrow',
    summary: 'Open the authorisations that a box handed over, with the key that is kept offline',
    positionals: ['GATEWAY'],
    options: { config: CONFIG, key: { type: 'string', value: 'FILE', help: 'the private X25519 key in PEM' } },
    load: async () => (await import('./commands/enrolments-escrow.ts')).enrolmentsEscrowCommand,
  },
  {
    name: 'enrolments records',
    summary: 'Print summaries of records and successor statements, for verifiers whose policy names this service',
    positionals: ['[GATEWAY]'],
    options: { config: CONFIG },
    details: 'For "latchkey verify --enrolment FILE": of one gateway or of all, an envelope a line.',
    load: async () => (await import('./commands/enrolments-records.ts')).enrolmentsRecordsCommand,
  },
  {
    name: 'enrolments policy',
    summary: 'Print the trust policy that follows, for verify and receive',
    positionals: [],
    options: { config: CONFIG },
    load: async () => (await import('./commands/enrolments-policy.ts')).enrolmentsPolicyCommand,
  },
];
