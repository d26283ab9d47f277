/** Which command is meant: the one whose words the line begins with, the longest of several (`risk`, `risk retention run`). */
import type { CommandSpec } from './command.ts';
import { COMMANDS } from './commands.ts';

export function findCommand(argv: readonly string[]): CommandSpec | undefined {
  const meant = COMMANDS.filter(({ name }) => name.split(' ').every((word, at) => word === argv[at]));
  return meant.reduce<CommandSpec | undefined>(
    (best, one) => (best !== undefined && best.name.length >= one.name.length ? best : one),
    undefined,
  );
}
