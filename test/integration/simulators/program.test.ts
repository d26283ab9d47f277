/** A program beside a simulated site: how it comes, how it ends, and what is said of it meanwhile. */
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { askedOf, type World } from '../../../simulators/ui/actions.ts';
import { Program } from '../../../simulators/ui/program.ts';
import type { ProgramView } from '../../../simulators/ui/view.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const dir = makeTempDir('program');
const made: Program[] = [];
afterAll(async () => {
  for (const program of made) await program.close();
  dir.remove();
});

let logs = 0;

function programOf(source: string) {
  logs += 1;
  const logPath = dir.file(`${logs}.log`);
  const program = new Program({ name: 'gateway', args: ['--eval', source], ready: 'it works', logPath });
  made.push(program);
  const states: ProgramView['state'][] = [];
  program.onChange(({ state }) => states.push(state));
  return { program, states, logPath };
}

const STAYS = 'console.log("it works"); setInterval(() => undefined, 1_000);';

test('starts once, ends as by a power cut, and starts again', async () => {
  const { program, states, logPath } = programOf(STAYS);
  await program.start();
  expect(() => program.start()).toThrow(/the gateway is there already/);
  await program.stop('SIGKILL');
  expect(program.view).toEqual({ state: 'stopped' });
  await expect(program.stop('SIGKILL')).rejects.toThrow(/the gateway is not there/);
  await program.start();
  await program.close();
  const round = ['starting', 'running', 'stopping', 'stopped'];
  expect(states).toEqual([...round, ...round]);
  expect(readFileSync(logPath, 'utf8')).toBe('it works\nit works\n');
});

test('one that does not come up says why, in its own last words', async () => {
  const { program } = programOf(
    'console.error("latchkey: port 1 is taken"); console.error("{}"); process.exitCode = 75;',
  );
  await expect(program.start()).rejects.toThrow('the gateway did not start: latchkey: port 1 is taken');
  expect(program.view).toEqual({ state: 'failed', why: 'exit code 75: latchkey: port 1 is taken' });
});

test('one that ends by itself later is failed, and can be started again', async () => {
  const { program, states } = programOf(
    'console.log("it works"); process.stdin.resume(); setTimeout(() => process.exit(70), 10);',
  );
  await program.start();
  await until('it ended', () => program.view.state === 'failed');
  expect(program.view.why).toMatch(/^exit code 70/);
  await program.start();
  await until('it ended again', () => states.filter((state) => state === 'failed').length === 2);
});

test.each([
  ['cut_gateway', /was not started by this site: give --with-gateway/],
  ['start_gateway', /was not started by this site/],
  ['stop_consumer', /this site runs no consumer: give --write-config/],
])('where a site runs none, %s is refused, with what would make it run one', async (what, expected) => {
  const asked = askedOf({ do: what });
  if (!asked.ok) throw new Error(asked.detail);
  const world = { broker: undefined } as World;
  await expect(asked.value.act(world)).rejects.toThrow(expected);
});
