/** `latchkey journal export`: a log as a file that anyone can verify. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { exportOffline } from '../../edge/gateway/journal-tools.ts';
import type { GatewaySettings } from '../../edge/gateway/settings.ts';
import type { ExportSummary } from '../../edge/journal/export-log.ts';
import type { CommandArgs, CommandIo, CommandRun } from '../command.ts';
import { askGateway, gatewaySettings, whenNoGateway } from '../locate.ts';

type Write = (bytes: Uint8Array) => Promise<void>;

export const journalExportCommand: CommandRun = async (args, io) => {
  const settings = gatewaySettings(args);
  const out = args.text('out');
  const summary =
    out === undefined ? await exportTo(io.write, settings, args, io) : await exportFile(out, settings, args, io);
  if (args.flag('json')) io.err(JSON.stringify(summary));
  else io.err(`${summary.entries} entries of ${summary.origin} up to size ${summary.size}, ${summary.bytes} bytes`);
  return 0;
};

function exportTo(write: Write, settings: GatewaySettings, args: CommandArgs, io: CommandIo): Promise<ExportSummary> {
  const origin = args.text('log');
  const from = args.count('from', 0);
  const ask = askGateway(settings, io, {
    verb: 'export',
    args: { from, ...(origin === undefined ? {} : { log: origin }) },
    onData: write,
  }) as Promise<ExportSummary>;
  return whenNoGateway(ask, () => exportOffline(settings, { origin, from, signal: io.signal }, write));
}

/** A file of that name appears only when the export is whole and on the disk. */
async function exportFile(
  path: string,
  settings: GatewaySettings,
  args: CommandArgs,
  io: CommandIo,
): Promise<ExportSummary> {
  // A rename would put a file in the place of /dev/stdout or /dev/null.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    const found = 'something that is no file; without --out it goes to standard output';
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `expected --out ${path} to be a file or absent, found ${found}`);
  }
  const partial = `${path}.partial`;
  let file: number;
  try {
    file = openSync(partial, 'w', 0o600);
  } catch (error) {
    throw unwritable(partial, error);
  }
  try {
    const write = async (bytes: Uint8Array): Promise<void> => writable(partial, () => writeWhole(file, bytes));
    const summary = await exportTo(write, settings, args, io);
    writable(partial, () => {
      fsyncSync(file);
      renameSync(partial, path);
    });
    return summary;
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** A file takes less than it was given where its disk is full or its size bounded. */
function writeWhole(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += writeSync(file, bytes, at));
}

function writable(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): LatchkeyError {
  return new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
}
