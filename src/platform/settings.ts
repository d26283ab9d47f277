/**
 * Reads a YAML settings file against a schema and reports all problems at once.
 *
 * Each problem has a path, what was found and what was expected, so that a technician mends the file in one go.
 * Values of members whose name sounds like a secret are never repeated.
 */
import { readFileSync, statSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { LatchkeyError, messageOf } from '../base/errors.ts';
import { accept, type Refused, type Result, refuse } from '../base/result.ts';
import { describeProblem, type SettingsProblem } from './problem.ts';

/** A settings file is written by hand; whatever is larger is not one. */
const SETTINGS_BYTES_MAX = 1024 * 1024;
const PROBLEMS_SHOWN_MAX = 100;
/** Aliases can blow a small file up to gigabytes; no honest settings file needs many. */
const ALIASES_MAX = 100;

const SECRET_NAME = /passw|secret|token|credential|pin$/i;
/** What zod says of a union whose schema says nothing itself: a form that is a mapping does not name its members. */
const UNSAID = 'Invalid input';
const NOT_SHOWN = 'a value that is not shown here';

export interface InvalidSettings extends Refused<'invalid'> {
  readonly problems: readonly SettingsProblem[];
}

export function parseSettings<T>(text: string, schema: z.ZodType<T>): { ok: true; value: T } | InvalidSettings {
  const parsed = parseYaml(text);
  if (!parsed.ok) return invalid([parsed.problem]);
  // Each schema is used once: code made for it would cost more than it saves.
  const checked = schema.safeParse(parsed.value, { reportInput: true, jitless: true });
  if (checked.success) return accept(checked.data);
  return invalid(checked.error.issues.flatMap((issue) => problemsOf(parsed.value, issue, [])));
}

/** Reads and checks the file, or throws CONFIG_UNREADABLE or CONFIG_INVALID with every problem on a line of its own. */
export function loadSettings<T>(path: string, schema: z.ZodType<T>): T {
  const text = readSettingsText(path);
  if (!text.ok) throw new LatchkeyError('CONFIG_UNREADABLE', text.detail);
  const settings = parseSettings(text.value, schema);
  if (settings.ok) return settings.value;
  throw new LatchkeyError('CONFIG_INVALID', `${path} has ${settings.detail}`);
}

export function readSettingsText(path: string): Result<string, 'unreadable'> {
  try {
    const { size } = statSync(path);
    if (size > SETTINGS_BYTES_MAX) {
      return refuse('unreadable', `${path}: expected at most ${SETTINGS_BYTES_MAX} bytes of settings, found ${size}`);
    }
    return accept(readFileSync(path, 'utf8'));
  } catch (error) {
    return refuse('unreadable', `cannot read the settings: ${messageOf(error)}`);
  }
}

function invalid(problems: readonly SettingsProblem[]): InvalidSettings {
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const lines = shown.map((problem) => `\n  ${describeProblem(problem)}`).join('');
  return { ok: false, reason: 'invalid', detail: `${count}:${lines}`, problems };
}

type Yaml = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: SettingsProblem };

function parseYaml(text: string): Yaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const error = document.errors[0];
  if (error !== undefined) {
    const { line } = lines.linePos(error.pos[0]);
    return { ok: false, problem: { path: `line ${line}`, found: error.message, expected: 'YAML 1.2' } };
  }
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: ALIASES_MAX }) };
  } catch (cause) {
    return {
      ok: false,
      problem: { path: 'the file', found: messageOf(cause), expected: 'YAML without heavy aliases' },
    };
  }
}

function problemsOf(root: unknown, issue: z.core.$ZodIssue, above: readonly PropertyKey[]): SettingsProblem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: pathText([...path, key]),
      found: 'a setting of that name',
      expected: 'no such setting (is it misspelt?)',
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // What was written has the form of one of them: then it is that one that was meant.
    const meant = issue.errors.filter((issues) => !issues.some(isOfAnotherForm));
    const [nearest] = [...meant].sort((a, b) => a.length - b.length);
    if (nearest !== undefined) return nearest.flatMap((inner) => problemsOf(root, inner, path));
    const forms = issue.errors.map((issues) => formText(issues.filter(isOfAnotherForm))).join(' or ');
    const expected = issue.message === UNSAID ? forms : issue.message;
    return [{ path: pathText(path), found: foundText(valueAt(root, path), path), expected }];
  }
  const written = valueAt(root, path);
  // A check over several settings says what it looked at; otherwise what it names is not there.
  const found = written === undefined && !isObject(issue.input) ? issue.input : written;
  return [{ path: pathText(path), found: foundText(found, path), expected: expectedText(issue) }];
}

/** Of one of several that may stand at a place: it is about the whole of what stands there, and not about its members. */
function isOfAnotherForm({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function formText(issues: readonly z.core.$ZodIssue[]): string {
  return issues.map(expectedText).join(' and ');
}

/** What the person wrote at that place: an issue of a check over several settings carries all of them. */
function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let at = root;
  for (const step of path) {
    if (!isObject(at) || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return at;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function orText(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(' or ');
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
}

function foundText(input: unknown, path: readonly PropertyKey[]): string {
  if (input === undefined) return 'nothing';
  if (input === null) return 'an empty value';
  if (SECRET_NAME.test(String(path.at(-1) ?? ''))) return NOT_SHOWN;
  const text = JSON.stringify(input, withoutSecrets) ?? String(input);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** A secret hides in a member below what is wrong, or in an address: `mqtt://user:password@host`. */
function withoutSecrets(name: string, value: unknown): unknown {
  if (SECRET_NAME.test(name)) return NOT_SHOWN;
  return typeof value === 'string' ? value.replace(/\/\/.*@/s, `//(${NOT_SHOWN})@`) : value;
}

function expectedText(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'nonoptional' ? 'a value' : article(issue.expected);
    case 'invalid_value':
      return orText(issue.values);
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options) ? orText(issue.options) : issue.message;
    case 'too_small':
      return `${article(issue.origin)} of ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `${article(issue.origin)} of ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function article(name: string): string {
  const words: Record<string, string> = { int: 'whole number', record: 'mapping', object: 'mapping', array: 'list' };
  const word = words[name] ?? name;
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}
