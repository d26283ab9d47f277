/**
 * The quick way to see that a line of a verified batch is an event that may be used: one walk over its text proves RFC
 * 8785 form, envelope, vocabulary, privacy guard and place, and builds nothing.
 *
 * Undefined means only "not seen by this way": whoever asks then goes the plain way (`parseLeaf`, `judgeLeaf`), which
 * decides. What is seen here, the plain way accepts; tests hold the two together.
 */
import { BODY_FIELDS, HEAD_FIELDS, HEAD_REQUIRED, originField } from './event-fields.ts';
import { endOfInteger, endOfObject, endOfString, UNSEEN } from './text-scan.ts';
import { dataField } from './vocabulary.ts';
import { LOG_DATA } from './vocabulary-log.ts';

/** What names logs and keys inside of `data` is written with one of these: such names are compared the plain way. */
const NAMES_A_STRANGER = /[/+\u2014]/;

export class LeafScanner {
  /** `"log":` of every event here; undefined when no event may name this log. */
  readonly #log: string | undefined;
  readonly #members: readonly EnvelopeMember[];

  constructor(origin: string) {
    this.#log = originField.fits(origin) ? `"${origin}"` : undefined;
    this.#members = envelope();
  }

  /**
   * `at` of the event at `index` of the log, when all of it may be used. Carried events are left to the plain way: what
   * they carry is looked up.
   */
  timeOf(text: string, index: number): string | undefined {
    if (this.#log === undefined || text.charCodeAt(0) !== 0x7b) return undefined;
    let at = 1;
    let next = 0;
    let time = 0;
    let data = 0;
    let dataEnd = 0;
    let type: string | undefined;
    for (;;) {
      const member = this.#memberAt(text, at, next);
      if (member === undefined) return undefined;
      next = member.place + 1;
      const value = at + member.key.length;
      at = this.#endOf(member, text, value, index);
      if (at === UNSEEN) return undefined;
      if (member.name === 'at') time = value;
      else if (member.name === 'type') type = text.slice(value + 1, at - 1);
      else if (member.name === 'data') {
        data = value;
        dataEnd = at;
      }
      const unit = text.charCodeAt(at);
      at += 1;
      if (unit === 0x7d) break;
      if (unit !== 0x2c) return undefined;
    }
    if (at !== text.length || type === undefined || this.#lacks(next)) return undefined;
    return fitsData(type, text, data, dataEnd) ? text.slice(time + 1, time + 25) : undefined;
  }

  /** Names ascend in the text as in the table, so the search goes on where it ended. */
  #memberAt(text: string, at: number, from: number): EnvelopeMember | undefined {
    for (let place = from; place < this.#members.length; place += 1) {
      const member = this.#members[place];
      if (member === undefined || text.startsWith(member.key, at)) return member;
      if (member.required) return undefined;
    }
    return undefined;
  }

  #endOf({ name, end }: EnvelopeMember, text: string, value: number, index: number): number {
    if (name === 'log') return text.startsWith(this.#log ?? '', value) ? value + (this.#log ?? '').length : UNSEEN;
    if (name === 'n') return endOfInteger(text, value, index, index);
    return end(text, value);
  }

  #lacks(from: number): boolean {
    for (let place = from; place < this.#members.length; place += 1) if (this.#members[place]?.required) return true;
    return false;
  }
}

interface EnvelopeMember {
  readonly name: string;
  readonly place: number;
  readonly key: string;
  readonly required: boolean;
  readonly end: (text: string, at: number) => number;
}

function envelope(): readonly EnvelopeMember[] {
  const ends = new Map([...HEAD_FIELDS, ...BODY_FIELDS].map(([name, field]) => [name, field.scan]));
  ends.delete('carried');
  // Its type comes behind it, and is looked up in the vocabulary.
  ends.set('type', endOfString);
  ends.set('data', endOfObject);
  const required = new Set<string>(HEAD_REQUIRED);
  return [...ends]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, end], place) => ({ name, place, key: `"${name}":`, required: required.has(name), end }));
}

function fitsData(type: string, text: string, data: number, end: number): boolean {
  const field = dataField(type);
  if (field === undefined || field.scan(text, data) !== end) return false;
  return !(Object.hasOwn(LOG_DATA, type) && NAMES_A_STRANGER.test(text.slice(data, end)));
}
