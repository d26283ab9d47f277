import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { CommandArgs, type CommandIo } from '../../../src/cli/command.ts';
import { riskDecideCommand } from '../../../src/cli/commands/risk-decide.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { decided, facts, parcel, signal } from './support.ts';

const dir = makeTempDir('decide');
afterAll(() => dir.remove());

async function run(file: string, options: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const lines: string[] = [];
  const io: CommandIo = {
    out: (line) => void lines.push(line),
    err: () => undefined,
    write: () => Promise.resolve(),
    signal: new AbortController().signal,
  };
  expect(await riskDecideCommand(new CommandArgs([file], options), io)).toBe(0);
  return lines.join('\n');
}

function fileOf(name: string, text: string): string {
  writeFileSync(dir.file(name), text);
  return dir.file(name);
}

describe('latchkey risk decide', () => {
  const held = facts({ parcels: [parcel({ return: { ...parcel().return, signals: [signal('scan')] } })] });

  test('gives the decision of the service, to the byte', async () => {
    const file = fileOf('held.json', JSON.stringify(held));
    expect(JSON.parse(await run(file, { json: true }))).toEqual(decided(held));
  });

  test('says it for people with reasons, events and what would change it', async () => {
    const text = await run(fileOf('held.json', JSON.stringify(held)));
    expect(text).toContain('r-1: HOLD');
    expect(text).toMatch(/R05 +a return that nothing confirms: 1 of 1 parcels/);
    expect(text).toContain('lockers.example/gw/1-00000000#5');
    expect(text).toContain('PAY if the warehouse inspected it and found it sound');
  });

  test('takes the parameters of a ruleset, and refuses what none may be', async () => {
    const file = fileOf('facts.json', JSON.stringify(facts()));
    const ruleset = fileOf('rules.yaml', 'instant_usd_minor: 9000\n');
    expect(await run(file, { ruleset })).toContain('r-1: PAY');
    const wrong = fileOf('wrong.yaml', 'velocity_count: 1\n');
    await expect(run(file, { ruleset: wrong })).rejects.toThrow(/velocity_count/);
  });

  test.for([
    ['not JSON', '{', /as JSON/],
    ['no facts', '{"v":1}', /expected the facts of a refund/],
  ] as const)('refuses %s', async ([name, text, why]) => {
    await expect(run(fileOf('bad.json', text))).rejects.toThrow(why);
    expect(name).not.toBe('');
  });
});
