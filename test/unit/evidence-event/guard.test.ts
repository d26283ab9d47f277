import { expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { gs1CheckHolds, isS10, isUps } from '../../../src/evidence/event/check-digits.ts';
import type { EventBody, Json, JsonObject } from '../../../src/evidence/event/event.ts';
import { BODY_BYTES_MAX, guardBody, judgeLeaf } from '../../../src/evidence/event/guard.ts';
import { encodeLeaf, parseLeaf } from '../../../src/evidence/event/leaf.ts';
import { EVENT_TYPES } from '../../../src/evidence/event/vocabulary.ts';
import { FUZZ_RUNS } from '../../support/mutate.ts';
import { bodyOf, eventOf } from './samples.ts';

const CARD = '4111111111111111';
const SPELLINGS = [CARD, '4111 1111 1111 1111', '4111-1111-1111-1111', `pay ${CARD} now`, `${CARD}0000`];

test.each(EVENT_TYPES)('a sound %s passes untouched, and a consumer accepts it', (type) => {
  const body = bodyOf(type);
  const guarded = guardBody(body);
  expect(guarded.withheld).toEqual([]);
  expect(guarded.body).toBe(body);
  expect(judge(body)).toEqual({ use: 'accepted' });
});

test.each(EVENT_TYPES)('a card number in any string of a %s is dropped, listed, and refused by a consumer', (type) => {
  const body = bodyOf(type);
  const paths = stringPaths(body as unknown as JsonObject).filter((path) => path !== '/type');
  expect(paths.length).toBeGreaterThan(3);
  for (const path of paths) {
    for (const spelling of SPELLINGS) {
      const planted = plant(body as unknown as JsonObject, path, spelling) as unknown as EventBody;
      const { body: kept, withheld } = guardBody(planted);
      expect(JSON.stringify(kept), path).not.toMatch(/1111/);
      expect(
        withheld.some((each) => path === each || path.startsWith(`${each}/`)),
        `${path} in ${withheld}`,
      ).toBe(true);
      expect(judge(planted)).toMatchObject({ use: 'withheld', why: 'card_number' });
      expect(judge(kept, withheld), path).toEqual({ use: 'accepted' });
    }
  }
});

test('a card number inside bytes that are not UTF-8 is found', () => {
  const raw = base64url(new Uint8Array([0xff, ...utf8(CARD)]));
  const { body, withheld } = guardBody({ type: 'code.scanned', data: { raw, size_bytes: 17 } });
  expect(withheld).toEqual(['/data/raw']);
  expect(body.data).toEqual({ size_bytes: 17 });
});

test('a scan is exempt only as far as its check digit reaches', () => {
  const scan = (text: string, aim = ']C1') =>
    guardBody({ type: 'code.scanned', data: { aim, size_bytes: text.length, text } }).withheld;
  const sscc = exemptSscc();
  expect(scan(sscc, ']C0')).toEqual([]);
  expect(scan(`00${sscc}`)).toEqual([]);
  expect(scan(`00${sscc}400${CARD}`)).toEqual(['/data/text']);
  expect(scan(`https://id.gs1.org/00/${sscc}/400/${CARD}`, ']Q1')).toEqual(['/data/text']);
  expect(scan(`400${CARD}`)).toEqual(['/data/text']);
  const clear = (ref: string, scheme: string) =>
    guardBody({ type: 'device.found', parcel: { ref, scheme }, data: { reason: 'port_open' } }).withheld;
  expect(clear(sscc, 'sscc')).toEqual([]);
  expect(clear(CARD, 'unknown')).toEqual(['/parcel/ref']);
  expect(clear(CARD, 'sscc')).toEqual(['/parcel/ref']);
});

test('valid identifiers pass, though every tenth has a valid Luhn sum', () => {
  const random = generator(20_261_122);
  const makers = [
    () => withGs1Check(digits(random, 17)),
    () => withGs1Check(digits(random, 13)),
    () => s10(random),
    () => ups(random),
    () => withGs1Check(`9${1 + random(5)}${digits(random, 19)}`),
  ];
  const schemes = ['sscc', 'gtin', 's10', 'ups', 'impb'];
  let refused = 0;
  for (let i = 0; i < 10 * FUZZ_RUNS; i += 1) {
    const kind = i % makers.length;
    const value = makers[kind]?.() ?? '';
    // Half as text of a scan, half as a reference in clear text.
    const body: EventBody =
      i % 2 === 0
        ? { type: 'code.scanned', data: { size_bytes: value.length, text: value } }
        : { type: 'code.scanned', parcel: { ref: value, scheme: schemes[kind] ?? '' }, data: { size_bytes: 1 } };
    if (guardBody(body).withheld.length > 0) refused += 1;
  }
  expect(refused).toBe(0);
});

test('members outside of the allow-list are dropped, and their names are not repeated when they may tell', () => {
  const { body, withheld } = guardBody({
    type: 'gateway.stopped',
    data: { reason: 'signal', card_4111111111111111: 'x', note: 'y', detail: 'z'.repeat(500) },
  });
  expect(body.data).toEqual({ reason: 'signal' });
  expect(withheld).toEqual(['/data', '/data/note', '/data/detail']);
});

test('an unknown type and a missing member are defects of the program', () => {
  expect(() => guardBody({ type: 'door.vanished', data: {} })).toThrow('vocabulary');
  expect(() => guardBody({ type: 'gateway.stopped', data: {} })).toThrow('/data/reason');
});

test('the largest body of every type fits a leaf after the guard', () => {
  for (const type of EVENT_TYPES) {
    const { body, withheld } = guardBody(swollen(bodyOf(type) as unknown as JsonObject) as unknown as EventBody);
    const carried = {
      log: `${'l'.repeat(45)}/${'g'.repeat(60)}/1-9f2c01aa`,
      n: 999_999_999_999,
      boot: 1,
      up_ms: 1,
      leaf: `${'A'.repeat(42)}E`,
    };
    const log = carried.log;
    expect(utf8(JSON.stringify(body)).length, type).toBeLessThanOrEqual(BODY_BYTES_MAX);
    const bytes = encodeLeaf({ ...eventOf(body, withheld), carried, log });
    const leaf = parseLeaf(bytes);
    expect(leaf.ok && judgeLeaf(leaf.value), `${type} ${JSON.stringify(leaf.ok && judgeLeaf(leaf.value))}`).toEqual({
      use: 'accepted',
    });
  }
});

test('a consumer tells opaque, withheld and accepted apart', () => {
  const unknown = {
    ...eventOf(bodyOf('gateway.stopped')),
    type: 'drone.landed',
    data: { reason: 'x', at: { depth: 3 } },
  };
  expect(judgeEvent(unknown)).toEqual({ use: 'opaque', why: 'unknown_type' });
  expect(judgeEvent({ ...unknown, data: { pan: CARD } })).toMatchObject({
    use: 'withheld',
    why: 'card_number',
    paths: ['/data'],
  });
  expect(judgeEvent({ ...unknown, data: { pan: Number(CARD) } })).toMatchObject({
    use: 'withheld',
    why: 'card_number',
  });
  expect(judgeEvent({ ...unknown, device: CARD })).toMatchObject({
    use: 'withheld',
    why: 'card_number',
    paths: ['/device'],
  });
  expect(judgeEvent({ v: 2, anything: ['goes'] })).toEqual({ use: 'opaque', why: 'unknown_version' });
  expect(judgeEvent({ v: 2, anything: [CARD] })).toMatchObject({ use: 'withheld', why: 'card_number' });
  const known = eventOf(bodyOf('gateway.stopped'));
  expect(judgeEvent({ ...known, extra: 'x' })).toMatchObject({ use: 'withheld', why: 'vocabulary' });
  expect(judgeEvent({ ...known, data: {} })).toEqual({ use: 'withheld', why: 'vocabulary', paths: ['/data/reason'] });
  expect(judgeEvent({ ...known, data: {}, withheld: ['/data/reason'] })).toEqual({ use: 'accepted' });
  expect(judgeEvent({ ...known, at: '2026-11-22T09:00:00Z' })).toMatchObject({ use: 'withheld', paths: ['/at'] });
  expect(judgeEvent({ ...known, withheld: [CARD] })).toMatchObject({ use: 'withheld', why: 'card_number' });
});

test('a card number in the name of another log or key is found; the own place may be any serial number', () => {
  const tail = '1-9f2c01aa';
  const key = `+0123abcd+${'A'.repeat(44)}`;
  const holders = (place: string): readonly [string, object][] => [
    ['gateway.stopped', { carried: { log: `${place}/${tail}`, n: 1, boot: 1, up_ms: 1, leaf: `${'A'.repeat(42)}E` } }],
    ['predecessor.found', { data: { log: `${place}/${tail}` } }],
    ['journal.opened', { data: { version: '0.1.0', after: { log: `${place}/${tail}`, cause: 'breach' } } }],
    ['key.rotated', { data: { vkey: `${place}/${tail}${key}` } }],
    [
      'anchor.made',
      {
        data: { ...bodyOf('anchor.made').data, lines: [`\u2014 ${place} ${'A'.repeat(92)}`], log: `${place}/${tail}` },
      },
    ],
  ];
  const judged = (log: string, place: string) =>
    holders(place).map(([type, more]) => judgeEvent({ ...eventOf(bodyOf(type as never)), log, ...more }));
  const serial = `lockers.example/${CARD}`;
  for (const use of judged(`lockers.example/gw-1/${tail}`, serial)) {
    expect(use).toMatchObject({ use: 'withheld', why: 'card_number' });
  }
  for (const use of judged(`${serial}/2-9f2c01ab`, serial)) expect(use).toEqual({ use: 'accepted' });
  // Number and tag may make a card number together: they are no name.
  for (const use of judged(`lockers.example/gw-1/${tail}`, 'lockers.example/gw-2')) expect(use.use).toBe('accepted');
  const digits = eventOf(bodyOf('gateway.stopped'));
  const carried = {
    log: 'lockers.example/gw-2/41111111-11111111',
    n: 1,
    boot: 1,
    up_ms: 1,
    leaf: `${'A'.repeat(42)}E`,
  };
  expect(judgeEvent({ ...digits, carried })).toEqual({ use: 'accepted' });
});

function judge(body: EventBody, withheld: readonly string[] = []) {
  return judgeEvent(eventOf(body, withheld) as unknown as JsonObject);
}

function judgeEvent(event: unknown) {
  const leaf = parseLeaf(encodeLeaf(event as Parameters<typeof encodeLeaf>[0]));
  if (!leaf.ok) throw new Error(`${leaf.reason}: ${leaf.detail}`);
  return judgeLeaf(leaf.value);
}

function stringPaths(value: Json, path = ''): string[] {
  if (typeof value === 'string') return [path];
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, member]) => stringPaths(member as Json, `${path}/${name}`));
}

function plant(value: Json, path: string, text: string): Json {
  if (path === '') return text;
  const [, name = '', ...rest] = path.split('/');
  const below = rest.length === 0 ? '' : `/${rest.join('/')}`;
  if (Array.isArray(value)) return value.map((item: Json, i) => (String(i) === name ? plant(item, below, text) : item));
  const members = value as JsonObject;
  return { ...members, [name]: plant(members[name] as Json, below, text) };
}

/** Every free text long, every array repeated to its bound. */
function swollen(value: Json, name = ''): Json {
  if (Array.isArray(value)) return Array.from({ length: 16 }, (_, i) => swollen(value[i % value.length] as Json, name));
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, swollen(member as Json, key)]));
  }
  return ['detail', 'text', 'reason', 'ref', 'target', 'ticket', 'seal', 'credential'].includes(name) &&
    typeof value === 'string'
    ? value.padEnd(64, '\u0001')
    : value;
}

/** An SSCC that is also a Luhn number with a card prefix: the coincidence that the exemption is for. */
function exemptSscc(): string {
  const random = generator(7);
  for (;;) {
    const sscc = withGs1Check(`36${digits(random, 15)}`);
    if (guardBody({ type: 'gateway.stopped', data: { reason: 'signal', detail: sscc } }).withheld.length > 0)
      return sscc;
  }
}

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function digits(random: (below: number) => number, count: number): string {
  let out = '';
  for (let i = 0; i < count; i += 1) out += random(10);
  return out;
}

function withGs1Check(body: string): string {
  for (let check = 0; check < 10; check += 1) if (gs1CheckHolds(`${body}${check}`)) return `${body}${check}`;
  throw new Error('no check digit');
}

function s10(random: (below: number) => number): string {
  const serial = digits(random, 8);
  for (let check = 0; check < 10; check += 1) if (isS10(`RB${serial}${check}GB`)) return `RB${serial}${check}GB`;
  throw new Error('no check digit');
}

function ups(random: (below: number) => number): string {
  const serial = digits(random, 15);
  for (let check = 0; check < 10; check += 1) if (isUps(`1Z${serial}${check}`)) return `1Z${serial}${check}`;
  throw new Error('no check digit');
}
