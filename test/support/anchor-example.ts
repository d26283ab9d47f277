/**
 * The worked anchor of FORMAT.md: a fixed AK, the example log's checkpoint at size 5, and every hash on the way.
 */
import { concatBytes, hex, utf8 } from '../../src/base/bytes.ts';
import { ANCHOR_IDENTIFIER, anchorExtraData, anchorKeyId, anchorLine } from '../../src/evidence/anchor/anchor.ts';
import type { SignedAttest } from '../../src/evidence/anchor/signed-attest.ts';
import { formatCheckpoint } from '../../src/evidence/log/checkpoint.ts';
import { formatSignatureLine } from '../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { counterNvPublic, writeNvPublic, writtenNvPublic } from '../../src/tpm2/nv-public.ts';
import { writePublic } from '../../src/tpm2/public.ts';
import { akTemplate } from '../../src/tpm2/templates.ts';
import type { TestLog } from './test-log.ts';
import { TEST_COUNTER_INDEX, TestTpm } from './test-tpm.ts';

/** Secret 60 61 62 ... 7f; the counter stands at 3. */
export function exampleTpm(): TestTpm {
  const tpm = new TestTpm(Uint8Array.from({ length: 32 }, (_, i) => 0x60 + i));
  tpm.counter = 3;
  tpm.clock = 86_400_123n;
  return tpm;
}

export interface ExampleAnchor {
  readonly tpm: TestTpm;
  readonly text: string;
  readonly signed: SignedAttest;
}

export function exampleAnchor(log: TestLog): ExampleAnchor {
  const tpm = exampleTpm();
  const text = formatCheckpoint(log.checkpoint(5));
  return { tpm, text, signed: tpm.certify(text) };
}

/** Lines of the example, without fences: keys and Names; the attestation; the line. */
export function anchorExampleLines(log: TestLog): readonly (readonly string[])[] {
  const { tpm, text, signed } = exampleAnchor(log);
  const { spki, name, qualifiedName } = tpm.ak;
  const publicArea = writePublic(akTemplate({ x: spki.slice(27, 59), y: spki.slice(59) }));
  const counterArea = writeNvPublic(writtenNvPublic(counterNvPublic(TEST_COUNTER_INDEX)));
  const keyIdInput = concatBytes(utf8(log.origin), Uint8Array.of(0x0a, 0xff), utf8(ANCHOR_IDENTIFIER), spki);
  const line = anchorLine(nodeCrypto, log.origin, spki, signed);
  return [
    [
      `AK secret        ${hex(tpm.secret)}`,
      `AK               ${hex(spki)}`,
      `AK public area   ${hex(publicArea)}`,
      `AK Name          ${hex(name)}`,
      `QN input         4000000b${hex(name)}`,
      `qualifiedSigner  ${hex(qualifiedName)}`,
      `counter area     ${hex(counterArea)}`,
      `counter Name     ${hex(tpm.counterName)}`,
      `extraData input  ${hex(utf8(`${ANCHOR_IDENTIFIER}\n${text}`))}`,
      `extraData        ${hex(anchorExtraData(nodeCrypto, text))}`,
      `anchor id input  ${hex(keyIdInput)}`,
      `anchor key id    ${hex(anchorKeyId(nodeCrypto, log.origin, spki))}`,
    ],
    [
      `attestation      ${hex(signed.attest)}`,
      `its SHA-256      ${hex(nodeCrypto.sha256(signed.attest))}`,
      `r                ${hex(signed.signature.subarray(0, 32))}`,
      `s                ${hex(signed.signature.subarray(32))}`,
    ],
    [formatSignatureLine(line)],
  ];
}
