/** `latchkey doctor`: what is wrong with this box, and what mends it. */

import type { CommandRun } from '../command.ts';
import type { Check } from '../doctor/check.ts';
import { examine } from '../doctor/examine.ts';
import { GATEWAY_CONFIG_DEFAULT } from '../locate.ts';

const UNSOUND = 1;

export const doctorCommand: CommandRun = async (args, io) => {
  const { checks } = await examine({ configPath: args.text('config') ?? GATEWAY_CONFIG_DEFAULT, signal: io.signal });
  if (args.flag('json')) io.out(JSON.stringify({ checks }));
  else for (const line of describeChecks(checks)) io.out(line);
  return checks.every(({ ok }) => ok) ? 0 : UNSOUND;
};

export function describeChecks(checks: readonly Check[]): readonly string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 4);
  const rows = checks.flatMap(({ name, ok, found, remedy }) => [
    `${ok ? ' ' : '!'} ${name.padEnd(width)}  ${found.replaceAll('\n', `\n${indent}`)}`,
    ...(remedy === '' ? [] : [`${indent}-> ${remedy}`]),
  ]);
  const bad = checks.filter(({ ok }) => !ok).length;
  const end = bad === 0 ? `All ${checks.length} checks are sound.` : `${bad} of ${checks.length} checks need a hand.`;
  return [...rows, end];
}
