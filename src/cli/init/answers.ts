/** The questions of `latchkey init`: an option answers, or a person at the terminal, or what is usual. */
import { hostname } from 'node:os';
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import { gatewaySettingsSchema } from '../../edge/gateway/settings.ts';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';
import { mqttSettingsSchema } from '../../platform/mqtt/settings.ts';
import type { CommandArgs } from '../command.ts';

/** Shows the question and gives the line that was typed. */
export type Asker = (question: string) => Promise<string>;

export interface Answers {
  readonly id: string;
  readonly domain: string;
  readonly dataDir: string;
  readonly broker: string;
  /** Version of MQTT. */
  readonly protocol: string;
  readonly username: string;
  readonly passwordFile: string;
  readonly caFile: string;
  readonly receiver: string;
  readonly references: string;
  /** Device path of a TPM 2.0; empty for keys in files. */
  readonly tpm: string;
  /** Who may use the console in a browser; empty for no console. */
  readonly console: string;
}

interface Question {
  readonly option: string;
  readonly text: string;
  readonly schema: z.ZodType;
  /** Undefined: there must be an answer. Empty: there may be none. */
  readonly usual: string | undefined;
}

const TRIES_MAX = 5;
const { gateway, receivers } = gatewaySettingsSchema.shape;
const path = z.string().regex(/^\/[^\0]*$/, 'an absolute path');
const personName = z
  .string()
  .regex(new RegExp(`^${NAME_PATTERN}$`), 'a name of letters, digits, dot, hyphen and underscore, like tech-7');

/** Throws USAGE when an answer is missing, or is wrong again and again. `ask` undefined: options alone answer. */
export async function answersOf(args: CommandArgs, ask: Asker | undefined, tpmDevice: string): Promise<Answers> {
  const answer = (option: string, text: string, usual: string | undefined, schema: z.ZodType = z.string()) =>
    answered({ option, text, usual, schema }, args.text(option), ask);
  const id = await answer('id', 'Name of this gateway, unique at its broker', idOf(hostname()), gateway.shape.id);
  const domain = await answer(
    'domain',
    'Your domain: it begins the name of every log',
    undefined,
    gateway.shape.operator_domain,
  );
  const dataDir = await answer(
    'data-dir',
    'Folder for journal and keys, on a disk',
    '/var/lib/latchkey',
    gateway.shape.data_dir,
  );
  const broker = await answer('broker', 'Broker, as mqtts://HOST:8883', undefined, mqttSettingsSchema.shape.url);
  const protocol = await answered(
    { option: 'protocol', text: '', usual: '5', schema: z.enum(['5', '3.1.1']) },
    args.text('protocol'),
    undefined,
  );
  const username = await answer('username', 'User name at the broker (empty: none)', '');
  const passwordFile =
    username === ''
      ? ''
      : await answer('password-file', 'File of its password, mode 0600', '/etc/latchkey/mqtt-password', path);
  const caFile = broker.startsWith('mqtts:')
    ? await answer('ca-file', "PEM of the broker's authority (empty: the system's)", '', path)
    : '';
  const vkey = z.string().refine((text) => receivers.safeParse([{ vkey: text, role: 'store' }]).success, {
    error: 'a verifier key, as "latchkey receive --show-key" prints it',
  });
  const receiver = await answer('receiver', 'Key of the consumer whose receipts count (empty: later)', '', vkey);
  const references = await answer(
    'references',
    'Parcels in the log: pseudonym or clear',
    'pseudonym',
    z.enum(['pseudonym', 'clear']),
  );
  const tpm = await answer(
    'tpm',
    'TPM that seals the keys (empty: keys in files, level A0)',
    ask === undefined ? '' : tpmDevice,
    path,
  );
  const person = await answer('console', 'Name of who may use the console in a browser (empty: none)', '', personName);
  return {
    ...{ id, domain, dataDir, broker, protocol, username, passwordFile, caFile, receiver, references, tpm },
    console: person,
  };
}

async function answered(question: Question, given: string | undefined, ask: Asker | undefined): Promise<string> {
  const { option, text, usual } = question;
  if (given !== undefined) {
    const problem = problemOf(question, given);
    if (problem === undefined) return given;
    throw new LatchkeyError('USAGE', `option --${option}: expected ${problem}, found ${JSON.stringify(given)}`);
  }
  if (ask === undefined) {
    if (usual !== undefined) return usual;
    throw new LatchkeyError('USAGE', `option --${option} is needed with --yes`);
  }
  const hint = usual === undefined || usual === '' ? '' : ` [${usual}]`;
  let problem = '';
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const typed = (await ask(`${problem}${text}${hint}: `)).trim();
    const value = typed === '' && usual !== undefined ? usual : typed;
    const wrong = problemOf(question, value);
    if (wrong === undefined) return value;
    problem = `  expected ${wrong}\n`;
  }
  throw new LatchkeyError('USAGE', `no usable answer in ${TRIES_MAX} tries: ${text}`);
}

function problemOf({ schema, usual }: Question, value: string): string | undefined {
  if (value === '' && usual === '') return undefined;
  const parsed = schema.safeParse(value);
  return parsed.success ? undefined : (parsed.error.issues[0]?.message ?? 'another value');
}

/** A no is a no in any spelling that begins with it. */
export async function confirmed(ask: Asker, question: string, usual: boolean): Promise<boolean> {
  const typed = (await ask(`${question} ${usual ? '[Y/n]' : '[y/N]'}: `)).trim().toLowerCase();
  return typed === '' ? usual : typed.startsWith('y');
}

function idOf(host: string): string {
  const plain = host
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 64);
  return plain === '' ? 'gw-0001' : plain;
}
