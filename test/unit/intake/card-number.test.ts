/** A card number that comes in validly signed events must not lie anywhere on the receiver's disk, in any spelling. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FileStore } from '../../../src/risk/intake/file-store/file-store.ts';
import { intakeStatus } from '../../../src/risk/intake/status.ts';
import type { TestLog } from '../../support/test-log.ts';
import { carriedFrom, eventLeaf, grow, newLog } from './events.ts';
import { Harness, policyFor } from './harness.ts';

const home = mkdtempSync(join(tmpdir(), 'latchkey-card-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
let count = 0;

/** Test numbers that the card schemes publish: Visa and American Express. */
const CARDS = ['4111111111111111', '378282246310005'];
/** As long, and no card number: what the search must find when it is stored. */
const PLAIN = ['4111111111111112', '378282246310006'];

/** An event of each kind in which a number can come. */
function leaves(log: TestLog, numbers: readonly string[]): readonly Uint8Array[] {
  const [one = '', two = ''] = numbers;
  const at = (i: number): number => log.size + i;
  const unknown = (i: number, more: JsonObject): Uint8Array =>
    utf8(canonicalJson({ v: 2, log: log.origin, n: at(i), ...more }));
  return [
    eventLeaf(log.origin, at(0), { type: 'code.scanned', data: { text: `*${one}*` } }),
    eventLeaf(log.origin, at(1), { type: 'drone.landed', data: { pad: Number(one) } }),
    eventLeaf(log.origin, at(2), { type: 'drone.landed', data: { [`p${two}`]: 'x' } }),
    eventLeaf(log.origin, at(3), {
      type: 'drone.landed',
      data: { note: [{ deep: `paid ${two.replace(/(....)/g, '$1 ')}` }] },
    }),
    unknown(4, { body: one }),
    unknown(5, { [`m${two}`]: true }),
    eventLeaf(log.origin, at(6), { more: { actor: { kind: 'recipient', ref: one } } }),
    eventLeaf(log.origin, at(7), { more: { compartment: `C-${two}` } }),
    eventLeaf(log.origin, at(8), { more: { withheld: [`/data/p${one}`] } }),
    eventLeaf(log.origin, at(9), { type: 'code.scanned', data: { text: one }, carried: carriedFrom(log, 0) }),
  ];
}

function findings(directory: string, logged: string, numbers: readonly string[]): readonly string[] {
  const spellings = numbers.flatMap((number) => {
    const spaced = number.replace(/(....)/g, '$1 ').trim();
    const bytes = Buffer.from(number);
    return [
      number,
      spaced,
      bytes.toString('hex'),
      bytes.toString('base64').slice(0, -3),
      bytes.toString('base64url').slice(0, -3),
    ];
  });
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files.map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name), 'latin1')] as const);
  return [...texts, ['log', logged] as const].flatMap(([name, text]) =>
    spellings.filter((spelling) => text.includes(spelling)).map((spelling) => `${name}: ${spelling}`),
  );
}

async function story(
  numbers: readonly string[],
): Promise<{ found: readonly string[]; uses: readonly string[]; size: number }> {
  count += 1;
  const directory = join(home, `${count}`);
  const log = grow(newLog(), 5);
  const twin = grow(newLog(), 3);
  const stranger = newLog('stranger', 'gw-0001', 2);
  log.append(...leaves(log, numbers));
  grow(twin, 2, () => ({ salt: 9 }));
  twin.append(...leaves(twin, numbers));
  stranger.append(...leaves(stranger, numbers));
  const h = new Harness();
  const store = await FileStore.open({ crypto: nodeCrypto, directory });
  h.store = store;
  await h.open(policyFor(log));
  await h.batch(log, log.batch(0, 9));
  await h.batch(log, log.batch(6));
  await h.batch(log, twin.batch(3)); // a fork whose proof would hold the number
  await h.batch(log, twin.batch(8, 15, { left: true })); // parked
  await h.batch(stranger, stranger.batch(0));
  await h.checkpoint(log, formatNote(twin.note(15)));
  await h.advance(3_000);
  const status = JSON.stringify(intakeStatus(h.intake));
  const uses = (await h.used(log)).slice(5).map(({ use }) => use.status);
  await h.intake.close();
  await store.close();
  return { found: findings(directory, h.logger.text + status, numbers), uses, size: h.receipts(log).at(-1) ?? 0 };
}

test('the search finds numbers that are no card numbers, so it would find the others', async () => {
  const { found, uses } = await story(PLAIN);
  expect(uses).toContain('opaque');
  for (const number of PLAIN) expect(found.some((each) => each.endsWith(number))).toBe(true);
  expect(found.some((each) => each.startsWith('0000000000000000.ndjson'))).toBe(true);
  expect(found.some((each) => each.includes('theirs'))).toBe(true);
});

test('a card number is found nowhere, every entry is receipted, every body withheld', async () => {
  const { found, uses, size } = await story(CARDS);
  expect(found).toEqual([]);
  expect(uses).toEqual(Array(10).fill('withheld').with(9, 'duplicate_of'));
  expect(size).toBe(15);
});
