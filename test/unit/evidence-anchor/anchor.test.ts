import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { concatBytes, hex, unhex } from '../../../src/base/bytes.ts';
import {
  anchorExtraData,
  anchorKeyId,
  anchorLine,
  verifyAnchorLine,
  verifyAnchors,
} from '../../../src/evidence/anchor/anchor.ts';
import { attestationKey } from '../../../src/evidence/anchor/attestation-key.ts';
import { ANCHOR_REASONS } from '../../../src/evidence/anchor/reasons.ts';
import type { SignedAttest } from '../../../src/evidence/anchor/signed-attest.ts';
import { startStatement, statementDigest, verifyStatement } from '../../../src/evidence/anchor/statement.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { formatNote, type NoteSignature, parseNote } from '../../../src/evidence/log/note.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { type Attest, formatAttest } from '../../../src/tpm2/attest.ts';
import { parseEcdsaSignature } from '../../../src/tpm2/signature.ts';
import { FUZZ_TIMEOUT_MS, mutate, Random } from '../../support/mutate.ts';
import { fill } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';

interface Vectors {
  readonly checkpoint_text: string;
  readonly ak: { readonly spki: string; readonly name: string; readonly qualified_name: string };
  readonly counter: { readonly name: string };
  readonly attested: Readonly<Record<string, { readonly attest: string; readonly signature: string }>>;
}
/** By swtpm and tpm2-tools. */
const vectors: Vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../vectors/tpm-attestations.json'), 'utf8'),
);

function bytes(text: string): Uint8Array {
  const value = unhex(text);
  if (value === undefined) throw new Error(`not hex: ${text}`);
  return value;
}

function vectorOf(name: string): SignedAttest {
  const { attest = '', signature = '' } = vectors.attested[name] ?? {};
  const p1363 = parseEcdsaSignature(bytes(signature));
  if (!p1363.ok) throw new Error(p1363.detail);
  return { attest: bytes(attest), signature: p1363.value };
}

const log = fill(new TestLog('anchored'), 12);
const tpm = new TestTpm();
tpm.counter = 41;
const text = formatCheckpoint(log.checkpoint());
const reached = new Set<string>();

function reason(line: NoteSignature, checkpointText = text, trust = tpm.trust): string {
  const answers = [nodeCrypto, portableCrypto()].map((crypto) => {
    const given = verifyAnchorLine(crypto, checkpointText, line, trust);
    return given.ok ? 'anchored' : given.reason;
  });
  expect(answers[1]).toBe(answers[0]);
  reached.add(answers[0] ?? '');
  return answers[0] ?? '';
}

const edited = (edit: Partial<Attest>): NoteSignature => tpm.line(text, (attest) => ({ ...attest, ...edit }));
const lineOf = (signed: SignedAttest): NoteSignature => anchorLine(nodeCrypto, log.origin, tpm.ak.spki, signed);

describe('what a real TPM certified', () => {
  const spki = bytes(vectors.ak.spki);
  const ak = attestationKey(nodeCrypto, spki);
  if (ak === undefined) throw new Error('an AK');
  const trust = { ak, counter: bytes(vectors.counter.name) };
  const origin = vectors.checkpoint_text.split('\n')[0] ?? '';

  test('the Names that follow from the key are those that tpm2_readpublic wrote', () => {
    expect(hex(ak.name)).toBe(vectors.ak.name);
    expect(hex(ak.qualifiedName)).toBe(vectors.ak.qualified_name);
    expect(attestationKey(nodeCrypto, spki.subarray(1))).toBeUndefined();
  });

  test('the counter’s Name is that of its written public area', () => {
    expect(hex(new TestTpm().counterName)).toBe(vectors.counter.name);
  });

  test('is an anchor, with its counter, clock and counts', () => {
    const line = anchorLine(nodeCrypto, origin, spki, vectorOf('nv'));
    expect(verifyAnchorLine(nodeCrypto, vectors.checkpoint_text, line, trust)).toEqual({
      ok: true,
      value: {
        counter: 3,
        clock: 42_438n,
        resetCount: 1,
        restartCount: 0,
        safe: true,
        firmwareVersion: 0x2019102300163636n,
      },
    });
    expect(line.signature).toHaveLength(2 + 149 + 64);
  });

  test('attestations of its other types are no anchors, although the same digest stands in them', () => {
    for (const name of ['quote', 'time', 'creation', 'certify']) {
      const line = anchorLine(nodeCrypto, origin, spki, vectorOf(name));
      expect(verifyAnchorLine(nodeCrypto, vectors.checkpoint_text, line, trust)).toMatchObject({ reason: 'type' });
    }
  });
});

describe('an anchor line', () => {
  test('made by the AK on the note verifies by both editions, with high and low s', () => {
    const note = tpm.mark(log.note());
    for (const crypto of [nodeCrypto, portableCrypto()]) {
      expect(verifyAnchors(crypto, note, tpm.trust)).toMatchObject({ ok: true, value: [{ counter: 41 }] });
      const again = parseNote(formatNote(note));
      expect(again.ok && verifyAnchors(crypto, again.value, tpm.trust)).toMatchObject({ ok: true });
    }
    expect(reason(tpm.line(text))).toBe('anchored');
  });

  test('key id and digest are those of the text of the format', () => {
    const id = nodeCrypto.sha256(
      Buffer.concat([Buffer.from(`${log.origin}\n\xfflatchkey/tpm2-nv-certify/v1`, 'latin1'), tpm.ak.spki]),
    );
    expect(hex(anchorKeyId(nodeCrypto, log.origin, tpm.ak.spki))).toBe(hex(id).slice(0, 8));
    const digest = nodeCrypto.sha256(Buffer.from(`latchkey/tpm2-nv-certify/v1\n${text}`));
    expect(anchorExtraData(nodeCrypto, text)).toEqual(digest);
  });

  test('an old anchor under a new note is of another checkpoint', () => {
    const old = tpm.line(formatCheckpoint(log.checkpoint(8)));
    expect(reason(old)).toBe('checkpoint');
    expect(reason(old, formatCheckpoint(log.checkpoint(8)))).toBe('anchored');
  });

  test('an anchor of another log has another key id, and with this one’s it is of another checkpoint', () => {
    const other = new TestLog('other', 'gw-0001', 2);
    const line = tpm.line(formatCheckpoint({ ...log.checkpoint(), origin: other.origin }));
    expect(reason(line)).toBe('key');
    expect(reason({ ...line, name: log.origin, keyId: tpm.line(text).keyId })).toBe('checkpoint');
  });

  test('another AK has another key id, another signer, and another signature', () => {
    const stranger = new TestTpm('a stranger’s');
    expect(reason(stranger.line(text))).toBe('key');
    const { keyId } = tpm.line(text);
    expect(reason({ ...stranger.line(text), keyId })).toBe('signer');
    const posing = stranger.line(text, (attest) => ({ ...attest, qualifiedSigner: tpm.ak.qualifiedName }));
    expect(reason({ ...posing, keyId })).toBe('signature');
    // The same key outside of the endorsement hierarchy: there the reset counts would be obfuscated.
    const owner = concatBytes(Uint8Array.of(0x40, 0, 0, 1), tpm.ak.name);
    const qualifiedSigner = concatBytes(Uint8Array.of(0, 0x0b), nodeCrypto.sha256(owner));
    expect(reason(edited({ qualifiedSigner }))).toBe('signer');
  });

  test('another counter, the counter before its first write, another offset and size are refused', () => {
    const other = new TestTpm('ak', 0x01800002);
    expect(hex(other.ak.spki)).toBe(hex(tpm.ak.spki));
    expect(reason(other.line(text))).toBe('counter');
    expect(reason(tpm.line(text), text, { ...tpm.trust, counter: other.counterName })).toBe('counter');
    const nv = tpm.nvBody();
    expect(reason(edited({ body: { ...nv, offset: 1 } as never }))).toBe('offset');
    for (const contents of [new Uint8Array(7), new Uint8Array(9), new Uint8Array(8).fill(0xff)]) {
      expect(reason(edited({ body: { ...nv, contents } as never }))).toBe('value');
    }
  });

  test('an attestation of another type, with another magic or a byte more is refused', () => {
    const pcrDigest = new Uint8Array(32);
    expect(reason(edited({ body: { kind: 'quote', selections: [], pcrDigest } }))).toBe('type');
    const sound = tpm.certify(text);
    const magic = Uint8Array.from(sound.attest);
    magic[0] = 0;
    expect(reason(lineOf(tpm.sign(magic)))).toBe('magic');
    expect(reason(lineOf(tpm.sign(concatBytes(sound.attest, Uint8Array.of(0)))))).toBe('structure');
    const line = lineOf(sound);
    expect(reason({ ...line, signature: line.signature.subarray(1) })).toBe('length');
    expect(reason({ ...line, signature: concatBytes(line.signature, Uint8Array.of(0)) })).toBe('length');
  });

  test('r and s stand in their range, and the signature verifies', () => {
    const sound = tpm.certify(text);
    for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(0xff)]) {
      expect(reason(lineOf({ ...sound, signature: concatBytes(bad, sound.signature.subarray(32)) }))).toBe('range');
      expect(reason(lineOf({ ...sound, signature: concatBytes(sound.signature.subarray(0, 32), bad) }))).toBe('range');
    }
    const one = new Uint8Array(64);
    one[31] = 1;
    one[63] = 1;
    expect(reason(lineOf({ ...sound, signature: one }))).toBe('signature');
  });

  test('no byte of it can change without a reason', () => {
    const line = tpm.line(text);
    for (let at = 0; at < line.signature.length; at += 1) {
      for (const bit of [1, 0x80]) {
        const signature = Uint8Array.from(line.signature);
        signature[at] = (signature[at] ?? 0) ^ bit;
        const given = verifyAnchorLine(nodeCrypto, text, { ...line, signature }, tpm.trust);
        expect(given.ok, `byte ${at}`).toBe(false);
        if (!given.ok) reached.add(given.reason);
      }
    }
  });

  test('mutations are refused by both editions alike', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const random = new Random(33);
    const line = tpm.line(text);
    const others = [line.signature, tpm.line(formatCheckpoint(log.checkpoint(5))).signature];
    for (let i = 0; i < 5_000; i += 1) {
      const signature = mutate(random, line.signature, others);
      if (hex(signature) === hex(line.signature)) continue;
      const given = reason({ ...line, signature });
      if (given === 'anchored') throw new Error(`anchored: ${hex(signature)}`);
    }
  });

  test('a note is refused for one bad line of the AK, and not for lines of strangers', () => {
    const stranger = new TestTpm('a stranger’s');
    const note = stranger.mark(tpm.mark(log.note()));
    expect(verifyAnchors(nodeCrypto, note, tpm.trust)).toMatchObject({ ok: true, value: [{ counter: 41 }] });
    const bad = { ...tpm.line(formatCheckpoint(log.checkpoint(5))) };
    const both = { text: note.text, signatures: [...note.signatures, bad] };
    expect(verifyAnchors(nodeCrypto, both, tpm.trust)).toMatchObject({ ok: false, reason: 'checkpoint' });
    expect(verifyAnchors(nodeCrypto, log.note(), tpm.trust)).toEqual({ ok: true, value: [] });
  });

  afterAll(() => {
    const all = Object.keys(ANCHOR_REASONS).filter((name) => name !== 'statement');
    expect([...reached].sort()).toEqual([...all, 'anchored'].sort());
  });
});

describe('a statement that the AK attested', () => {
  const statement = startStatement(log.origin, 3);
  const about = { kind: 'time', purpose: 'attested', statement } as const;
  const extraData = statementDigest(nodeCrypto, 'attested', statement);
  const { clock, resetCount, restartCount } = tpm;
  const clockInfo = { clock, resetCount, restartCount, safe: true };
  const attest = tpm.attest(extraData, { kind: 'time', time: 77n, clockInfo, firmwareVersion: 1n });

  test('verifies for its purpose, its kind and its words alone', () => {
    const signed = tpm.sign(formatAttest(attest));
    const told = (more: Partial<Parameters<typeof verifyStatement>[3]>, ak = tpm.ak): string => {
      const given = verifyStatement(nodeCrypto, signed, ak, { ...about, ...more });
      return given.ok ? given.value.body.kind : given.reason;
    };
    expect(told({})).toBe('time');
    expect(told({ kind: 'quote' })).toBe('type');
    expect(told({ purpose: 'enrol' })).toBe('statement');
    expect(told({ statement: startStatement(log.origin, 4) })).toBe('statement');
    expect(told({}, new TestTpm('other').ak)).toBe('signer');
    const forged = { ...signed, signature: tpm.sign(new Uint8Array(1)).signature };
    expect(verifyStatement(nodeCrypto, forged, tpm.ak, about)).toMatchObject({ reason: 'signature' });
  });

  test('its digest is that of prefix and canonical JSON', () => {
    const input = `latchkey/tpm2-attested/v1\n${canonicalJson({ boot: 3, log: log.origin, v: 1 })}`;
    expect(extraData).toEqual(nodeCrypto.sha256(Buffer.from(input)));
  });
});
