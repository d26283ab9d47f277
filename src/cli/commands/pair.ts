/**
 * `latchkey pair DEVICE`: gives a device of the open wire a key of this gateway, with the code of its label, or another key in the
 * place of the one in use. A running gateway does it itself, between two questions on its line; otherwise the port is opened here. The code is read from standard input or a file, never from the command line, which others can see.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { within } from '../../base/abort.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { MemoryMetrics } from '../../base/metrics.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { pairDevice, parsePairingCode } from '../../edge/drivers/latchkey/pair.ts';
import { LATCHKEY, LATCHKEY_BAUD, type LatchkeySettings } from '../../edge/drivers/latchkey/settings.ts';
import type { PairedDevice } from '../../edge/drivers/line.ts';
import { createPort } from '../../edge/ports/create-port.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { askGateway, gatewaySettings, hasLines } from '../locate.ts';
import { peopleLogger } from '../people-logger.ts';

const LIMIT_MS = 120_000;
const CODE_CHARS_MAX = 256;

export const pairCommand: CommandRun = async (args, io) => {
  const name = args.positionals[0] ?? '';
  const settings = gatewaySettings(args);
  const { ports } = settings;
  const entry = ports.find(({ devices }) => devices.some((device) => device.name === name));
  const device = entry?.devices.find((one) => one.name === name);
  if (entry === undefined || device?.driver !== LATCHKEY) {
    throw new LatchkeyError(
      'USAGE',
      `pair: expected the name of a device with "driver: latchkey", found ${JSON.stringify(name)}`,
    );
  }
  // Asked before a code is typed. A serial port is locked by whoever has it; a serial server may let a second master in.
  const isRunning = await hasLines(settings, io);
  const code = args.flag('rotate') ? undefined : await pairingCode(args, io);
  if (isRunning) {
    const onProgress = (value: unknown): void => io.err(String((value as { readonly step?: unknown }).step));
    const ask = { verb: 'pair', args: { device: name, ...(code !== undefined && { code: code.text }) }, onProgress };
    tell(name, (await askGateway(settings, io, ask)) as PairedDevice, 'the gateway uses it already', args, io);
    return 0;
  }
  const scheduler = systemScheduler();
  const logger = peopleLogger(io);
  const baud = entry.link.baud ?? LATCHKEY_BAUD;
  const paired = await pairDevice(
    {
      port: createPort({ settings: entry, baudDefault: baud, scheduler, logger, metrics: new MemoryMetrics() }),
      baud,
      marginMs: entry.poll.reply_timeout_ms,
      settings: device as LatchkeySettings,
      scheduler,
      signal: within(LIMIT_MS, io.signal),
      say: (line) => io.err(line),
    },
    code?.code,
  );
  tell(name, paired, 'the gateway uses it from its next start on', args, io);
  return 0;
};

function tell(name: string, paired: PairedDevice, when: string, args: CommandArgs, io: CommandIo): void {
  if (args.flag('json')) io.out(JSON.stringify({ device: name, ...paired }));
  else io.out(`${name}: paired with ${paired.identity}, key ${paired.key}; ${when}`);
}

interface Label {
  readonly text: string;
  readonly code: NonNullable<Parameters<typeof pairDevice>[1]>;
}

async function pairingCode(args: CommandArgs, io: CommandIo): Promise<Label> {
  const file = args.text('code-file');
  const text = (file === undefined ? await typedLine(io) : await codeIn(file)).trim();
  const code = parsePairingCode(text);
  if (!code.ok) throw new LatchkeyError('USAGE', `pairing code: ${code.detail}`);
  return { text, code: code.value };
}

async function codeIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).slice(0, CODE_CHARS_MAX);
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file}: ${messageOf(error)}`);
  }
}

async function typedLine(io: CommandIo): Promise<string> {
  io.err('pairing code of its label (42 letters and digits, inside its housing):');
  for await (const line of createInterface({ input: process.stdin, signal: io.signal })) {
    if (line.trim() !== '') {
      process.stdin.destroy();
      return line.slice(0, CODE_CHARS_MAX);
    }
  }
  throw new LatchkeyError('USAGE', 'pairing code: expected it on standard input, found nothing');
}
