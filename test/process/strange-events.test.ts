/**
 * A gateway with a good key and bad manners, at the real `latchkey receive`: events of types that nobody knows, and card
 * numbers in every place where text may stand. Receipts go on, and no number lies anywhere afterwards.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { Child } from '../../simulators/demo/child-process.ts';
import { utf8 } from '../../src/base/bytes.ts';
import type { JsonObject } from '../../src/evidence/event/event.ts';
import { canonicalJson } from '../../src/evidence/event/json.ts';
import { formatNote, formatVkey, verifyLogNote } from '../../src/evidence/log/note.ts';
import { gatewayRoot } from '../../src/evidence/wire/topics.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import type { IntakeStatus } from '../../src/risk/intake/status.ts';
import { startBroker, type TestBroker } from '../support/broker.ts';
import { startLatchkey } from '../support/child.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { TestLog } from '../support/test-log.ts';
import { until } from '../support/until.ts';
import { carriedFrom, eventLeaf, grow } from '../unit/intake/events.ts';

const GATEWAY = 'gw-0001';
/** Numbers that card schemes publish for tests. */
const CARDS = ['4111111111111111', '378282246310005'];
/** As long, and no card numbers: what the search must find where it is stored. */
const PLAIN = ['4111111111111112', '378282246310006'];

class Stage {
  readonly dir: TempDir = makeTempDir('strange');
  readonly root = gatewayRoot(nodeCrypto, 'latchkey', GATEWAY);
  readonly dataDir = this.dir.file('data');
  readonly broker: TestBroker;
  readonly #log: TestLog;
  readonly #said: string[] = [];
  #child: Child | undefined;

  constructor(broker: TestBroker, log: TestLog) {
    this.broker = broker;
    this.#log = log;
    writeFileSync(this.dir.file('policy.json'), JSON.stringify({ v: 1, logs: [{ vkey: formatVkey(log.vkey) }] }));
    const settings = {
      data_dir: this.dataDir,
      policy: this.dir.file('policy.json'),
      mqtt: { url: broker.url, protocol: '3.1.1', reconnect: { first_ms: 10, max_ms: 100 } },
      witness: { name: 'refunds.example/receipts' },
      status_interval_s: 1,
      log_level: 'debug',
    };
    writeFileSync(this.dir.file('receive.yaml'), stringify(settings));
  }

  async start(): Promise<void> {
    const onLine = (line: string): void => void this.#said.push(line);
    this.#child = startLatchkey(['receive', '--config', this.dir.file('receive.yaml')], { onLine });
    await this.#child.line('the receiver runs');
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#child?.stop(signal);
  }

  async send(name: string, payload: Uint8Array): Promise<void> {
    await this.broker.publish(`${this.root}/${name}`, payload);
  }

  /** Sends until the receipt says this size: what comes before the subscription, or while it is parked, is not kept. */
  async sendUntil(size: number, payload: Uint8Array): Promise<void> {
    for (let tries = 0; tries < 100 && this.receipted() < size; tries += 1) {
      await this.send('batch', payload);
      await until('a receipt', () => this.receipted() >= size, 200).catch(() => undefined);
    }
    expect(this.receipted(), this.said.slice(-2_000)).toBe(size);
  }

  /** Size of the newest receipt, whose log signature verifies. */
  receipted(): number {
    const name = this.#log.origin.split('/')[2] ?? '';
    const found = [...this.broker.retained].find(([topic]) => topic.startsWith(`${this.root}/receipt/${name}/`));
    if (found === undefined) return 0;
    const note = verifyLogNote(nodeCrypto, found[1], this.#log.vkey);
    if (!note.ok) throw new Error(`a receipt that does not verify: ${note.detail}`);
    return note.value.checkpoint.size;
  }

  status(): IntakeStatus {
    return JSON.parse(readFileSync(join(this.dataDir, 'status.json'), 'utf8')) as IntakeStatus;
  }

  get said(): string {
    return this.#said.join('\n');
  }

  async close(): Promise<void> {
    await this.stop('SIGKILL');
    await this.broker.stop();
    this.dir.remove();
  }
}

/** Where these numbers lie: in the files of a folder, their names, and a text; in every spelling that is common. */
function findings(directory: string, text: string, numbers: readonly string[]): readonly string[] {
  const spellings = numbers.flatMap((number) => {
    const bytes = Buffer.from(number);
    const encoded = [bytes.toString('hex'), bytes.toString('base64').slice(0, -3)];
    return [number, number.replace(/(....)/g, '$1 ').trim(), number.replace(/(....)/g, '$1-'), ...encoded];
  });
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name), 'latin1')] as const);
  const all = [...files, ['names', entries.map(({ name }) => name).join('\n')] as const, ['said', text] as const];
  return all.flatMap(([name, content]) =>
    spellings.filter((spelling) => content.includes(spelling)).map((spelling) => `${name}: ${spelling}`),
  );
}

/** Known types with a number where text may stand, unknown types, unknown versions, and a carried one. */
function strangeLeaves(log: TestLog, numbers: readonly string[]): readonly Uint8Array[] {
  const [one = '', two = ''] = numbers;
  const spaced = two.replace(/(....)/g, '$1 ');
  const shapes: readonly ((n: number) => Uint8Array)[] = [
    (n) => eventLeaf(log.origin, n, { type: 'drone.landed', data: { pad: 7 } }),
    (n) => eventLeaf(log.origin, n, { type: 'code.scanned', data: { size_bytes: 16, text: one } }),
    (n) => eventLeaf(log.origin, n, { type: 'drone.landed', data: { pad: Number(one) } }),
    (n) => eventLeaf(log.origin, n, { type: 'drone.landed', data: { [`p${two}`]: 'x' } }),
    (n) => eventLeaf(log.origin, n, { type: 'drone.landed', data: { note: [{ deep: `paid ${spaced}` }] } }),
    (n) => utf8(canonicalJson({ v: 2, log: log.origin, n, body: `card ${one}` })),
    (n) => eventLeaf(log.origin, n, { more: { actor: { kind: 'recipient', ref: two } } as JsonObject }),
    (n) => eventLeaf(log.origin, n, { more: { compartment: `C-${two}` } }),
    (n) => eventLeaf(log.origin, n, { type: 'code.scanned', data: { text: one }, carried: carriedFrom(log, 0) }),
    (n) => eventLeaf(log.origin, n, { type: `sold.${'x'.repeat(40)}`, data: {} }),
  ];
  return shapes.map((shape, i) => shape(log.size + i));
}

let stage: Stage | undefined;
afterEach(() => stage?.close());

/** The same story with any numbers; resolves with where they lie in the end. */
async function story(numbers: readonly string[]): Promise<readonly string[]> {
  const log = grow(new TestLog('strange', GATEWAY), 5);
  log.append(...strangeLeaves(log, numbers));
  const strange = log.size;
  grow(log, 5);
  log.append(...strangeLeaves(log, numbers));
  const [twin, stranger] = [grow(new TestLog('strange', GATEWAY), 4), new TestLog('stranger', GATEWAY, 2)];
  grow(twin, 3, () => ({ salt: 9 })).append(...strangeLeaves(twin, numbers));
  grow(stranger, 1).append(...strangeLeaves(stranger, numbers));

  const site = new Stage(await startBroker(), log);
  stage = site;
  await site.start();
  await site.sendUntil(5, log.batch(0, 5));
  // One by one: each is receipted although nobody can use it.
  for (let n = 5; n < strange; n += 1) await site.sendUntil(n + 1, log.batch(n, n + 1));
  // Out of order it waits in memory; a log that nobody vouches for, a second history, and no batch at all.
  await site.send('batch', log.batch(strange + 5, log.size, { left: true }));
  await site.send('batch', stranger.batch(0));
  await site.send('batch', twin.batch(4));
  await site.send('checkpoint/1-9f2c01aa', formatNote(twin.note()));
  for (const name of ['batch', 'enrolment', 'status', 'request', `checkpoint/${numbers[0]}`]) {
    await site.send(name, utf8(`{"no":"batch","number":"${numbers[0]}"}\n${numbers[1]}\n`));
  }
  await site.stop('SIGKILL');
  await site.start();
  await site.sendUntil(strange + 5, log.batch(strange, strange + 5));
  await site.sendUntil(log.size, log.batch(strange + 5, log.size));
  await site.stop();
  const [gateway] = site.status().gateways;
  const held = gateway?.logs.find(({ origin }) => origin === log.origin);
  expect(held).toMatchObject({ entries: log.size, receipted: log.size });
  expect(site.said).toContain('receiver');
  return findings(site.dataDir, site.said, numbers);
}

describe('a gateway that signs what nobody should', () => {
  test('is found out by a search that finds plain numbers, so it would find others', async () => {
    const found = await story(PLAIN);
    for (const number of PLAIN) expect(found.some((each) => each.includes(number))).toBe(true);
    expect(found.some((each) => /^\d{16}\.ndjson: /.test(each))).toBe(true);
    const { dataDir } = stage ?? { dataDir: '' };
    writeFileSync(join(dataDir, 'control'), `x${CARDS[0]}y`);
    expect(findings(dataDir, '', CARDS)).toEqual([`control: ${CARDS[0]}`]);
  });

  test('has every event receipted, of whatever type, and no card number is stored or said anywhere', async () => {
    expect(await story(CARDS)).toEqual([]);
  });
});
