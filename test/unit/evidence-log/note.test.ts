import { describe, expect, test } from 'vitest';
import { base64, concatBytes, equalBytes, hex, unbase64, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { formatCheckpoint, parseCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { cosignatureMessage, verifyCosignature } from '../../../src/evidence/log/cosignature.ts';
import {
  formatNote,
  formatVkey,
  isSoundVkey,
  logVkey,
  NOTE_SIGNATURES_MAX,
  type Note,
  parseNote,
  parseVkey,
  signaturesOf,
  verifyLogNote,
  witnessVkey,
} from '../../../src/evidence/log/note.ts';
import { formatOrigin, originFor, parseOrigin, tagOf } from '../../../src/evidence/log/origin.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT_MS, fuzz, mutate, Random } from '../../support/mutate.ts';
import { noteText, seedOf, TestKey, TestLog, TestWitness } from '../../support/test-log.ts';

const crypto = nodeCrypto;

/** golang.org/x/mod/sumdb/note, note_test.go: the reference implementation's key and note. */
const GO_VKEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const GO_NOTE =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n" +
  '\n' +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';

/** C2SP tlog-cosignature: its example of a checkpoint with a cosignature. */
const C2SP_NOTE =
  'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n' +
  '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n' +
  '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n';

/** C2SP signed-note: its example, whose text has an empty line. */
const C2SP_TEXT_NOTE =
  'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n' +
  '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';

function parsed(text: string): Note {
  const note = parseNote(utf8(text));
  if (!note.ok) throw new Error(note.detail);
  return note.value;
}

function vkeyOf(text: string) {
  const vkey = parseVkey(text);
  if (!vkey.ok) throw new Error(vkey.detail);
  return vkey.value;
}

describe('published examples', () => {
  test("the Go reference implementation's note verifies under its key", () => {
    const vkey = vkeyOf(GO_VKEY);
    expect(formatVkey(vkey)).toBe(GO_VKEY);
    expect(isSoundVkey(crypto, vkey)).toBe(true);
    const note = parsed(GO_NOTE);
    const [line] = signaturesOf(note, vkey);
    expect(crypto.verifyEd25519(vkey.publicKey, utf8(note.text), line?.signature ?? utf8(''))).toBe(true);
    expect(utf8Text(formatNote(note))).toBe(GO_NOTE);
    // Its text is not a checkpoint, so it is no log's note.
    expect(verifyLogNote(crypto, utf8(GO_NOTE), vkey)).toMatchObject({ ok: false, reason: 'checkpoint' });
  });

  test("no part and no neighbour of the Go implementation's verifier key is a verifier key", () => {
    for (let from = 0; from < GO_VKEY.length; from += 1) {
      for (let to = from + 1; to <= GO_VKEY.length; to += 1) {
        const part = parseVkey(GO_VKEY.slice(from, to));
        const whole = from === 0 && to === GO_VKEY.length;
        // A shorter name is another name: then the key id is wrong.
        expect(part.ok && isSoundVkey(crypto, part.value)).toBe(whole);
      }
      const code = GO_VKEY.charCodeAt(from);
      const next = GO_VKEY.slice(0, from) + String.fromCharCode(code + 1) + GO_VKEY.slice(from + 1);
      const changed = parseVkey(next);
      expect(changed.ok && isSoundVkey(crypto, changed.value)).toBe(false);
    }
    // note_test.go: wrong length with its own hash, unknown algorithm with its own hash.
    expect(parseVkey('PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==').ok).toBe(false);
    expect(parseVkey('PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW').ok).toBe(false);
  });

  test("C2SP's examples have the parts that C2SP names, and one spelling", () => {
    for (const text of [C2SP_NOTE, C2SP_TEXT_NOTE]) expect(utf8Text(formatNote(parsed(text)))).toBe(text);
    const note = parsed(C2SP_NOTE);
    const checkpoint = parseCheckpoint(note.text);
    expect(checkpoint).toMatchObject({ ok: true, value: { origin: 'example.com/behind-the-sofa', size: 20_852_163 } });
    expect(checkpoint.ok && formatCheckpoint(checkpoint.value)).toBe(note.text);
    const [log, witness] = note.signatures;
    expect([log?.name, hex(log?.keyId ?? utf8(''))]).toEqual(['example.com/behind-the-sofa', '033de0ae']);
    expect([witness?.name, hex(witness?.keyId ?? utf8(''))]).toEqual(['witness.example.com/w1', '8d66cf3f']);
    expect(witness?.signature).toHaveLength(72);
    expect(hex(witness?.signature.subarray(0, 8) ?? utf8(''))).toBe('00000000641850cb');
    expect(parsed(C2SP_TEXT_NOTE).text).toContain('sole:\n\ned');
  });

  test("a cosignature signs the message of C2SP's example", () => {
    expect(utf8Text(cosignatureMessage(parsed(C2SP_NOTE).text, 1_679_315_147))).toBe(
      'cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n',
    );
  });
});

describe('notes', () => {
  const malformed: Record<string, string> = {
    empty: '',
    'text only': 'a\nb\n',
    'no text': '\n— a AAAAAAAA\n',
    'no signature': 'a\n\n',
    'no blank line': 'a\n— a AAAAAAAA\n',
    'no final newline': 'a\n\n— a AAAAAAAA',
    'blank line after the signatures': 'a\n\n— a AAAAAAAA\n\n',
    'hyphen for the dash': 'a\n\n- a AAAAAAAA\n',
    'two hyphens for the dash': 'a\n\n-- a AAAAAAAA\n',
    'no name': 'a\n\n—  AAAAAAAA\n',
    'plus in the name': 'a\n\n— a+b AAAAAAAA\n',
    'no-break space in the name': 'a\n\n— a\u00a0b AAAAAAAA\n',
    'next line in the name': 'a\n\n— a\u0085b AAAAAAAA\n',
    'three parts': 'a\n\n— a b AAAAAAAA\n',
    'carriage return': 'a\r\n\r\n— a AAAAAAAA\r\n',
    tab: 'a\tb\n\n— a AAAAAAAA\n',
    'key id only': 'a\n\n— a AAAAAA==\n',
    'base64 with pad bits': 'a\n\n— a AAAAAAB=\n',
    'base64 without padding': 'a\n\n— a AAAAAAA\n',
    base64url: 'a\n\n— a AAAA_-AA\n',
    'text after the signatures': 'a\n\n— a AAAAAAAA\nb\n',
  };

  test.each(Object.entries(malformed))('refuses a note with %s', (_what, text) => {
    expect(parseNote(utf8(text))).toMatchObject({ ok: false, reason: 'note' });
  });

  test('takes the smallest note and names what it holds', () => {
    expect(parsed('a\n\n— a AAAAAAA=\n')).toMatchObject({ text: 'a\n', signatures: [{ name: 'a' }] });
  });

  test('refuses bytes that are not UTF-8', () => {
    const bytes = utf8('a\n\n— a AAAAAAAA\n');
    bytes[0] = 0xff;
    expect(parseNote(bytes)).toMatchObject({ ok: false, detail: 'the note is not UTF-8' });
  });

  test('takes 16 signatures and 16 KiB, and no more', () => {
    const lines = (n: number): string => `a\n\n${'— a AAAAAAAA\n'.repeat(n)}`;
    expect(parsed(lines(NOTE_SIGNATURES_MAX)).signatures).toHaveLength(16);
    expect(parseNote(utf8(lines(NOTE_SIGNATURES_MAX + 1))).ok).toBe(false);
    const tail = '\n\n— a AAAAAAAA\n';
    const fill = 16_384 - utf8(tail).length;
    expect(parseNote(utf8('x'.repeat(fill) + tail)).ok).toBe(true);
    expect(parseNote(utf8(`${'x'.repeat(fill + 1)}${tail}`)).ok).toBe(false);
  });
});

describe('checkpoints', () => {
  const root = base64(new Uint8Array(32).fill(7));
  const malformed = [
    '',
    `o\n1\n${root}`,
    `o\n1\n${root}\n\n`,
    `o\n1\n${root}\nextension\n`,
    `\n1\n${root}\n`,
    `o o\n1\n${root}\n`,
    `o+p\n1\n${root}\n`,
    `o\n01\n${root}\n`,
    `o\n+1\n${root}\n`,
    `o\n-1\n${root}\n`,
    `o\n1.0\n${root}\n`,
    `o\n1e3\n${root}\n`,
    `o\n٣\n${root}\n`,
    `o\n\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n99999999999999999999\n${root}\n`,
    `o\n1\n${root.slice(0, -1)}\n`,
    `o\n1\n${base64(new Uint8Array(31))}\n`,
    `o\n1\n${base64(new Uint8Array(33))}\n`,
    `o\n1\n${root.slice(0, -2)}d=\n`,
  ];

  test.each(malformed)('refuses %j', (text) => {
    expect(parseCheckpoint(text)).toMatchObject({ ok: false, reason: 'checkpoint' });
  });

  test('sizes from 0 to 2^53 - 1 have one spelling', () => {
    for (const size of [0, 1, 10, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const text = formatCheckpoint({ origin: 'o', size, root: new Uint8Array(32).fill(7) });
      const again = parseCheckpoint(text);
      expect(again.ok && again.value.size).toBe(size);
      expect(again.ok && formatCheckpoint(again.value)).toBe(text);
    }
    expect(() => formatCheckpoint({ origin: 'a b', size: 0, root: new Uint8Array(32) })).toThrow('key name');
    expect(() => formatCheckpoint({ origin: 'o', size: -1, root: new Uint8Array(32) })).toThrow('size -1');
    expect(() => formatCheckpoint({ origin: 'o', size: 0, root: new Uint8Array(31) })).toThrow('root of 31');
  });
});

describe('a log and its witnesses', () => {
  const log = new TestLog().append(utf8('a'), utf8('b'), utf8('c'));
  const witness = new TestWitness('store.example/w1');
  const receipt = witness.cosign(log.note(), 1_700_000_000);

  test('a note of the log verifies, with and without cosignatures', () => {
    for (const note of [log.note(), receipt]) {
      const verified = verifyLogNote(crypto, formatNote(note), log.vkey);
      expect(verified).toMatchObject({ ok: true, value: { checkpoint: { origin: log.origin, size: 3 } } });
    }
  });

  test('each refusal of a note has its reason', () => {
    const other = new TestLog('other');
    const checkpoint = log.checkpoint();
    const bad = log.note(2).signatures[0];
    if (bad === undefined) throw new Error('no signature');
    const note = log.note();
    const refusal = (bytes: Uint8Array, vkey = log.vkey): string => {
      const verified = verifyLogNote(crypto, bytes, vkey);
      return verified.ok ? 'accepted' : verified.reason;
    };
    expect(refusal(utf8('nothing'))).toBe('note');
    expect(refusal(utf8(GO_NOTE))).toBe('checkpoint');
    expect(refusal(formatNote(other.append(utf8('a')).note()))).toBe('origin');
    expect(refusal(formatNote({ text: formatCheckpoint(checkpoint), signatures: [witness.line(note.text, 1)] }))).toBe(
      'unsigned',
    );
    expect(refusal(formatNote({ text: note.text, signatures: [bad] }))).toBe('signature');
    // A line of the known key that fails makes the whole note fail, also beside one that verifies.
    expect(refusal(formatNote({ text: note.text, signatures: [...note.signatures, bad] }))).toBe('signature');
    // A witness's key is no log's key, even under the log's name.
    const posing = witnessVkey(crypto, log.origin, log.key.publicKey);
    expect(refusal(formatNote(note), posing)).toBe('unsigned');
    expect(refusal(formatNote(note))).toBe('accepted');
  });

  test('no bit of a note can change', () => {
    const bytes = formatNote(log.note());
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const changed = new Uint8Array(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(verifyLogNote(crypto, changed, log.vkey).ok).toBe(false);
      }
    }
  });

  test('a cosignature verifies over its time and its checkpoint, and over nothing else', () => {
    expect(verifyCosignature(crypto, receipt, witness.vkey)).toEqual({
      ok: true,
      value: { timestampS: 1_700_000_000 },
    });
    expect(verifyCosignature(crypto, log.note(), witness.vkey)).toMatchObject({ ok: false, reason: 'unsigned' });
    const moved = { ...log.note(2), signatures: receipt.signatures };
    expect(verifyCosignature(crypto, moved, witness.vkey)).toMatchObject({ ok: false, reason: 'signature' });
    const line = receipt.signatures[1];
    if (line === undefined) throw new Error('no cosignature');
    const later = new Uint8Array(line.signature);
    later[7] = (later[7] ?? 0) + 1;
    for (const signature of [later, line.signature.subarray(0, 71), concatBytes(new Uint8Array(8).fill(255), later)]) {
      const note = { text: receipt.text, signatures: [{ ...line, signature }] };
      expect(verifyCosignature(crypto, note, witness.vkey)).toMatchObject({ ok: false, reason: 'signature' });
    }
    const beyond = { ...line, signature: concatBytes(new Uint8Array(8).fill(255), line.signature.subarray(8)) };
    expect(verifyCosignature(crypto, { text: receipt.text, signatures: [beyond] }, witness.vkey)).toMatchObject({
      detail: 'the time is beyond 2^53 - 1 seconds',
    });
    // A log's signature is no cosignature, even if its key is asked as a witness of the same name.
    expect(verifyCosignature(crypto, log.note(), log.vkey)).toMatchObject({ ok: false, reason: 'unsigned' });
  });

  test('of two cosignatures of one witness the newer time counts, and both must verify', () => {
    const twice = {
      text: receipt.text,
      signatures: [...receipt.signatures, witness.line(receipt.text, 1_700_000_009)],
    };
    expect(verifyCosignature(crypto, twice, witness.vkey)).toEqual({ ok: true, value: { timestampS: 1_700_000_009 } });
    const forged = { ...witness.line('x\n', 5) };
    const both = { text: receipt.text, signatures: [...receipt.signatures, forged] };
    expect(verifyCosignature(crypto, both, witness.vkey)).toMatchObject({ ok: false, reason: 'signature' });
  });

  test('one key has another id as a log and as a witness', () => {
    const key = new TestKey(seedOf('one key'));
    const asLog = logVkey(crypto, 'name', key.publicKey);
    const asWitness = witnessVkey(crypto, 'name', key.publicKey);
    expect(equalBytes(asLog.keyId, asWitness.keyId)).toBe(false);
    expect(vkeyOf(formatVkey(asWitness))).toEqual(asWitness);
    expect(() => logVkey(crypto, 'a b', key.publicKey)).toThrow('key name');
  });
});

describe('origins', () => {
  test('an origin is made of domain, gateway, number and the tag of its key', () => {
    const key = new TestKey(seedOf('origin'));
    const text = originFor(crypto, 'lockers.example', 'gw-0001', 12, key.publicKey);
    expect(text).toBe(`lockers.example/gw-0001/12-${tagOf(crypto, key.publicKey)}`);
    expect(parseOrigin(text)).toEqual({
      ok: true,
      value: { domain: 'lockers.example', gateway: 'gw-0001', number: 12, tag: tagOf(crypto, key.publicKey) },
    });
  });

  test('the tag of the public key of RFC 8032 test 1 is the one that OpenSSL computes', () => {
    // printf d75a98...07511a | xxd -r -p | openssl dgst -sha256
    const publicKey = unbase64('11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=') ?? utf8('');
    expect(tagOf(crypto, publicKey)).toBe('21fe31df');
  });

  test.each([
    '',
    'lockers.example/gw-0001/1-9f2c01a',
    'lockers.example/gw-0001/1-9F2C01AA',
    'lockers.example/gw-0001/01-9f2c01aa',
    'lockers.example/gw-0001/0-9f2c01aa',
    'lockers.example/gw-0001/99999999999999999-9f2c01aa',
    'lockers.example/GW/1-9f2c01aa',
    'lockers.example//1-9f2c01aa',
    'Lockers.example/gw/1-9f2c01aa',
    '.example/gw/1-9f2c01aa',
    '-a.example/gw/1-9f2c01aa',
    'a..example/gw/1-9f2c01aa',
    'a/b/gw/1-9f2c01aa',
    `${'a'.repeat(107)}/gw/1-9f2c01aa`,
    `a.example/${'g'.repeat(65)}/1-9f2c01aa`,
  ])('refuses %j', (text) => {
    expect(parseOrigin(text)).toMatchObject({ ok: false, reason: 'origin' });
  });

  test('an origin that cannot be parsed is never written', () => {
    expect(() => formatOrigin({ domain: 'x y', gateway: 'gw', number: 1, tag: '9f2c01aa' })).toThrow('no origin');
    expect(parseOrigin(`${'a'.repeat(106)}/gw/1-9f2c01aa`).ok).toBe(true);
  });
});

test(
  'mutated notes are refused or read as themselves, none throws',
  () => {
    const log = new TestLog().append(utf8('a'));
    const inputs = [utf8(GO_NOTE), utf8(C2SP_NOTE), formatNote(new TestWitness('w').cosign(log.note(), 5))];
    const random = new Random(11);
    const seen = { accepted: 0, refused: 0, verified: 0 };
    fuzz((i) => {
      const input = inputs[i % inputs.length] ?? utf8('');
      const changed = mutate(random, input, inputs);
      const note = parseNote(changed);
      if (!note.ok) {
        seen.refused += 1;
        return;
      }
      seen.accepted += 1;
      // What is accepted has one spelling: writing it again gives the same bytes.
      if (!equalBytes(formatNote(note.value), changed)) throw new Error(`two spellings of ${noteText(note.value)}`);
      const verified = verifyLogNote(crypto, changed, log.vkey);
      if (verified.ok) seen.verified += 1;
      parseCheckpoint(note.value.text);
    });
    expect(seen.accepted).toBeGreaterThan(FUZZ_RUNS / 100);
    expect(seen.refused).toBeGreaterThan(FUZZ_RUNS / 2);
    expect(seen.verified).toBeGreaterThan(0);
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'mutated origins and verifier keys are refused or read as themselves',
  () => {
    const log = new TestLog();
    const inputs = [utf8(log.origin), utf8(formatVkey(log.vkey)), utf8(GO_VKEY)];
    const random = new Random(12);
    const seen = { origin: 0, vkey: 0, refused: 0 };
    fuzz((i) => {
      const text = utf8Text(mutate(random, inputs[i % 3] ?? utf8(''), inputs)) ?? '\ufffd';
      const origin = parseOrigin(text);
      const vkey = parseVkey(text);
      if (origin.ok && formatOrigin(origin.value) === text) seen.origin += 1;
      else if (vkey.ok && formatVkey(vkey.value) === text) seen.vkey += 1;
      else if (!origin.ok && !vkey.ok) seen.refused += 1;
      else throw new Error(`two spellings of ${text}`);
    });
    expect(Math.min(seen.origin, seen.vkey, seen.refused)).toBeGreaterThan(FUZZ_RUNS / 40);
  },
  FUZZ_TIMEOUT_MS,
);
