/** The bytes of `add-checkpoint`, against the example of C2SP tlog-witness; and what is read out of answers. */
import { describe, expect, test } from 'vitest';
import { utf8, utf8Text } from '../../../src/base/bytes.ts';
import { formatSignatureLine } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { addCheckpointBody, cosignatureIn, readAnswer } from '../../../src/risk/witnesses/add-checkpoint.ts';
import { witnessesSchema } from '../../../src/risk/witnesses/settings.ts';
import { TestLog, TestWitness } from '../../support/test-log.ts';

/** C2SP tlog-witness, "Example request body". */
const PROOF = [
  'PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=',
  'jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=',
  '5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=',
  '/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=',
];
const NOTE = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`;
const hashes = (lines: readonly string[]): Uint8Array[] =>
  lines.map((line) => new Uint8Array(Buffer.from(line, 'base64')));

describe('the body', () => {
  test('is that of the specification’s example', () => {
    const body = addCheckpointBody({ oldSize: 20_852_014, proof: hashes(PROOF), note: utf8(NOTE) });
    expect(utf8Text(body)).toBe(`old 20852014\n${PROOF.join('\n')}\n\n${NOTE}`);
  });

  test('of a first checkpoint has no proof, and one of more than 63 lines is never made', () => {
    expect(utf8Text(addCheckpointBody({ oldSize: 0, proof: [], note: utf8(NOTE) }))).toBe(`old 0\n\n${NOTE}`);
    const [hash = new Uint8Array(32)] = hashes(PROOF);
    const proof = Array.from({ length: 64 }, () => hash);
    expect(() => addCheckpointBody({ oldSize: 1, proof, note: utf8(NOTE) })).toThrow('64 hashes');
  });
});

describe('an answer', () => {
  const of = (status: number, body = '', contentType?: string) => readAnswer({ status, contentType, body: utf8(body) });

  test('409 names a size, in its own type, in the one spelling that there is', () => {
    expect(of(409, '20852014\n', 'text/x.tlog.size')).toEqual({ kind: 'conflict', size: 20_852_014 });
    expect(of(409, '0\n', 'TEXT/x.tlog.size; charset=utf-8')).toEqual({ kind: 'conflict', size: 0 });
    for (const body of [
      '20852014',
      '020\n',
      '-1\n',
      '1e3\n',
      '9007199254740993\n',
      '99999999999999999999\n',
      '1\n1\n',
      '',
    ]) {
      expect(of(409, body, 'text/x.tlog.size')).toEqual({ kind: 'conflict', size: undefined });
    }
    expect(of(409, '5\n', 'text/plain')).toEqual({ kind: 'conflict', size: undefined });
  });

  test('of any other status has a word', () => {
    const words = Object.fromEntries(
      [400, 403, 404, 422, 429, 503, 301, 500, 204, 0].map((status) => [status, of(status)]),
    );
    expect(
      Object.fromEntries(Object.entries(words).map(([status, answer]) => [status, 'why' in answer && answer.why])),
    ).toEqual({
      400: 'invalid',
      403: 'forbidden',
      404: 'unknown_log',
      422: 'contradicted',
      429: 'busy',
      503: 'busy',
      301: 'redirect',
      500: 'failed',
      204: 'failed',
      0: 'failed',
    });
  });
});

describe('the lines of a 200', () => {
  const witness = new TestWitness('peer.example/w1');
  const stranger = new TestWitness('stranger.example/w2');
  const text = new TestLog().append(utf8('a')).note().text;
  const NOW_S = 1_790_000_000;
  const lineBy = (by: TestWitness, over = text, atS = NOW_S) => `${formatSignatureLine(by.line(over, atS))}\n`;
  const read = (body: string, afterS?: number) =>
    cosignatureIn(nodeCrypto, witness.vkey, text, utf8(body), { nowS: NOW_S, afterS });
  const reason = (body: string, afterS?: number) => {
    const found = read(body, afterS);
    return found.ok ? 'accepted' : found.reason;
  };

  test('hold the cosignature of the witness among those of others; of two of its own the newest counts', () => {
    const found = read(`${lineBy(stranger)}${lineBy(witness, text, NOW_S - 5)}${lineBy(witness)}`);
    expect(found).toMatchObject({ ok: true, value: { timestampS: NOW_S } });
    expect(found.ok && found.value.signature).toEqual(witness.line(text, NOW_S).signature);
  });

  test('say nothing without one, with a false one beside a true one, or over another note', () => {
    expect(reason(lineBy(stranger))).toBe('unsigned');
    expect(reason(lineBy(witness, `${text}x\n`))).toBe('signature');
    expect(reason(lineBy(witness) + lineBy(witness, `${text}x\n`))).toBe('signature');
    const impostor = new TestWitness('impostor');
    const named = { ...impostor.line(text, NOW_S), name: witness.vkey.name, keyId: witness.vkey.keyId };
    expect(reason(`${formatSignatureLine(named)}\n`)).toBe('signature');
  });

  test('are nothing but lines, and not many', () => {
    const line = lineBy(witness);
    for (const body of [
      '',
      '\n',
      line.slice(0, -1),
      `${line}\n`,
      `{}\n`,
      `x${line}`,
      line.repeat(65),
      lineBy(stranger).repeat(200),
    ]) {
      expect(reason(body)).toBe('lines');
    }
    expect(cosignatureIn(nodeCrypto, witness.vkey, text, Uint8Array.of(0xff, 0x0a), { nowS: NOW_S })).toMatchObject({
      reason: 'lines',
    });
  });

  test('have a time that is not far ahead of ours, nor before that of a smaller size', () => {
    expect(reason(lineBy(witness, text, NOW_S + 300))).toBe('accepted');
    expect(reason(lineBy(witness, text, NOW_S + 301))).toBe('time');
    expect(reason(lineBy(witness, text, Number.MAX_SAFE_INTEGER))).toBe('time');
    expect(reason(lineBy(witness), NOW_S + 300)).toBe('accepted');
    expect(reason(lineBy(witness), NOW_S + 301)).toBe('time');
  });
});

describe('the settings of a witness', () => {
  const witness = new TestWitness('peer.example/w1');
  const vkey = (of: TestWitness): string => {
    const material = Buffer.concat([Buffer.of(4), of.vkey.publicKey]).toString('base64');
    return `${of.vkey.name}+${Buffer.from(of.vkey.keyId).toString('hex')}+${material}`;
  };
  const one = (more: object = {}) => ({ name: 'peer', vkey: vkey(witness), url: 'https://peer.example/api', ...more });
  const problems = (value: unknown): readonly string[] => {
    const read = witnessesSchema.safeParse(value);
    return read.success ? [] : read.error.issues.map(({ path }) => path.join('.'));
  };

  test('are none unless given, and have a pace', () => {
    expect(witnessesSchema.parse(undefined)).toEqual([]);
    expect(witnessesSchema.parse([one()])).toMatchObject([{ every_s: 300, timeout_s: 10, at_once: 4 }]);
  });

  test('name an encrypted prefix (or this machine), and the sound key of a witness', () => {
    for (const url of ['http://127.0.0.1:7000/w', 'http://localhost/w', 'https://peer.example']) {
      expect(problems([one({ url })])).toEqual([]);
    }
    for (const url of [
      'http://peer.example/w',
      'https://peer.example/w/',
      'https://peer.example/w?x=1',
      'https://peer.example/w?',
      'https://user:pass@peer.example/w',
      'https://peer.example/w#x',
      'peer.example',
    ]) {
      expect(problems([one({ url })])).toEqual(['0.url']);
    }
    const log = new TestLog();
    const material = Buffer.concat([Buffer.of(1), log.vkey.publicKey]).toString('base64');
    const ofLog = `${log.origin}+${Buffer.from(log.vkey.keyId).toString('hex')}+${material}`;
    const otherId = vkey(witness).replace(/\+[0-9a-f]{8}\+/, '+00000000+');
    for (const text of [ofLog, otherId, 'peer.example/w1', ''])
      expect(problems([one({ vkey: text })])).toEqual(['0.vkey']);
  });

  test('have each name, and each key, once', () => {
    const other = new TestWitness('other.example/w1');
    expect(problems([one(), one({ name: 'again' })])).toEqual(['1.vkey']);
    expect(problems([one(), one({ vkey: vkey(other) })])).toEqual(['1.name']);
    expect(problems([one(), one({ name: 'other', vkey: vkey(other) })])).toEqual([]);
    expect(
      problems(Array.from({ length: 9 }, (_, i) => one({ name: `w${i}`, vkey: vkey(new TestWitness(`w${i}`)) }))),
    ).toHaveLength(1);
  });
});
