/** What an event says, in words: the few that have a place in a line, and all of them in two columns. */
import type { ComponentChildren } from 'preact';
import type { EntryView } from '../../edge/contracts/console-view.ts';
import { type Row, Rows } from '../kit/rows.tsx';
import { bytesText, countText, said, spanText } from '../kit/words.ts';
import { codeWords, eventTitle, memberLabel } from './event-words.ts';
import { gramsText } from './sayings.ts';

const DEPTH_MAX = 5;

type Data = Readonly<Record<string, unknown>>;

/** Members whose texts are stable words; whatever else is a text was typed, scanned or set up by somebody. */
const CODES: ReadonlySet<string> = new Set(
  'action by cause certainty closed_by contradictions door from_src geofence kind method not_seen polarity quarantined reason reply result source state to_src verb what'.split(
    ' ',
  ),
);

/** Where a word means something else than usual: behind the type of its event, or behind the act that it is the end of. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'compartment.counted command': 'somebody asked for it',
  'gateway.stopped command': 'somebody asked for it',
  'maintenance.opened command': 'somebody asked for it',
  'maintenance.closed command': 'somebody asked for it',
  'maintain opened': 'began',
  'door.forced tamper': 'it opened, and somebody tampered',
};

export interface Said {
  readonly text: string;
  /** The word of the program that stands in the journal, where `text` are others. */
  readonly raw?: string;
}

/** In words, if the member holds a stable word that has some. */
export function sayCode(type: string, data: Data, name: string): Said | undefined {
  const code = data[name];
  if (typeof code !== 'string') return undefined;
  const text = wordsOf(type, data, name, code);
  return text === undefined || text === code ? { text: said(code) } : { text, raw: code };
}

function wordsOf(type: string, data: Data, name: string, code: string): string | undefined {
  // What a person wrote there.
  if (!CODES.has(name) || (name === 'reason' && type.startsWith('maintenance.'))) return undefined;
  const place = type === 'console.acted' && name === 'result' ? String(data['action']) : type;
  const key = `${place} ${code}`;
  return Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : codeWords(code);
}

/** What of an event's data is worth a place in a line. */
export function factsOf({ event, type }: EntryView): readonly Said[] {
  const { device, data, parcel } = (event ?? {}) as {
    readonly device?: unknown;
    readonly data?: Data;
    readonly parcel?: { readonly ref?: unknown };
  };
  const places = [parcel?.ref, device].flatMap((each) => (typeof each === 'string' ? { text: said(each) } : []));
  if (data === undefined || data === null) return places;
  const codes = (LINE_CODES[type] ?? LINE_CODES_USUAL).flatMap((name) => sayCode(type, data, name) ?? []);
  return [...places, ...codes, ...seenOf(data), ...noiseOf(type, data), ...startOf(type, data)];
}

/** Of a line that is noisy: which one, and the counts that say of what kind. */
function noiseOf(type: string, data: Data): readonly Said[] {
  if (type !== 'line.noisy') return [];
  const counts = NOISE.flatMap((name) => {
    const count = data[name];
    return typeof count === 'number' && count > 0 ? [{ text: `${memberLabel(name)}: ${numberText(name, count)}` }] : [];
  });
  return [...(typeof data['port'] === 'string' ? [{ text: said(data['port']) }] : []), ...counts];
}

const NOISE = ['timeouts', 'checksum_errors', 'noise_bytes', 'echoes', 'unasked', 'foreign'];

/** How the run before a start ended: what came between the entry before and this one stands in no journal. */
function startOf(type: string, { clean, blind }: Data): readonly Said[] {
  if (type !== 'gateway.started') return [];
  if (clean === false) return [{ text: 'after a crash or power cut; nothing is recorded since the entry before' }];
  return blind === undefined ? [] : [{ text: 'after a clean stop' }];
}

const LINE_CODES_USUAL = ['what', 'action', 'verb', 'reason', 'result', 'detail'];
const LINE_CODES: Readonly<Record<string, readonly string[]>> = {
  'unlock.intended': ['cause'],
  'access.granted': ['method'],
};

/** What a sensor or a scale said. */
function seenOf({ occupied, weight_g: grams }: Data): readonly Said[] {
  return [
    ...(typeof occupied === 'boolean' ? [{ text: occupied ? 'something is there' : 'empty' }] : []),
    ...(typeof grams === 'number' ? [{ text: gramsText(grams) }] : []),
  ];
}

/** With points between them; the word of the program shows over each. */
export function Facts({ facts }: { readonly facts: readonly Said[] }) {
  return (
    <>
      {facts.map(({ text, raw }, i) => (
        <bdi key={`${i} ${text}`} title={raw}>
          {i === 0 ? text : ` · ${text}`}
        </bdi>
      ))}
    </>
  );
}

/** All that the event says besides where, when and who. */
export function EventRows({ entry: { event, type } }: { readonly entry: EntryView }) {
  const { data } = (event ?? {}) as { readonly data?: unknown };
  if (typeof data !== 'object' || data === null) return null;
  const rows = Object.entries(data).map(
    ([name, value]): Row => ({ label: memberLabel(name), value: sayValue(type, data as Data, name, value, 0) }),
  );
  return <Rows rows={rows} />;
}

function sayValue(type: string, data: Data, name: string, value: unknown, depth: number): ComponentChildren {
  if (depth > DEPTH_MAX) return said(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return numberText(name, value);
  if (typeof value === 'string') return <Text words={textWords(type, data, name, value)} raw={value} />;
  if (Array.isArray(value)) {
    return (
      <ul class="inside">
        {value.map((each: unknown, i) => (
          <li key={i}>{sayValue(type, data, name, each, depth + 1)}</li>
        ))}
      </ul>
    );
  }
  if (typeof value !== 'object' || value === null) return said(value);
  const inside = value as Data;
  const { from_ms: fromMs, to_ms: toMs } = inside;
  if (typeof fromMs === 'number' && typeof toMs === 'number') return seenText(fromMs, toMs, inside['from_boot']);
  if (typeof inside['ref'] === 'string')
    return <bdi title={String(inside['scheme'] ?? inside['kind'])}>{inside['ref']}</bdi>;
  return (
    <ul class="inside">
      {Object.entries(inside).map(([member, each]) => (
        <li key={member}>
          <span class="hint">{memberLabel(member)}</span> {sayValue(type, inside, member, each, depth + 1)}
        </li>
      ))}
    </ul>
  );
}

/** Between two looks: after the start of the gateway, or after an earlier one. */
function seenText(fromMs: number, toMs: number, boot: unknown): string {
  const [from, to] = [msText(fromMs), msText(toMs)];
  const start = typeof boot === 'number' ? `start ${boot}` : 'the start';
  return from === to ? `${to} after ${start}` : `between ${from} and ${to} after ${start}`;
}

function textWords(type: string, data: Data, name: string, value: string): string | undefined {
  return name === 'type' ? eventTitle(value) : wordsOf(type, data, name, value);
}

function Text({ words, raw }: { readonly words: string | undefined; readonly raw: string }) {
  if (words === undefined || words === raw) return <bdi>{said(raw)}</bdi>;
  return (
    <>
      {words} <code class="raw">{raw}</code>
    </>
  );
}

/** Names end with their units. */
export function numberText(name: string, value: number): string {
  if (name.endsWith('_ms')) return msText(value);
  if (name.endsWith('_kib')) return bytesText(value * 1_024);
  if (name.endsWith('_bytes')) return bytesText(value);
  if (name.endsWith('_g')) return gramsText(value);
  if (name.endsWith('_pct')) return `${value} %`;
  if (name.endsWith('_mdeg')) return `${value / 1_000}°`;
  if (name.endsWith('_m')) return `${countText(value)} m`;
  return countText(value);
}

function msText(ms: number): string {
  const size = Math.abs(ms);
  const sign = ms < 0 ? '−' : '';
  if (size < 1_000) return `${sign}${size} ms`;
  return sign + (size < 10_000 ? `${(size / 1_000).toFixed(1)} s` : spanText(size));
}
