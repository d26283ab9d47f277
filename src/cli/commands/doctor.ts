/** `latchkey doctor`: what is wrong with this box, and what mends it. */

import type { CommandRun } from '../command.ts';
import type { Check } from '../doctor/check.ts';
import { examine } from '../doctor/examine.ts';
import { type WrittenBundle, writeBundle } from '../doctor/support-bundle.ts';
import { GATEWAY_CONFIG_DEFAULT } from '../locate.ts';

const UNSOUND = 1;

export const doctorCommand: CommandRun = async (args, io) => {
  const { signal } = io;
  const examination = await examine({ configPath: args.text('config') ?? GATEWAY_CONFIG_DEFAULT, signal });
  const { checks } = examination;
  const path = args.text('bundle');
  // Told first: an archive that cannot be written hides no finding.
  if (!args.flag('json')) for (const line of describeChecks(checks)) io.out(line);
  const bundle = path === undefined ? undefined : await writeBundle(path, { examination, signal, nowMs: Date.now() });
  if (args.flag('json')) io.out(JSON.stringify({ checks, ...(bundle !== undefined && { bundle }) }));
  else if (bundle !== undefined) for (const line of describeBundle(bundle)) io.out(line);
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

function describeBundle({ path, bytes, files }: WrittenBundle): readonly string[] {
  return [
    `${path}: ${files.length} files, ${bytes} bytes, for you alone to read (0600), without secrets.`,
    `Look before you hand it over: "tar xzOf ${path} ${files[0]}" says what is in it.`,
  ];
}
