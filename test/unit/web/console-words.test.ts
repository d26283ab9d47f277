/** Whoever reads the console reads words: each type, member, code and alarm of the program has some, or this fails. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import {
  ALARM_WORDS,
  alarmInWords,
  CODE_WORDS,
  inWords,
  PHASE_WORDS,
  ROOM_WORDS,
} from '../../../src/edge/contracts/plain-words.ts';
import { ALARMS } from '../../../src/edge/gateway/findings-of-parts.ts';
import { EVENT_TYPES, leafSchema } from '../../../src/evidence/event/vocabulary.ts';
import { EVENT_TITLES, MEMBER_LABELS } from '../../../src/web/console/event-words.ts';
import { STEPS, VERDICTS } from '../../../src/web/console/walk-words.ts';
import { namesText, said, sentence, visible } from '../../../src/web/kit/words.ts';

const EDGE = resolve(import.meta.dirname, '../../../src/edge');

interface Schema {
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Names of members, and words of closed lists, in all that events say. */
function vocabulary(): { readonly members: ReadonlySet<string>; readonly words: ReadonlySet<string> } {
  const members = new Set<string>();
  const words = new Set<string>();
  const walk = ({ enum: listed = [], properties = {}, items }: Schema): void => {
    for (const word of listed) if (typeof word === 'string' && !word.includes('/')) words.add(word);
    for (const [name, schema] of Object.entries(properties)) {
      members.add(name);
      walk(schema);
    }
    if (items !== undefined) walk(items);
  };
  for (const type of EVENT_TYPES) walk((leafSchema(type) as unknown as Schema).properties?.['data'] ?? {});
  return { members, words };
}

function sourceOf(path: string): string {
  const text = readFileSync(join(EDGE, path), 'utf8');
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

/** Whose words reach no event and no status: frames and their damage, other protocols, files of the journal, settings. */
const ELSEWHERE = [
  /^(?:control|tpm|ports|keys|console\/web)\//,
  /^drivers\/(?:probe|describe|modbus-io)\//,
  /(?:frames|packets|session|describe|echo|frame-cutter|text-lines|shapes|pair)\.ts$/,
  /^journal\/(?:stored-tree|export-log|receipts|inspect)\.ts$/,
  /^uplink\//,
  /^gateway\/(?:enroll|health|console-daemon|console-thread|gateway|life)\.ts$/,
];
/** Of a closed list in code that is no list of words for people. */
const NO_WORDS = new Set(['device', 'fired', 'lost', 'found', 'faulted', 'sending', 'state', 'what']);

/** Each stable word that the rooms give as a reason, a cause, a result and the like, and the file that does. */
function codes(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const files = readdirSync(EDGE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  for (const file of files.filter((name) => !ELSEWHERE.some((other) => other.test(name)))) {
    const source = sourceOf(file);
    const places = [
      ...source.matchAll(/\b(?:reason|cause|method|what|result|action|reply|verb)(?:\??:| =) ([^;{}\n]*)/g),
      ...source.matchAll(/\btype \w*(?:Reason|Refusal|Cause|Method|Fault|Failure|Verdict)\w*\s*=\s*([^;{]*);/g),
      ...source.matchAll(/(?:\bbecome|Body)\(([^)\n]*)\)/g),
    ];
    for (const [, place = ''] of places) {
      for (const [, word = ''] of place.matchAll(/'([a-z][a-z_]*)'/g)) if (!NO_WORDS.has(word)) found.set(word, file);
    }
  }
  return found;
}

test('each type of event has a title, and no title is of a type that is none', () => {
  expect(Object.keys(EVENT_TITLES).sort()).toEqual([...EVENT_TYPES, 'reduced'].sort());
});

test('each member of what events say has a label, and each word of its closed lists has words', () => {
  const { members, words } = vocabulary();
  expect(Object.keys(MEMBER_LABELS).sort()).toEqual([...members].sort());
  expect(words.size).toBeGreaterThan(100);
  expect([...words].filter((word) => !Object.hasOwn(CODE_WORDS, word))).toEqual([]);
});

test('each reason, cause, result and the like that the program says has words', () => {
  const said = codes();
  for (const known of ['opened_without_access', 'no_reply', 'interlock', 'access_cut', 'used_code', 'totp', 'ended']) {
    expect([known, said.has(known) || vocabulary().words.has(known)]).toEqual([known, true]);
  }
  expect([...said].filter(([word]) => !Object.hasOwn(CODE_WORDS, word))).toEqual([]);
});

test('each alarm, phase and room of the uplink and the disk has words', () => {
  const health = sourceOf('uplink/health.ts') + sourceOf('uplink/uplink.ts');
  const alarms = [...health.matchAll(/alarms\.push\(['`]([a-z_]+)|=> `([a-z]+_[a-z]+) \$\{entries/g)].map(
    ([, a, b]) => a ?? b,
  );
  expect(alarms).toHaveLength(10);
  expect(Object.keys(ALARM_WORDS).sort()).toEqual([...alarms].sort());
  expect(Object.keys(ALARMS).filter((word) => !Object.hasOwn(ALARM_WORDS, word))).toEqual([]);
  const phase = /type Phase =[\s\S]*?\n\n/.exec(sourceOf('uplink/machine-types.ts'))?.[0] ?? '';
  expect([...phase.matchAll(/name: '(\w+)'/g)].map(([, name]) => name)).toEqual(Object.keys(PHASE_WORDS));
  const rooms = /const LEVELS: readonly RoomLevel\[\] = \[(.*)\]/.exec(sourceOf('journal/disk-room.ts'))?.[1] ?? '';
  expect([...rooms.matchAll(/'(\w+)'/g)].map(([, name]) => name)).toEqual(Object.keys(ROOM_WORDS));
});

/** Words of a union type. */
function wordsOfType(path: string, name: string): readonly string[] {
  const type = new RegExp(`type ${name} =([^;]*);`).exec(sourceOf(path))?.[1] ?? '';
  return [...type.matchAll(/'(\w+)'/g)].map(([, word = '']) => word);
}

test('each step of a commissioning says what to do, and each end of it what was seen', () => {
  const walk = 'gateway/commission/walk.ts';
  expect(Object.keys(STEPS)).toEqual(wordsOfType(walk, 'WalkStep'));
  const ends = [
    ...wordsOfType(walk, 'WalkFailure'),
    ...wordsOfType('gateway/commission/commissioning.ts', 'CommissionVerdict'),
  ];
  expect(ends.length).toBeGreaterThan(5);
  expect(Object.keys(VERDICTS).sort()).toEqual([...new Set(ends)].sort());
});

test('a sentence begins with a capital, but for a name, which is written as it is', () => {
  expect(sentence('the door of a1 was forced')).toBe('The door of a1 was forced.');
  expect(sentence('bank-c on port wire is lost')).toBe('bank-c on port wire is lost.');
  expect(sentence('gw1 is here?')).toBe('gw1 is here?');
});

test('what would hide or turn other characters is shown by its number', () => {
  expect(visible('p-\u202e12345\u202c')).toBe('p-[U+202E]12345[U+202C]');
  expect(visible('\u0007a\u200bb\ufeff')).toBe('[U+0007]a[U+200B]b[U+FEFF]');
  expect(visible('שלום Ünï 😀')).toBe('שלום Ünï 😀');
  expect(said({ text: '\u202e' })).toBe('{"text":"[U+202E]"}');
});

test('of many names the first are said, and how many more there are', () => {
  const names = Array.from({ length: 14 }, (_, i) => `A${i + 1}`);
  expect(namesText(names.slice(0, 2))).toBe('A1, A2');
  expect(namesText(names)).toBe(`${names.slice(0, 12).join(', ')} and 2 more`);
});

test('words stand before the word that they are of, and what has none stands alone', () => {
  expect(inWords('no_reply')).toBe('it does not answer (no_reply)');
  expect(inWords('constructor')).toBe('constructor');
  expect(alarmInWords('receipts_stalled o/g/1')).toBe('no receipt comes for a log: o/g/1 (uplink: receipts_stalled)');
  expect(alarmInWords('new_one 7')).toBe('an alarm without words: 7 (uplink: new_one)');
});
