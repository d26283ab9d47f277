/**
 * What the doctor and the running gateway say, as it may leave a box. Of a status only members known as harmless are
 * kept; sentences lose whatever the settings withheld, and user and query of every address.
 */

import { type KeptSettings, WITHHELD } from './bundle-settings.ts';
import type { Check } from './check.ts';
import type { KnownSettings } from './known-settings.ts';

/** Shorter ones are in every sentence. */
const WITHHELD_LENGTH_MIN = 4;
const SENTENCE_MAX = 2_000;
const LIST_MAX = 2_000;
const DEPTH_MAX = 12;

export type Scrub = (sentence: string) => string;

export function scrubber(withheld: ReadonlySet<string>): Scrub {
  // Longest first, so that none hides in what is left of another.
  const values = [...withheld]
    .flatMap((value) => [value, ...value.split(/\s+/)])
    .filter((value) => value.length >= WITHHELD_LENGTH_MIN)
    .sort((a, b) => b.length - a.length);
  return (sentence) => {
    let text = sentence.slice(0, SENTENCE_MAX);
    for (const value of values) text = text.replaceAll(value, WITHHELD);
    return text
      .replace(/-----BEGIN [\s\S]*?(-----END [^-]*-----|$)/g, WITHHELD)
      .replace(/([a-z][a-z0-9+.-]{0,31}:\/\/)([^\s"'<>]*)/gi, (_all, scheme: string, rest: string) => {
        const at = rest.lastIndexOf('@');
        const place = (at < 0 ? rest : rest.slice(at + 1)).replace(/[?#].*$/, `?${WITHHELD}`);
        return at < 0 ? `${scheme}${place}` : `${scheme}${WITHHELD}@${place}`;
      });
  };
}

/** The checks; what was found in a settings file with problems is left out, and its places are told. */
export function keepChecks(
  checks: readonly Check[],
  { problems, path }: KnownSettings,
  { knownNames }: KeptSettings,
  scrub: Scrub,
): readonly Check[] {
  return checks.map((check) => {
    const { name, ok, found, remedy } = check;
    const isAboutText = name === 'configuration' && problems.length > 0;
    const said = isAboutText
      ? [
          `${path} has problems:`,
          ...problems.map((each) => `${placeOf(each.path, knownNames)}: expected ${each.expected}`),
        ]
      : [found];
    return { name: scrub(name), ok, found: scrub(said.join('\n')), remedy: scrub(remedy) };
  });
}

/** `mqtt.url`, `ports[0].name`, `line 12`: only names that the schema knows. */
function placeOf(path: string, known: ReadonlySet<string>): string {
  if (/^(line \d+|the file)$/.test(path)) return path;
  return path
    .split(/(\.|\[\d+\])/)
    .map((part) => (part === '' || part === '.' || /^\[\d+\]$/.test(part) || known.has(part) ? part : WITHHELD))
    .join('');
}

/** Members of a status whose texts are names or words of closed lists. */
const STATUS_NAMES: ReadonlySet<string> = new Set(
  [
    'gateway version assurance src origin vkey open state cause key writer room phase port name device driver door',
    'target policy ak counterName service because kind word compartment class',
  ].flatMap((line) => line.split(' ')),
);
/** Members that hold sentences for people. */
const STATUS_SENTENCES: ReadonlySet<string> = new Set(['problems', 'notices', 'reason', 'remedy', 'alarms', 'silent']);
/** Members below which everything is a name. */
const STATUS_LISTS: ReadonlySet<string> = new Set(['setAside', 'gone', 'labels']);
const NAME = /^[A-Za-z0-9._:@/+=[\]-]{1,256}$/;

/** Numbers and switches, names, and sentences with their secrets taken out; any other text is withheld. */
export function keepStatus(value: unknown, scrub: Scrub, member = '', depth = 0): unknown {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    if (STATUS_SENTENCES.has(member)) return scrub(value);
    return STATUS_NAMES.has(member) && NAME.test(value) ? scrub(value) : WITHHELD;
  }
  if (depth >= DEPTH_MAX) return WITHHELD;
  if (Array.isArray(value)) {
    return value.slice(0, LIST_MAX).map((each) => keepStatus(each, scrub, member, depth + 1));
  }
  if (typeof value !== 'object') return WITHHELD;
  const isOfNames = STATUS_LISTS.has(member);
  return Object.fromEntries(
    Object.entries(value)
      // Names of metrics and counters are the program's own.
      .filter(([name]) => /^[A-Za-z0-9_]{1,64}$/.test(name))
      .map(([name, each]) => [name, keepStatus(each, scrub, isOfNames ? 'name' : name, depth + 1)]),
  );
}
