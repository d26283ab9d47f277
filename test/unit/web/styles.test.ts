/** What pages share stands in the kit, once. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const WEB = resolve(import.meta.dirname, '../../../src/web');

/** Each rule of a folder's style sheets, its spaces made alike. */
function rulesOf(folder: string): ReadonlySet<string> {
  const names = readdirSync(join(WEB, folder)).filter((name) => name.endsWith('.css'));
  const text = names.map((name) => readFileSync(join(WEB, folder, name), 'utf8')).join('\n');
  const rules = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').matchAll(/([^{};]+)\{([^{}]*)\}/g);
  return new Set([...rules].map(([, whose = '', what = '']) => `${whose} {${what}}`.replaceAll(/\s+/g, ' ').trim()));
}

test('no rule stands in the styles of two folders', () => {
  const folders = readdirSync(WEB, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const styles = folders.map(({ name }) => ({ name, rules: rulesOf(name) })).filter(({ rules }) => rules.size > 0);
  expect(styles.map(({ name }) => name)).toEqual(expect.arrayContaining(['console', 'kit', 'site', 'verify']));
  const all = styles.flatMap(({ name, rules }) => [...rules].map((rule) => [rule, name] as const));
  const twice = all.filter(([rule, name]) => all.some(([other, where]) => other === rule && where !== name));
  expect(twice).toEqual([]);
});

test('fields that are typed into or chosen from are drawn by one rule, which is in the kit', () => {
  const drawn = /^(?:[^{]*[\s,])?(?:input|select|textarea)\b[^{]*\{.*\b(?:border|background):/;
  const folders = readdirSync(WEB, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const found = folders.flatMap(({ name }) => [...rulesOf(name)].filter((rule) => drawn.test(rule)).map(() => name));
  expect(found).toEqual(['kit']);
});
