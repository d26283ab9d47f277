/** Every name that the code counts, read out of the sources: what a table of metrics must know. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SRC = join(import.meta.dirname, '../../../src');
const CALL = /etrics\.(count|gauge)\(/g;

export interface CountedMetric {
  readonly file: string;
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  /** Undefined where they are not written out at the call. */
  readonly labels: readonly string[] | undefined;
}

/** Of the rooms below these folders of src. */
export function countedIn(folders: readonly string[]): readonly CountedMetric[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(SRC, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  );
  return files.flatMap((file) => countedInText(file, readFileSync(join(SRC, file), 'utf8')));
}

export function countedInText(file: string, source: string): readonly CountedMetric[] {
  return [...source.matchAll(CALL)].flatMap((match) => {
    const args = argumentsAt(source, match.index + match[0].length);
    const kind = match[1] === 'count' ? 'counter' : 'gauge';
    const labels = labelsOf(args[2]);
    return namesOf(args[0] ?? '', file).map((name) => ({ file, name, kind, labels }) as const);
  });
}

/** Texts of the arguments of a call, from behind its bracket on. */
function argumentsAt(source: string, from: number): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let start = from;
  for (let at = from; at < source.length; at += 1) {
    const sign = source[at] ?? '';
    if ('([{'.includes(sign)) depth += 1;
    if (sign === ',' && depth === 0) {
      found.push(source.slice(start, at).trim());
      start = at + 1;
    }
    if (!')]}'.includes(sign)) continue;
    if (depth === 0) return [...found, source.slice(start, at).trim()].filter((text) => text !== '');
    depth -= 1;
  }
  throw new Error('a call that never ends');
}

function namesOf(argument: string, file: string): readonly string[] {
  const constant = /^([A-Z]+)\[\w+\]$/.exec(argument)?.[1];
  if (constant !== undefined) return valuesOf(constant, file);
  const template = /^`(\w+_)\$\{output\.what\}`$/.exec(argument)?.[1];
  if (template !== undefined) return wordsBeside(file).map((word) => `${template}${word}`);
  // A choice between two names has a condition before them, which may compare words.
  const choice = argument.includes(' ? ') ? argument.slice(argument.indexOf(' ? ')) : argument;
  const names = [...choice.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
  if (names.length === 0) throw new Error(`${file}: a metric without a name that can be read: ${argument}`);
  return names;
}

/** `const METRIC = { checksumErrors: 'line_checksum_errors' }` */
function valuesOf(constant: string, file: string): readonly string[] {
  const source = readFileSync(join(SRC, file), 'utf8');
  const inside = new RegExp(`const ${constant}\\b[^{]*\\{([^}]*)\\}`).exec(source)?.[1] ?? '';
  const values = [...inside.matchAll(/: '(\w+)'/g)].map(([, value = '']) => value);
  if (values.length === 0) throw new Error(`${file}: no names are found in ${constant}`);
  return values;
}

/** What a state machine of that folder counts, but for what its port counts. */
function wordsBeside(file: string): readonly string[] {
  const folder = join(SRC, file, '..');
  const texts = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
  const quoted = (text: string): readonly string[] => [...text.matchAll(/'(\w+)'/g)].map(([, word = '']) => word);
  const all = texts.flatMap((text) => [
    ...quoted(/export type BusCount =\n((?: {2}.*\n)+?)\n/.exec(text)?.[1] ?? ''),
    ...quoted(/kind: 'count'; readonly what: ((?:'\w+'(?: \| )?)+)/.exec(text)?.[1] ?? ''),
  ]);
  const ports = texts.flatMap((text) => quoted(/what is ((?:'\w+'(?: \| )?)+)/.exec(text)?.[1] ?? ''));
  const words = all.filter((word) => !ports.includes(word));
  if (words.length === 0) throw new Error(`${file}: no words are found that it counts`);
  return words;
}

function labelsOf(argument: string | undefined): readonly string[] | undefined {
  if (argument === undefined) return [];
  const inside = /^\{([\s\S]*)\}$/.exec(argument)?.[1];
  if (inside === undefined) return undefined;
  return argumentsAt(`${inside})`, 0).map((member) => member.split(':')[0]?.trim() ?? '');
}
