/** src/cli/FAULTS.md says of each fault what it means and what to do: every fault of the program has its row there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { alarmInWords } from '../../src/edge/contracts/plain-words.ts';
import { FINDINGS } from '../../src/edge/gateway/findings.ts';
import { ALARMS } from '../../src/edge/gateway/findings-of-parts.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'src/cli/FAULTS.md'), 'utf8');
const rows = [...page.matchAll(/^\| <a id="(\w+)"><\/a>(.+?) \| (.+?) \| (.+?) \|$/gm)].map(
  ([, kind = '', says = '', means = '', remedy = '']) => ({ kind, says, means, remedy }),
);

test('each problem and notice of a gateway has one row, and its remedy is the one that status and console show', () => {
  const table = Object.fromEntries(rows.map(({ kind, remedy }) => [kind, remedy]));
  expect(rows).toHaveLength(Object.keys(table).length);
  expect(table).toEqual(Object.fromEntries(Object.entries(FINDINGS).map(([kind, { remedy }]) => [kind, remedy])));
});

/** Every text in quotes of the room that makes findings, as an expression: what is put in may be anything. */
function sentences(): readonly RegExp[] {
  const folder = join(root, 'src/edge/gateway');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const texts = files.flatMap((name) => {
    const source = readFileSync(join(folder, name), 'utf8');
    return [...source.matchAll(/`([^`\n]+)`|'((?:[^'\\\n]|\\.)+)'|"([^"\n]+)"/g)].map(
      (found) => found[1] ?? found[2] ?? found[3] ?? '',
    );
  });
  // A sentence has words of its own.
  const spoken = texts.filter((text) => text.replaceAll(/\$\{[^}]*\}/g, '').replaceAll(/[^a-z]/g, '').length >= 6);
  return spoken.map((text) => {
    const parts = text.replaceAll("\\'", "'").split(/\$\{[^}]*\}/);
    return new RegExp(`^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
  });
}

test('what a row says is a sentence of the program', () => {
  const spoken = sentences();
  const odd = rows.filter(({ says }) => !spoken.some((sentence) => sentence.test(says)));
  // A break that is over is told by the sentence of the break, a semicolon, and how it ended.
  const ofAlarms = new Set<string>([...Object.values(ALARMS), 'uplink_alarm']);
  expect(odd.map(({ kind }) => kind).filter((kind) => !ofAlarms.has(kind))).toEqual(['break_is_over']);
});

test('what an alarm of the uplink says is in its row', () => {
  for (const [word, kind] of [...Object.entries(ALARMS), ['…', 'uplink_alarm']] as const) {
    const says = rows.find((row) => row.kind === kind)?.says;
    expect([alarmInWords(word), alarmInWords(`${word} …`)]).toContain(says);
  }
});

test('each check of the doctor has a row', () => {
  const folder = join(root, 'src/cli/doctor');
  const source = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const calls = /(?:\bname = |(?:fault|sound|unknown|guarded|faultOf|checkOwnFile)\(\s*)['`]([a-z-]+:?)/g;
  const made = new Set([...source.matchAll(calls)].map(([, name = '']) => name));
  const told = [...page.matchAll(/^\| `([a-z-]+:?)(?:NAME)?` \| .+ \| .+ \|$/gm)].map(([, name]) => name);
  expect(made.size).toBeGreaterThan(15);
  expect([...told].sort()).toEqual([...made].sort());
});
