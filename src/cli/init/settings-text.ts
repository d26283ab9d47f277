/** gateway.yaml out of what was answered and found. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Answers } from './answers.ts';
import type { FoundPort } from './found-devices.ts';

const HEAD = `# Written by "latchkey init". "latchkey config check" checks it, and config/gateway.yaml shows what else there is.
# Polarities of doors are learned by "latchkey commission", with the gateway running: until then no door is believed.

`;
const BOARDS_MAX = 26;
const CONSOLE_PORT = 8_480;

/** `keysDir` and `peopleDir`: for keys of parcel names, and for what people sign in with. */
export function settingsText(
  answers: Answers,
  keysDir: string,
  ports: readonly FoundPort[],
  peopleDir = '/etc/latchkey',
): string {
  const { id, domain, dataDir, broker, protocol, username, passwordFile, caFile, receiver, references, tpm } = answers;
  const settings = {
    gateway: { id, operator_domain: domain, data_dir: dataDir },
    keys: tpm === '' ? 'software' : { tpm: { device: tpm } },
    mqtt: {
      url: broker,
      ...(protocol !== '5' && { protocol }),
      ...(username !== '' && { username, password_file: passwordFile }),
      ...(caFile !== '' && { ca_file: caFile }),
    },
    receivers: receiver === '' ? [] : [{ vkey: receiver, role: 'store' }],
    references: references === 'clear' ? { kind: 'clear' } : { kind: 'pseudonym', keys_dir: keysDir },
    ports,
    custody: { compartments: compartmentsOf(ports) },
    ...(answers.console !== '' && { console: consoleOf(answers.console, peopleDir) }),
  };
  return `${HEAD}${stringify(settings)}`;
}

/** Its files are made by a person: what is missing stands in what still needs a hand. */
function consoleOf(name: string, folder: string): object {
  const password_file = join(folder, `${name}.password`);
  const totp_file = join(folder, `${name}.totp`);
  return { people: [{ name, role: 'administrator', password_file, totp_file }], web: { port: CONSOLE_PORT } };
}

/** A board to a letter, a channel to a number: A01 is channel 1 of the first board. */
function compartmentsOf(ports: readonly FoundPort[]): readonly object[] {
  const boards = ports.flatMap(({ devices }) => devices.filter(({ channels }) => channels !== undefined));
  return boards.slice(0, BOARDS_MAX).flatMap(({ name, channels = 0 }, i) => {
    const letter = String.fromCharCode('A'.charCodeAt(0) + i);
    return Array.from({ length: channels }, (_, at) => ({
      name: `${letter}${String(at + 1).padStart(2, '0')}`,
      device: name,
      channel: at + 1,
    }));
  });
}
