/** The commands of a box's enrolment and of its TPM: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const CONFIG: CommandOption = { type: 'string', short: 'c', value: 'FILE', help: 'gateway.yaml' };
const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };

export const TPM_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'enroll',
    summary: 'Enrol this box: its TPM, its log key and the enrolment service agree who it is',
    positionals: [],
    options: {
      config: CONFIG,
      service: { type: 'string', value: 'URL', help: 'the enrolment service (enrolment.url)' },
      'service-key': {
        type: 'string',
        value: 'KEY',
        help: 'its verifier key, as "enrolments serve --show-key" prints it there (enrolment.service_key)',
      },
      'token-file': {
        type: 'string',
        value: 'FILE',
        help: 'the one-time token, or the lines that "latchkey enrolments tokens" printed',
      },
      ca: {
        type: 'string',
        value: 'FILE',
        help: 'PEM of the authority behind its certificate, if the system has none (enrolment.ca_file)',
      },
      json: JSON_OUT,
    },
    details:
      'While no gateway runs. Cut off in the middle, it goes on where it was, without another token.\n' +
      'Exit code 0: enrolled. 75: a person must approve it there; run it again then. 77: refused, and why.',
    load: async () => (await import('./commands/enroll.ts')).enrollCommand,
  },
  {
    name: 'tpm show',
    summary: "Show this box's TPM: Names, counter, PCRs, clock, lockout, and whether it is the pinned one",
    positionals: [],
    options: { config: CONFIG, json: JSON_OUT },
    details: 'Only reads. Exit code 0: the pinned TPM. 77: another one, or one that was cleared.',
    load: async () => (await import('./commands/tpm-show.ts')).tpmShowCommand,
  },
  {
    name: 'tpm approve',
    summary: 'Approve the present PCRs of this TPM: in this state log keys open',
    positionals: [],
    options: {
      config: CONFIG,
      key: { type: 'string', value: 'FILE', help: "the authority's private P-256 key in PEM" },
      pcrs: { type: 'string', value: 'LIST', help: 'which PCRs of the SHA-256 bank, like 0,2,4,7' },
      policy: { type: 'string', value: 'FILE', help: 'the policy to add to; made if absent (keys.tpm.policy)' },
      json: JSON_OUT,
    },
    details:
      "The authority's key is the operator's and belongs on no box: approve on one machine of a kind, ship the policy.\n" +
      'Approvals that the policy holds stay: remove them when the old software must no longer open keys.',
    load: async () => (await import('./commands/tpm-approve.ts')).tpmApproveCommand,
  },
];
