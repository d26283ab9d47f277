/** `latchkey journal check`: every row of every log against its tree and notes. */
import { checkOffline, type JournalReport } from '../../edge/gateway/journal-tools.ts';
import type { CheckReport } from '../../edge/journal/check-log.ts';
import type { CommandRun } from '../command.ts';
import { askGateway, gatewaySettings, whenNoGateway } from '../locate.ts';

export const journalCheckCommand: CommandRun = async (args, io) => {
  const settings = gatewaySettings(args);
  const json = args.flag('json');
  const onProgress = (value: unknown): void => {
    const { log, size } = value as { readonly log: string; readonly size: number };
    if (!json) io.err(`${log}: ${size} entries checked`);
  };
  const ask = askGateway(settings, io, { verb: 'check', onProgress }) as Promise<JournalReport>;
  const report = await whenNoGateway(ask, () => checkOffline(settings.gateway.data_dir, io.signal, onProgress));
  if (json) io.out(JSON.stringify(report));
  else for (const line of describeReport(report)) io.out(line);
  return report.sound ? 0 : 1;
};

export function describeReport(report: JournalReport): readonly string[] {
  return report.logs.flatMap((log) => [
    `${log.origin ?? log.path}: ${log.sound ? 'sound' : 'NOT sound'}, ${log.size} entries, newest note at ${log.noteSize}; ${extentOf(log)}`,
    ...log.findings.map(
      ({ finding, index, detail }) => `  ${finding}${index === undefined ? '' : ` at ${index}`}: ${detail}`,
    ),
    ...(log.findingsMore > 0 ? [`  and ${log.findingsMore} more`] : []),
  ]);
}

/** A check that stopped at a damage says how far it came: what lies above it was not looked at. */
function extentOf({ origin, size, checkedSize, notes }: CheckReport): string {
  if (origin === undefined) return 'nothing of it could be read';
  if (checkedSize >= size) return `${notes} notes fit`;
  return `${notes} notes fit below entry ${checkedSize}, where the check stopped; entries ${checkedSize} to ${size - 1} were not checked`;
}
