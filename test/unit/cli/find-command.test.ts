/** A line of words to its command. */
import { expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { findCommand } from '../../../src/cli/find-command.ts';
import { SETTINGS_KINDS } from '../../../src/cli/settings-kinds.ts';
import { paymentsSchema, ratesSchema } from '../../../src/risk/casework/imports.ts';
import { claimRowsSchema } from '../../../src/risk/ledger/claims-file.ts';

test('each command is found by its own words, whatever follows', () => {
  expect(COMMANDS.some(({ name }) => name.split(' ').length === 3)).toBe(true);
  for (const { name } of COMMANDS) {
    expect(findCommand(name.split(' '))?.name).toBe(name);
    expect(findCommand([...name.split(' '), '--help'])?.name).toBe(name);
    expect(findCommand([...name.split(' '), 'something'])?.name).toBe(name);
  }
});

test('what no command begins is none', () => {
  expect(findCommand([])).toBeUndefined();
  expect(findCommand(['retention', 'run'])).toBeUndefined();
});

test('the help of what checks and describes settings names every kind of them', () => {
  const known = Object.keys(SETTINGS_KINDS);
  expect(known).toContain('risk');
  const kindOf = findCommand(['config', 'check'])?.options['kind']?.help;
  for (const text of [kindOf, findCommand(['config', 'schema'])?.details]) {
    expect(known.filter((kind) => !text?.split(/[^a-z-]+/).includes(kind))).toEqual([]);
  }
});

test('the rows that the help of risk import shows are rows that it takes', () => {
  const help = findCommand(['risk', 'import'])?.details ?? '';
  const schemas = { payments: paymentsSchema, rates: ratesSchema, claims: claimRowsSchema };
  for (const [kind, schema] of Object.entries(schemas)) {
    const [, row = ''] = new RegExp(`^ {2}${kind} +(\\{.*\\})`, 'm').exec(help) ?? [];
    expect(schema.safeParse([JSON.parse(row)]), kind).toMatchObject({ success: true });
  }
});
