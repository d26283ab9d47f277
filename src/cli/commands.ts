/** Every command of `latchkey`: the one table that dispatch, help and tests read. */
import type { CommandOption, CommandSpec } from './command.ts';
import { DOOR_COMMANDS } from './commands-doors.ts';
import { ENROLMENT_COMMANDS } from './commands-enrolments.ts';
import { RISK_COMMANDS } from './commands-risk.ts';
import { TPM_COMMANDS } from './commands-tpm.ts';

const CONFIG: CommandOption = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  help: 'gateway.yaml (/etc/latchkey/gateway.yaml)',
};
const JSON_OUT: CommandOption = { type: 'boolean', help: 'for programs: JSON on standard output' };
const OUT: CommandOption = { type: 'string', short: 'o', value: 'FILE', help: 'write here instead of standard output' };

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'Run the gateway daemon: devices to signed journal to MQTT',
    positionals: [],
    options: { config: CONFIG },
    details:
      'Stops cleanly at SIGTERM or SIGINT: waits, bounded, until the consumer has receipted the last entry. While it starts, it stops at once.',
    load: async () => {
      // Before the daemon is loaded: afterwards the space is as large as it gets.
      (await import('../platform/young-heap.ts')).boundYoungHeap();
      return (await import('./commands/run.ts')).runCommand;
    },
  },
  {
    name: 'receive',
    summary: 'Run the consumer: verify, store and receipt what gateways send',
    positionals: [],
    options: {
      config: { ...CONFIG, help: 'receive.yaml (/etc/latchkey/receive.yaml)' },
      'show-key': { type: 'boolean', help: 'print the verifier key of this receiver and stop (made if there is none)' },
    },
    load: async () => (await import('./commands/receive.ts')).receiveCommand,
  },
  {
    name: 'verify',
    summary: 'Verify batches, exports or bundles, offline, each and together',
    positionals: ['FILE', '[FILE...]'],
    options: {
      policy: { type: 'string', value: 'FILE', help: 'the trust policy: which logs, witnesses and level to believe' },
      vkey: { type: 'string', value: 'KEY', help: 'believe this one log: its C2SP verifier key' },
      receipt: {
        type: 'string',
        multiple: true,
        value: 'FILE',
        help: 'a cosigned note from beside the file: proves who stored it; may be given several times',
      },
      enrolment: {
        type: 'string',
        multiple: true,
        value: 'FILE',
        help: 'records and successor statements for a policy that names a service; may be given several times',
      },
      json: JSON_OUT,
    },
    details:
      'Exit code 0: verified. 1: refuted. 2: cannot tell (unreadable, a log that nobody names, below the least level). Several files must agree, too: one tree for each log, one history of anchors for each TPM that the policy names (a cloned TPM is counter_cloned).',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  {
    name: 'epcis',
    summary: 'Write verified custody events as an EPCIS 2.0 document (GS1, JSON-LD) for trading partners',
    positionals: ['FILE...'],
    options: { policy: { type: 'string', value: 'FILE', help: 'the trust policy; what does not verify is not read' } },
    details:
      'FILE is a batch or an export. Which events have a counterpart, and which are left out, stands in FORMAT.md section 15.\nExit code 0: written. 2: a file does not verify.',
    load: async () => (await import('./commands/epcis.ts')).epcisCommand,
  },
  {
    name: 'decode',
    summary: 'Show what a batch, an export or a captured frame of a device says',
    positionals: ['FILE|FAMILY', '[HEX...]'],
    options: { json: { type: 'boolean', help: 'for programs: the events as they are, one a line, or the frame' } },
    details:
      'A file is shown without being verified; exit code 0: all of it is framed as batches, 2: unreadable, or something else from some place on. "latchkey decode xor_8a80 80 01 00 33 B2" reads one frame of that family; exit code 0: sound, 2: damaged, and how, 64: no such family, or no hex. Its direction is "request", "reply", or "either" where the bytes fit both.',
    load: async () => (await import('./commands/decode.ts')).decodeCommand,
  },
  {
    name: 'init',
    summary: 'Write the first configuration of a box, and start its gateway',
    positionals: [],
    options: {
      config: CONFIG,
      yes: {
        type: 'boolean',
        short: 'y',
        help: 'ask nothing: options, and what is usual; needs --domain and --broker',
      },
      id: { type: 'string', value: 'NAME', help: "gateway.id (this machine's name)" },
      domain: { type: 'string', value: 'DOMAIN', help: 'gateway.operator_domain' },
      'data-dir': { type: 'string', value: 'DIR', help: 'gateway.data_dir (/var/lib/latchkey)' },
      broker: { type: 'string', value: 'URL', help: 'mqtt.url' },
      protocol: { type: 'string', value: 'VERSION', help: 'mqtt.protocol: 5 (usual) or 3.1.1' },
      username: { type: 'string', value: 'NAME', help: 'mqtt.username' },
      'password-file': { type: 'string', value: 'FILE', help: 'mqtt.password_file (/etc/latchkey/mqtt-password)' },
      'ca-file': { type: 'string', value: 'FILE', help: 'mqtt.ca_file' },
      receiver: {
        type: 'string',
        value: 'KEY',
        help: 'the consumer, as "latchkey receive --show-key" prints it there',
      },
      references: { type: 'string', value: 'KIND', help: 'pseudonym (a key is made unless there is one) or clear' },
      'keys-dir': { type: 'string', value: 'DIR', help: 'references.keys_dir (reference-keys beside the file)' },
      tpm: { type: 'string', value: 'DEVICE', help: 'keys.tpm.device, for example /dev/tpmrm0' },
      console: { type: 'string', value: 'NAME', help: 'console.web, and NAME as its administrator' },
      probe: {
        type: 'string',
        multiple: true,
        value: 'PORT',
        help: 'look for devices there; may be given several times',
      },
      family: { type: 'string', value: 'NAME', help: 'with --probe: look for this family alone, which is faster' },
      force: { type: 'boolean', help: 'overwrite a file that is there' },
      run: { type: 'boolean', help: 'run the gateway afterwards, in this process' },
    },
    details:
      'Asks at the terminal for what no option says, looks for devices as "latchkey probe" does, writes nothing that "config check" would refuse, and says what still needs a hand. Ends in the running gateway, or prints the command that runs it.\nExit code 0: written. 73: a file is there already, or cannot be written.',
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    name: 'status',
    summary: 'Show how the running gateway fares: devices, journal, receipts',
    positionals: [],
    options: {
      config: CONFIG,
      watch: { type: 'boolean', short: 'w', help: 'look again every second, in place, until interrupted' },
      json: JSON_OUT,
    },
    details:
      'Exit code 0: receipts move. 69: the gateway runs, but something of it stands still, or it does not run. With --watch 0, once it is interrupted; a gateway that is away or starts anew is waited for.',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'doctor',
    summary: 'Find what is wrong with this box, and say how to mend it',
    positionals: [],
    options: {
      config: CONFIG,
      json: JSON_OUT,
      bundle: {
        type: 'string',
        value: 'FILE',
        help: 'write a support archive without secrets as well (a new .tar.gz, mode 0600)',
      },
    },
    details:
      'Looks at settings, ports, clock, TPM, disk, key files, broker and receipts; changes nothing, and runs without settings, too. Run it as the user of the daemon.\nThe archive of --bundle holds what was found, the harmless part of the settings, status, metrics, and types of the newest entries; its MANIFEST.txt says so in words.\nExit code 0: sound. 1: something needs a hand. 73: the archive is there already, or cannot be written.',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    name: 'tail',
    summary: 'Print entries as they become durable',
    positionals: [],
    options: {
      config: CONFIG,
      lines: { type: 'string', short: 'n', value: 'N', help: 'begin with the newest N entries (10)' },
      follow: { type: 'boolean', short: 'f', help: 'go on until interrupted' },
      json: { type: 'boolean', help: 'for programs: the exact leaf lines' },
    },
    load: async () => (await import('./commands/tail.ts')).tailCommand,
  },
  {
    name: 'journal export',
    summary: 'Write a log, or a part of it, as consecutive signed batches',
    positionals: [],
    options: {
      config: CONFIG,
      out: OUT,
      log: { type: 'string', value: 'ORIGIN', help: 'which log; the open one unless said otherwise' },
      from: { type: 'string', value: 'N', help: 'first index (0); the export begins at the commit that holds it' },
      json: { type: 'boolean', help: 'for programs: a summary as JSON on standard error' },
    },
    details: 'Asks the running gateway, or takes the lock of the journal when none runs.',
    load: async () => (await import('./commands/journal-export.ts')).journalExportCommand,
  },
  {
    name: 'photo',
    summary: 'Give out a photo that this box keeps, by its SHA-256',
    positionals: ['SHA256'],
    options: { config: CONFIG, out: OUT },
    details: 'SHA256 as 64 hex digits, or as it stands in events. Asks the running gateway, which holds the key.',
    load: async () => (await import('./commands/photo.ts')).photoCommand,
  },
  {
    name: 'journal check',
    summary: 'Run the tree along every row of every log and compare with its notes',
    positionals: [],
    options: { config: CONFIG, json: JSON_OUT },
    details: 'Exit code 0: everything agrees. 1: something does not, and what is named.',
    load: async () => (await import('./commands/journal-check.ts')).journalCheckCommand,
  },
  {
    name: 'journal rotate',
    summary: 'End the open log in good order and open the next, with a key of its own',
    positionals: [],
    options: { config: CONFIG, json: JSON_OUT },
    details:
      'Prints both logs with their verifier keys. Asks the running gateway, or takes the lock of the journal when none runs.',
    load: async () => (await import('./commands/journal-rotate.ts')).journalRotateCommand,
  },
  {
    name: 'journal erase',
    summary: 'Show, and with --yes erase, the entries of one parcel or person: only their hashes stay',
    positionals: [],
    options: {
      config: CONFIG,
      parcel: {
        type: 'string',
        value: 'CODE',
        help: 'the parcel as it is scanned, under every reference key that is here',
      },
      scheme: { type: 'string', value: 'NAME', help: 'with --parcel: sscc, s10, ups, ...; recognised unless given' },
      actor: { type: 'string', value: 'NAME', help: 'the person, under every reference key that is here' },
      kind: {
        type: 'string',
        value: 'KIND',
        help: 'with --actor: courier, recipient, technician, operator or service',
      },
      ref: { type: 'string', value: 'REF', help: 'a reference as it stands in the log' },
      log: { type: 'string', value: 'ORIGIN', help: 'with --entries: the log in which they are counted' },
      entries: { type: 'string', value: 'LIST', help: 'indices and ranges in one log, like 3,7-9' },
      yes: { type: 'boolean', help: 'do it; without this nothing is changed' },
      json: JSON_OUT,
    },
    details:
      'Only receipted entries go; one that is not refuses the whole. Exit code 0: done, or shown. 75: not receipted yet, try again.',
    load: async () => (await import('./commands/journal-erase.ts')).journalEraseCommand,
  },
  {
    name: 'ports',
    summary: 'List serial ports with names that survive re-plugging',
    positionals: [],
    options: { json: JSON_OUT },
    load: async () => (await import('./commands/ports.ts')).portsCommand,
  },
  {
    name: 'pair',
    summary: 'Give a device of the open wire a key of this gateway, with the code of its label',
    positionals: ['DEVICE'],
    options: {
      config: CONFIG,
      'code-file': { type: 'string', value: 'FILE', help: 'the pairing code, instead of standard input' },
      rotate: { type: 'boolean', help: 'a new key for a paired device: its label is not needed' },
      json: JSON_OUT,
    },
    details:
      'DEVICE is a name of the settings with "driver: latchkey"; its key_file is written. A running gateway pairs it between two questions on its line; its doors are not seen meanwhile. Press the button inside the housing unless the device is new. Safe to repeat after a power cut.',
    load: async () => (await import('./commands/pair.ts')).pairCommand,
  },
  {
    name: 'probe',
    summary: 'Find what is attached to a port, without opening a door or changing a device',
    positionals: ['PORT'],
    options: {
      config: { ...CONFIG, help: 'gateway.yaml: PORT may then be the name of a port there' },
      baud: { type: 'string', value: 'N', help: 'only this speed' },
      family: { type: 'string', value: 'NAME', help: 'only this family, for example xor_8a80, honeywell, mt_sics' },
      limit: { type: 'string', value: 'S', help: 'stop after so many seconds (180)' },
      json: JSON_OUT,
    },
    details:
      'PORT is a device path, tcp://HOST:PORT, or a name of the settings. The gateway must not run on it. Scanners, scales and receivers are looked for first, and end the search. Exit code 0: found. 2: nothing answered, or not everything was asked. 75: somebody holds the port.',
    load: async () => (await import('./commands/probe.ts')).probeCommand,
  },
  {
    name: 'commission',
    summary: 'Walk through closed, open, closed for each door: polarity, numbering, missing feedback',
    positionals: ['[COMPARTMENT...]'],
    options: {
      config: CONFIG,
      again: { type: 'boolean', help: 'also doors that are commissioned' },
      yes: { type: 'boolean', help: 'ask for no Enter: begin each door at once' },
      wait: { type: 'string', value: 'S', help: 'seconds for each move (60)' },
      'accept-unlike': { type: 'boolean', help: 'record a door that reads otherwise than its neighbours' },
      json: JSON_OUT,
    },
    details:
      'Asks the running gateway, which records each door as a signed device.commissioned. Opens nothing: use hand, key, or "latchkey open" in another window. A walk that was broken off goes on with the next door. Prints the lines for gateway.yaml. Exit code 0: all of them. 2: not all, and why.',
    load: async () => (await import('./commands/commission.ts')).commissionCommand,
  },
  {
    name: 'simulate',
    summary: 'Serve a simulated site on pseudo-terminals and TCP',
    positionals: [],
    options: {
      site: { type: 'string', value: 'FILE', help: 'the site to play: lines, boards, scanners, faults, story' },
      ui: { type: 'boolean', help: 'also as a page to click; without --site a site of six doors' },
      'ui-port': { type: 'string', value: 'N', help: "the page's port on loopback (a free one)" },
      'ui-broker': {
        type: 'boolean',
        help: 'with --site: run an MQTT broker on loopback, to be stopped from the page',
      },
      'write-config': {
        type: 'string',
        value: 'FILE',
        help: 'write the gateway.yaml that fits the site; where it runs a broker, a consumer beside it, too',
      },
      'with-gateway': { type: 'boolean', help: 'run that gateway as well; its power is cut from the page' },
      json: JSON_OUT,
    },
    details:
      'Takes steps on standard input, typed or through a pipe, a line each and one after the other; stays after them.\n' +
      'With --ui it prints the address of the page; whoever has the address may play the site. Gateway and consumer are\n' +
      'processes of their own that end with this one; their files lie beside FILE.',
    load: async () => (await import('./commands/simulate.ts')).simulateCommand,
  },
  {
    name: 'simulate tpm',
    summary: 'Serve a simulated TPM with an EK certificate (swtpm)',
    positionals: [],
    options: {
      dir: { type: 'string', value: 'DIR', help: 'where the TPM lives, made if absent; a temporary one unless given' },
      socket: { type: 'string', value: 'PATH', help: 'the Unix socket it listens on (tpm.sock in its folder)' },
      json: JSON_OUT,
    },
    details:
      'Needs the Debian packages swtpm and swtpm-tools. On a terminal it takes "power cut", "reset", "pause", "resume".\n' +
      'It proves nothing about a box: what it signs stays at level A0.',
    load: async () => (await import('./commands/simulate-tpm.ts')).simulateTpmCommand,
  },
  {
    name: 'config check',
    summary: 'Check settings files and trust policies and report all problems at once',
    positionals: ['FILE...'],
    options: {
      kind: {
        type: 'string',
        value: 'KIND',
        help: 'gateway, enrolments, receive, risk, command, site or policy; guessed from the content unless given',
      },
      json: JSON_OUT,
    },
    load: async () => (await import('./commands/config-check.ts')).configCheckCommand,
  },
  {
    name: 'config schema',
    summary: 'Print the JSON Schema of a kind of settings file, for editors',
    positionals: ['KIND'],
    options: {},
    details:
      'KIND is gateway, enrolments, receive, risk, command or site; risk-api prints the OpenAPI document of the API.',
    load: async () => (await import('./commands/config-schema.ts')).configSchemaCommand,
  },
  ...DOOR_COMMANDS,
  ...TPM_COMMANDS,
  ...RISK_COMMANDS,
  ...ENROLMENT_COMMANDS,
];
