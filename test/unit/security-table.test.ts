/** SECURITY.md says which test shows what of each attack: those tests exist, under these titles. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const ATTACKS = [
  '## Attacks on a gateway with a TPM',
  '## Attacks on what opens a door',
  '## Attacks on the console',
  '## Attacks on access codes',
  '## Attacks on refunds and their API',
  '## Attacks on the open wire',
  '## Attacks by independent witnesses',
] as const;

interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** Rows of the section that end in `file`: title. */
function namedTests(section: string): readonly (NamedTest | string)[] {
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !/^\| (attack|history) \|/.test(line));
  return rows.map((row) => {
    const found = /\| `(test\/[\w/.-]+\.test\.ts)`: (.+) \|$/.exec(row);
    return found === null ? row : { file: found[1] ?? '', title: found[2] ?? '' };
  });
}

/** Whether a test has exactly this title, in whatever quotes. */
function hasTitle(source: string, title: string): boolean {
  const escaped = title.replaceAll("'", "\\'");
  return [`'${escaped}'`, `'${title}'`, `"${title}"`, `\`${title}\``].some((quoted) => source.includes(quoted));
}

function faultsOf(section: string): readonly string[] {
  return namedTests(section).flatMap((named) => {
    if (typeof named === 'string') return [`names no test: ${named}`];
    const path = join(root, named.file);
    if (!existsSync(path)) return [`no such file: ${named.file}`];
    return hasTitle(readFileSync(path, 'utf8'), named.title) ? [] : [`${named.file} has no test "${named.title}"`];
  });
}

test.each(ATTACKS)(
  '%s: each attack and each honest history that SECURITY.md lists has the test that it names',
  (title) => {
    const [, after = ''] = readFileSync(join(root, 'SECURITY.md'), 'utf8').split(`${title}\n`);
    const [section = ''] = after.split('\n## ');
    expect(namedTests(section).length).toBeGreaterThan(15);
    expect(faultsOf(section)).toEqual([]);
  },
);

test('a title that nobody has, a file that is not there and a row without a test are found', () => {
  const here = 'test/unit/security-table.test.ts';
  const rows = [`| a | b | \`${here}\`: no such ${'title'} |`, '| a | b | `test/no.test.ts`: c |', '| a | b | c |'];
  expect(faultsOf(rows.join('\n'))).toHaveLength(3);
});
