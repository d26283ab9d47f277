/** Help texts, made from the command table so that they cannot disagree with it. */
import type { CommandOption, CommandSpec } from './command.ts';

export function helpOverview(commands: readonly CommandSpec[], version: string): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const rows = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    `latchkey ${version}: custody of parcels, provable`,
    '',
    'Usage: latchkey COMMAND [OPTIONS]',
    '',
    ...rows,
    '',
    'latchkey COMMAND --help tells more. Output is for people; --json is for programs.',
    'Exit codes: 0 done or verified, 1 refuted, 2 cannot tell, 64 wrong usage, 78 wrong configuration; all of them:',
    'latchkey help exit-codes',
  ].join('\n');
}

export function helpCommand(command: CommandSpec): string {
  const options = Object.entries({
    ...command.options,
    help: { type: 'boolean', short: 'h', help: 'this text' } as const,
  });
  const names = options.map(([name, option]) => optionName(name, option));
  const width = Math.max(...names.map((name) => name.length));
  const rows = options.map(([, option], i) => `  ${(names[i] ?? '').padEnd(width)}  ${option.help}`);
  const usage = ['latchkey', command.name, ...command.positionals, '[OPTIONS]'].join(' ');
  return [
    command.summary,
    '',
    `Usage: ${usage}`,
    '',
    ...rows,
    ...(command.details === undefined ? [] : ['', command.details]),
  ].join('\n');
}

function optionName(name: string, option: CommandOption): string {
  const value = option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : '';
  const short = option.short === undefined ? '    ' : `-${option.short}, `;
  return `${short}--${name}${value}`;
}
