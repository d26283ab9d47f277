/** The commands that open doors, at the box and from afar: rows of the table in `commands.ts`. */
import type { CommandOption, CommandSpec } from './command.ts';

const CONFIG: CommandOption = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'gateway.yaml (/etc/latchkey/gateway.yaml)',
};
const COMMAND_CONFIG: CommandOption = { ...CONFIG, help: 'command.yaml (/etc/latchkey/command.yaml)' };
const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };
const AS: CommandOption = { type: 'string', value: 'NAME', help: 'who acts: a person of console.people' };
const BY: CommandOption = {
  type: 'string',
  value: 'KIND:REF',
  help: 'on whose behalf: operator, service, technician, courier or recipient, and a reference (operator:desk-7)',
};

const AT_THE_BOX = 'Asks for the six digits of the authenticator, or reads them as a line of standard input.';
const EXITS = 'Exit code 0: done. 2: the door was not seen to open, look at it. 77: refused, and why.';

function atTheBox(name: string, summary: string, verb: string, positionals: readonly string[] = []): CommandSpec {
  return {
    name,
    summary,
    positionals,
    options: { config: CONFIG, as: AS, json: JSON_OUT },
    details: `${AT_THE_BOX}\n${EXITS}`,
    load: async () => (await import('./commands/act.ts')).actCommand(verb),
  };
}

export const DOOR_COMMANDS: readonly CommandSpec[] = [
  atTheBox('open', 'Open one door, as a person at the box with a second factor', 'open', ['COMPARTMENT']),
  atTheBox('stop-pick', 'Open no door any more, until resume: holds over restarts', 'stop_pick'),
  atTheBox('resume', 'Let doors be opened again after stop-pick (administrators)', 'resume'),
  atTheBox('recount', 'Have the state of every door recorded', 'recount'),
  {
    name: 'console secret',
    summary: 'Make the secret of a second factor, and show it for the authenticator, once',
    positionals: ['FILE'],
    options: {
      name: { type: 'string', value: 'NAME', help: 'the person, as in console.people' },
      issuer: { type: 'string', value: 'TEXT', help: 'shown by the authenticator (Latchkey)' },
    },
    details: 'Never writes over a file that is there. The user of the daemon must own it.',
    load: async () => (await import('./commands/console-secret.ts')).consoleSecretCommand,
  },
  {
    name: 'console password',
    summary: 'Write the password of a person for the console in a browser',
    positionals: ['FILE'],
    options: { force: { type: 'boolean', help: 'write over a file that is there' } },
    details:
      'Asks for it twice, or reads it as a line of standard input. FILE holds a scrypt hash, mode 0600; it goes into password_file of console.people, and the user of the daemon must own it. A changed password counts at the next sign-in.',
    load: async () => (await import('./commands/console-password.ts')).consolePasswordCommand,
  },
  {
    name: 'command key',
    summary: 'Print the verifier key of who signs commands (made if there is none)',
    positionals: [],
    options: { config: COMMAND_CONFIG },
    details: 'Goes into commands.keys of gateway.yaml, with the verbs that it may ask for.',
    load: async () => (await import('./commands/command-key.ts')).commandKeyCommand,
  },
  {
    name: 'command send',
    summary: 'Sign a command, send it to a gateway over MQTT, and wait for its signed reply',
    positionals: ['GATEWAY', 'VERB', '[NAME=VALUE...]'],
    options: { config: COMMAND_CONFIG, by: BY, json: JSON_OUT },
    details:
      'Verbs: open compartment=NAME, stop_pick, resume, recount, and with NAME:=JSON for what is no text grant, revoke,\n' +
      'assign, unassign, maintain (FORMAT.md section 11). What the command names of the gateway is asked of it.\n' +
      `${EXITS} 75: no reply came, and the log says what became of it.`,
    load: async () => (await import('./commands/command-send.ts')).commandSendCommand,
  },
  {
    name: 'command make',
    summary: 'Sign a command and print it, to be published by other means',
    positionals: ['GATEWAY', 'VERB', '[NAME=VALUE...]'],
    options: {
      config: COMMAND_CONFIG,
      by: BY,
      log: { type: 'string', value: 'ORIGIN', help: 'the log that is open at the gateway' },
      start: { type: 'string', value: 'TEXT', help: 'data.start of its gateway.started' },
      'until-up-ms': { type: 'string', value: 'N', help: 'when it ends, in up_ms of that start' },
      'not-after': { type: 'string', value: 'TIME', help: 'wall time, like 2026-11-22T09:01:00.000Z' },
    },
    load: async () => (await import('./commands/command-make.ts')).commandMakeCommand,
  },
  {
    name: 'command seal',
    summary: 'Seal an access code for one gateway: what "command send GATEWAY grant" carries instead of it',
    positionals: ['GATEWAY', 'ACCESS_KEY'],
    options: { json: JSON_OUT },
    details:
      'Reads the code as a line of standard input, and prints credential=... and sealed=... for "command send".\n' +
      'ACCESS_KEY: data.access_key of the gateway.started that its log has verified.',
    load: async () => (await import('./commands/command-seal.ts')).commandSealCommand,
  },
];
