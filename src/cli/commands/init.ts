/**
 * `latchkey init`: the first configuration of a box, asked for at the terminal or given by options. It ends in a running
 * gateway, or in the command that runs it. Nothing is written before all of it passes the check.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { utf8 } from '../../base/bytes.ts';
import { explain, LatchkeyError, messageOf } from '../../base/errors.ts';
import { gatewaySettingsSchema } from '../../edge/gateway/settings.ts';
import { listPorts } from '../../edge/ports/list-ports.ts';
import { makeDirectory, writeFileDurably } from '../../platform/durable-file.ts';
import { parseSettings } from '../../platform/settings.ts';
import { CommandArgs, type CommandIo, type CommandRun } from '../command.ts';
import type { Check } from '../doctor/check.ts';
import { examine } from '../doctor/examine.ts';
import { type Asker, answersOf, confirmed } from '../init/answers.ts';
import { DeviceNames, type FoundPort, portOf } from '../init/found-devices.ts';
import { settingsText } from '../init/settings-text.ts';
import { openTerminal } from '../init/terminal.ts';
import { GATEWAY_CONFIG_DEFAULT } from '../locate.ts';
import { describeResult, linkOf, searchLink } from './probe.ts';

/** Settings hold no secret, and the daemon's user reads what root wrote. */
const SETTINGS_MODE = 0o644;
const TPM_DEVICE = '/dev/tpmrm0';

export const initCommand: CommandRun = async (args, io) => {
  const configPath = resolve(args.text('config') ?? GATEWAY_CONFIG_DEFAULT);
  await refuseOverwriting(configPath, args.flag('force'));
  if (args.flag('yes')) return initialise(configPath, args, io, undefined);
  if (!process.stdin.isTTY) {
    throw new LatchkeyError('USAGE', 'init asks at a terminal; without one, give --yes with --domain and --broker');
  }
  const terminal = openTerminal(process.stdin, process.stderr, io.signal);
  try {
    return await initialise(configPath, args, io, terminal.ask, () => terminal.close());
  } finally {
    terminal.close();
  }
};

/** `ask` undefined: options answer, and what is usual. */
export async function initialise(
  configPath: string,
  args: CommandArgs,
  io: CommandIo,
  ask: Asker | undefined,
  asked: () => void = () => undefined,
): Promise<number> {
  const answers = await answersOf(args, ask, (await isUsable(TPM_DEVICE)) ? TPM_DEVICE : '');
  const keysDir = args.text('keys-dir') ?? join(dirname(configPath), 'reference-keys');
  const ports = await searchPorts(await portsToProbe(args, ask), args.text('family'), io);
  const text = settingsText(answers, keysDir, ports, dirname(configPath));
  const parsed = parseSettings(text, gatewaySettingsSchema);
  if (!parsed.ok)
    throw new LatchkeyError('CONFIG_INVALID', `nothing is written, since the settings have ${parsed.detail}`);
  try {
    if (answers.references === 'pseudonym') await makeReferenceKey(keysDir, io);
    await makeDirectory(dirname(configPath));
    await writeFileDurably(configPath, utf8(text), SETTINGS_MODE);
  } catch (error) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${configPath}: ${messageOf(error)}`, { cause: error });
  }
  io.err(`${configPath} is written, and sound`);
  const { checks } = await examine({ configPath, signal: io.signal });
  for (const line of adviceOf(checks)) io.err(line);
  const starts = args.flag('run') || (ask !== undefined && (await confirmed(ask, 'Start the gateway now?', true)));
  asked();
  if (starts) return runGatewayOf(configPath, io);
  io.out(runCommandLine(configPath));
  return 0;
}

async function refuseOverwriting(path: string, force: boolean): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || force) return;
  throw new LatchkeyError('OUTPUT_UNWRITABLE', `${path} is there already, and is not overwritten without --force`);
}

/** Named by options, or picked at the terminal; with --yes no other port is touched. */
async function portsToProbe(args: CommandArgs, ask: Asker | undefined): Promise<readonly string[]> {
  const named = args.list('probe');
  if (named.length > 0 || ask === undefined) return named;
  const picked: string[] = [];
  for (const port of await listPorts()) {
    const lasting = port.byId[0] ?? port.byPath[0];
    const what = [port.manufacturer, port.product].filter((text) => text !== undefined).join(' ');
    const question = `Look for devices on ${lasting ?? port.path}${what === '' ? '' : ` (${what})`}? Nothing is opened.`;
    if (await confirmed(ask, question, lasting !== undefined)) picked.push(lasting ?? port.path);
  }
  const typed = (await ask('Other ports, like tcp://HOST:PORT, with spaces between (empty: none): ')).trim();
  return [...picked, ...typed.split(/\s+/).filter((each) => each !== '')];
}

/** A port that is busy or silent keeps nothing else from being written. */
async function searchPorts(
  targets: readonly string[],
  family: string | undefined,
  io: CommandIo,
): Promise<readonly FoundPort[]> {
  const names = new DeviceNames();
  const found: FoundPort[] = [];
  const links = targets.map((target) => ({ target, link: linkOf(target) }));
  for (const { target, link } of links) {
    try {
      const result = await searchLink(link, family === undefined ? {} : { family }, io);
      for (const line of describeResult(result)) io.err(`${target}: ${line}`);
      const port = portOf(link, result, names);
      if (port !== undefined) found.push(port);
    } catch (error) {
      if (!(error instanceof LatchkeyError) || io.signal.aborted) throw error;
      io.err(`${target}: ${explain(error)}`);
    }
  }
  return found;
}

/** The key of parcel names, unless there is one: it must be kept, or old names can no longer be told. */
async function makeReferenceKey(keysDir: string, io: CommandIo): Promise<void> {
  const there = await readdir(keysDir).catch(() => []);
  if (there.some((name) => name.endsWith('.key'))) return;
  await makeDirectory(keysDir);
  const path = join(keysDir, `${new Date().toISOString().slice(0, 7)}.key`);
  await writeFileDurably(path, utf8(`${randomBytes(32).toString('hex')}\n`));
  io.err(`${path} is made: keep a copy where parcels may be named`);
}

function adviceOf(checks: readonly Check[]): readonly string[] {
  const bad = checks.filter(({ ok }) => !ok);
  if (bad.length === 0) return [];
  return ['What still needs a hand:', ...bad.map(({ name, found, remedy }) => `  ${name}: ${found}\n    -> ${remedy}`)];
}

async function runGatewayOf(configPath: string, io: CommandIo): Promise<number> {
  // As "latchkey run" does, before the daemon is loaded.
  (await import('../../platform/young-heap.ts')).boundYoungHeap();
  const { runCommand } = await import('./run.ts');
  return runCommand(new CommandArgs([], { config: configPath }), io);
}

/** What starts the gateway on this machine, as it can be typed. */
export function runCommandLine(configPath: string): string {
  const words = [process.execPath, process.argv[1] ?? 'latchkey', 'run', '--config', configPath];
  return words.map((word) => (/^[\w./:@=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

function isUsable(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}
