/** A line to a witness that follows the specification on its own, and to the same one when it does not. */
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { PeerWitness } from '../../support/peer-witness.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { makeAuthority } from '../../support/test-authority.ts';
import { fill } from '../../support/test-events.ts';
import { TestLog, TestWitness } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';
import { bench, MemoryBook } from './memory-book.ts';

let peer: PeerWitness;
let log: TestLog;
const known = (one: TestLog) => ({ origin: one.origin, publicKey: one.vkey.publicKey });
const rootOf = (one: TestLog, size: number): Buffer => Buffer.from(one.checkpoint(size).root);
const another = (entries: number): TestLog =>
  new TestLog().append(...Array.from({ length: entries }, (_, i) => utf8(`${i}`)));

beforeEach(async () => {
  log = fill(new TestLog(), 5);
  peer = await PeerWitness.start('peer.example/w1', [known(log)]);
});
afterEach(() => peer.stop());

describe('a witness that follows the specification', () => {
  test('is offered a first checkpoint from nothing, and each later one with a proof from the one before', async () => {
    const { pass, book, metrics, line } = bench(peer, [log]);
    await pass();
    for (const size of [6, 8, 9, 64, 65, 100]) {
      fill(log, size);
      await pass();
    }
    expect(peer.statuses).toEqual([200, 200, 200, 200, 200, 200, 200]);
    expect(book.kept.map(({ size }) => size)).toEqual([5, 6, 8, 9, 64, 65, 100]);
    expect(peer.bodies.map((body) => body.split('\n')[0])).toEqual([
      'old 0',
      'old 5',
      'old 6',
      'old 8',
      'old 9',
      'old 64',
      'old 65',
    ]);
    expect(peer.trees.get(log.origin)?.root).toEqual(rootOf(log, 100));
    expect(metrics.value('witness_logs_owed', { witness: 'peer' })).toBe(0);
    expect(line.status).toMatchObject({
      name: 'peer',
      owed: 0,
      last: { result: 'cosigned' },
      newest: expect.stringMatching(/Z$/),
    });
  });

  test('is asked nothing while the log has not grown', async () => {
    const { pass } = bench(peer, [log]);
    await pass();
    await pass();
    expect(peer.bodies).toHaveLength(1);
  });

  test('that knows more than this service remembers is asked again from its own size', async () => {
    const { pass, book, alarms } = bench(peer, [fill(log, 20)]);
    peer.trees.set(log.origin, { size: 13, root: rootOf(log, 13) });
    await pass();
    expect(peer.statuses).toEqual([409, 200]);
    expect(book.kept.map(({ size }) => size)).toEqual([20]);
    peer.trees.set(log.origin, { size: 20, root: rootOf(log, 20) });
    fill(log, 21);
    await pass();
    expect(alarms).toEqual([]);
  });

  test('whose answer was lost gives another for the same size, from that size and without a proof', async () => {
    const { pass, book } = bench(peer, [log]);
    peer.trees.set(log.origin, { size: 5, root: rootOf(log, 5) });
    await pass();
    expect(peer.statuses).toEqual([409, 200]);
    expect(peer.bodies[1]?.startsWith('old 5\n\n')).toBe(true);
    expect(book.kept).toHaveLength(1);
  });

  test('that does not know the log, or its key, is left alone with it, and asked about others', async () => {
    const unknown = fill(new TestLog('unknown', 'gw-0002'), 3);
    const { pass, count, scheduler, alarms } = bench(peer, [unknown, log]);
    await pass();
    expect([count('unknown_log'), count('cosigned')]).toEqual([1, 1]);
    await pass();
    expect(peer.bodies).toHaveLength(2);
    peer.logs.push({ origin: unknown.origin, publicKey: log.vkey.publicKey });
    scheduler.advance(60_000);
    await pass();
    expect(count('forbidden')).toBe(1);
    expect(alarms).toEqual([]);
  });

  test('is not asked about gateways that another receiver looks after', async () => {
    const { pass } = bench(peer, [log], { isMine: () => false });
    await pass();
    expect(peer.bodies).toEqual([]);
  });
});

describe('beside others', () => {
  test('two services that submit one log at once disagree with nobody', async () => {
    const book = new MemoryBook(log);
    const [one, other] = [bench(peer, [log], { book }), bench(peer, [log], { book })];
    for (const size of [5, 9, 30]) {
      fill(log, size);
      await Promise.all([one.pass(), other.pass()]);
    }
    expect([...one.alarms, ...other.alarms]).toEqual([]);
    expect(new Set(book.kept.map(({ size }) => size))).toEqual(new Set([5, 9, 30]));
    expect(peer.trees.get(log.origin)?.root).toEqual(rootOf(log, 30));
  });

  test('over TLS the witness is who its certificate says, by the authority of the settings', async () => {
    const dir = makeTempDir('witness-tls');
    const authority = makeAuthority(dir.path, 'own');
    const { certPath, keyPath } = authority.issue('peer', { names: 'IP:127.0.0.1' });
    const tls = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
    const secure = await PeerWitness.start('secure.example/w1', [known(log)], tls);
    const stranger = bench(secure, [log], { ca_file: makeAuthority(dir.path, 'other').caPath });
    await stranger.pass();
    const unset = bench(secure, [log]);
    await unset.pass();
    expect([stranger.count('unreachable'), unset.count('unreachable'), secure.bodies.length]).toEqual([1, 1, 0]);
    const believed = bench(secure, [log], { ca_file: authority.caPath });
    await believed.pass();
    expect(believed.count('cosigned')).toBe(1);
    for (const { line } of [stranger, unset, believed]) line.close();
    await secure.stop();
    dir.remove();
  });
});

describe('what may be a fork', () => {
  test('a witness with another tree below ours is named, at the size from which it refuses', async () => {
    const { pass, book, alarms, count } = bench(peer, [fill(log, 20)]);
    peer.trees.set(log.origin, { size: 13, root: rootOf(another(13), 13) });
    await pass();
    expect(peer.statuses).toEqual([409, 422]);
    expect(alarms).toEqual(['witness_contradicts']);
    expect([book.kept.length, count('contradicted')]).toEqual([0, 1]);
  });

  test('so is one with another tree of our very size', async () => {
    const { pass, book, alarms } = bench(peer, [log]);
    peer.trees.set(log.origin, { size: 5, root: rootOf(another(5), 5) });
    await pass();
    expect(peer.statuses).toEqual([409, 409]);
    expect(alarms).toEqual(['witness_contradicts']);
    expect(book.kept).toEqual([]);
  });

  test('one that cosigned more than is stored here is an alarm, until as much is stored', async () => {
    const { pass, book, alarms, scheduler } = bench(peer, [log]);
    const whole = fill(new TestLog(), 9);
    peer.trees.set(log.origin, { size: 9, root: rootOf(whole, 9) });
    await pass();
    expect(alarms).toEqual(['witness_ahead']);
    expect(book.kept).toEqual([]);
    fill(log, 11);
    scheduler.advance(60_000);
    await pass();
    expect(book.kept.map(({ size }) => size)).toEqual([11]);
    expect(alarms).toHaveLength(1);
  });

  test('one that forgot what it cosigned is an alarm, and is asked on from what it knows', async () => {
    const { pass, book, alarms } = bench(peer, [log]);
    await pass();
    peer.trees.clear();
    fill(log, 8);
    await pass();
    expect(alarms).toEqual(['witness_went_back']);
    expect(book.kept.map(({ size }) => size)).toEqual([5, 8]);
  });
});

describe('a hostile witness', () => {
  const reply =
    (body: string | Buffer, status = 200, headers: Readonly<Record<string, string>> = {}) =>
    (_: unknown, response: ServerResponse): boolean => {
      response.writeHead(status, headers).end(body);
      return true;
    };
  const stranger = new TestWitness('stranger');

  const ANSWERS: readonly (readonly [what: string, body: () => string, result: string])[] = [
    ['the signature of another key under its name', () => forged(log.note().text), 'bad_signature'],
    ['a bent signature', () => bent(peer.line(log.note().text)), 'bad_signature'],
    ['a cosignature of another note', () => peer.line(another(5).note().text), 'bad_signature'],
    ['a cosignature of a smaller size, replayed', () => peer.line(log.note(3).text), 'bad_signature'],
    ['a time in the far future', () => peer.line(log.note().text, peer.nowS() + 3_600), 'bad_time'],
    ['nothing', () => '', 'bad_lines'],
    ['a page', () => '<html></html>', 'bad_lines'],
    ['lines of others', () => noteLine(stranger, log.note().text), 'bad_unsigned'],
    ['a body without end', () => 'x'.repeat(1_000_000), 'too_large'],
  ];

  test.for(ANSWERS)('that answers 200 with %s: nothing is kept', async ([, body, result]) => {
    peer.misbehave = reply(body());
    const { pass, book, count, line } = bench(peer, [log]);
    await pass();
    expect(book.kept).toEqual([]);
    expect(line.status.last?.result).toBe(result);
    expect(count(result)).toBe(1);
    expect(line.status.owed).toBe(1);
  });

  test('that gives a larger size an older time than a smaller one is not believed', async () => {
    const { pass, book, count } = bench(peer, [log]);
    await pass();
    fill(log, 7);
    peer.misbehave = reply(peer.line(log.note().text, peer.nowS() - 3_600));
    await pass();
    expect(count('bad_time')).toBe(1);
    expect(book.kept).toHaveLength(1);
  });

  test('that redirects is not followed', async () => {
    let asked = 0;
    const elsewhere = createServer((_, response) => {
      asked += 1;
      response.end(peer.line(log.note().text));
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/add-checkpoint`;
    for (const status of [301, 307, 308]) {
      peer.misbehave = reply('', status, { location });
      const { pass, book, count } = bench(peer, [log]);
      await pass();
      expect([count('redirect'), book.kept.length]).toEqual([1, 0]);
    }
    expect(asked).toBe(0);
    await new Promise((resolve) => elsewhere.close(resolve));
  });

  test.for([
    ['ever other sizes', ['1\n', '2\n', '3\n', '4\n', '0\n'], 3],
    ['the size that it was asked from', ['0\n'], 1],
    ['no size', ['many\n'], 1],
  ] as const)('that answers 409 with %s ends after a few calls', async ([, sizes, calls]) => {
    peer.misbehave = (_, response) => {
      response
        .writeHead(409, { 'content-type': 'text/x.tlog.size' })
        .end(sizes[(peer.bodies.length - 1) % sizes.length]);
      return true;
    };
    const { pass, book, count, alarms } = bench(peer, [log]);
    await pass();
    expect(peer.bodies).toHaveLength(calls);
    expect([count('conflicts'), book.kept.length, alarms.length]).toEqual([1, 0, 0]);
  });

  test('that says 422 to a proof of nothing contradicts nothing', async () => {
    peer.misbehave = reply('', 422);
    const { pass, alarms, count } = bench(peer, [log]);
    await pass();
    expect([count('invalid'), alarms.length]).toEqual([1, 0]);
  });

  test.for([
    ['never answers', () => true],
    [
      'begins an answer and never ends it',
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200);
        response.write('— ');
        return true;
      },
    ],
  ] as const)('that %s is given up, and left alone for a while with every log', async ([, misbehave]) => {
    peer.misbehave = misbehave;
    const logs = [log, fill(new TestLog('other', 'gw-0002'), 3), fill(new TestLog('third', 'gw-0003'), 3)];
    const { pass, count, line, scheduler, book } = bench(peer, logs, { timeout_s: 0.2, at_once: 1 });
    await pass();
    expect(count('timeout')).toBe(1);
    expect(line.status).toMatchObject({ owed: 3, asked_again_in_s: 2 });
    await pass();
    expect(count('timeout')).toBe(1);
    scheduler.advance(2_000);
    await pass();
    expect(count('timeout')).toBe(2);
    // The log that was tried first is not the one that all others wait behind.
    expect(new Set(book.offered).size).toBe(2);
  });

  test('that breaks the connection, or is not there, is tried again later', async () => {
    peer.misbehave = (request) => {
      request.socket.destroy();
      return true;
    };
    const { pass, book, count, scheduler, logger } = bench(peer, [log]);
    await pass();
    expect(count('unreachable')).toBe(1);
    peer.misbehave = () => false;
    scheduler.advance(60_000);
    await pass();
    expect(book.kept).toHaveLength(1);
    expect(logger.text).toContain('the witness cosigns again');
  });

  test('that switches protocols is no service that answers, and holds up nobody', async () => {
    peer.misbehave = reply('', 101, { connection: 'upgrade', upgrade: 'other' });
    const { pass, book, count } = bench(peer, [log]);
    await pass();
    expect([count('unreachable'), book.kept.length]).toEqual([1, 0]);
  });

  test('that asks for time with Retry-After gets it', async () => {
    peer.misbehave = reply('', 429, { 'retry-after': '120' });
    const { pass, count, scheduler } = bench(peer, [log]);
    await pass();
    scheduler.advance(119_000);
    await pass();
    expect(count('busy')).toBe(1);
    scheduler.advance(2_000);
    await pass();
    expect(count('busy')).toBe(2);
  });

  test('holds up no more submissions than settings allow, and none once the service stops', async () => {
    const held: ServerResponse[] = [];
    peer.misbehave = (_, response) => {
      held.push(response);
      return true;
    };
    const logs = Array.from({ length: 5 }, (_, i) => fill(new TestLog(`log ${i}`, `gw-000${i}`), 2));
    const stop = new AbortController();
    const { pass } = bench(peer, logs, { at_once: 2 });
    const passing = pass(stop.signal);
    await until('two are held', () => held.length === 2);
    stop.abort(new Error('stopped'));
    await expect(passing).rejects.toThrow('stopped');
    expect(held).toHaveLength(2);
  });
});

/** Name and key id are the witness's, and the signature is not. */
function forged(text: string): string {
  const keyId = Buffer.from(peer.vkey.split('+')[1] ?? '', 'hex');
  const { signature } = new TestWitness('impostor').line(text, peer.nowS());
  return `— ${peer.name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}

/** One bit of the signature. */
function bent(line: string): string {
  const [dash = '', name = '', base64 = ''] = line.trimEnd().split(' ');
  const bytes = Buffer.from(base64, 'base64');
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  return `${dash} ${name} ${bytes.toString('base64')}\n`;
}

function noteLine(witness: TestWitness, text: string): string {
  const { name, keyId, signature } = witness.line(text, peer.nowS());
  return `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}
