/** TPM2_PCR_Read, TPM2_PCR_Extend (TPM 2.0 Library, Part 3, section 22). */
import { assert } from '../../../base/assert.ts';
import { LatchkeyError } from '../../../base/errors.ts';
import { type HashAlg, hashSizeBytes } from '../../../tpm2/algorithms.ts';
import { type PcrSelection, readPcrSelections, writePcrSelections } from '../../../tpm2/pcr.ts';
import { TpmWriter } from '../../../tpm2/wire.ts';
import { permanent } from '../entity.ts';
import type { Tpm } from '../unit.ts';

/** TPML_DIGEST holds eight: one answer may give no more. */
const DIGESTS_MAX = 8;
/** Beginnings, when somebody extends a PCR between two answers. */
const TRIES_MAX = 10;

/** Values of one bank's PCRs, in rising order of the PCRs. Rejects with TPM_BUSY when they change again and again. */
export async function PCR_Read(tpm: Tpm, selection: PcrSelection): Promise<readonly Uint8Array[]> {
  const values: Uint8Array[] = [];
  const wanted = [...selection.pcrs].sort((a, b) => a - b);
  let counter: number | undefined;
  let tries = 1;
  for (let at = 0; at < wanted.length; ) {
    const pcrs = wanted.slice(at, at + DIGESTS_MAX);
    const found = await readSome(tpm, { hashAlg: selection.hashAlg, pcrs });
    const given = found.selections?.[0]?.pcrs ?? [];
    const sound = given.length > 0 && given.every((pcr, i) => pcr === pcrs[i]) && given.length === found.values.length;
    const size = hashSizeBytes(selection.hashAlg);
    if (!sound || found.values.some((value) => value.length !== size)) {
      tpm.distrust('response_fields', 'PCR_Read gave other PCRs than it was asked for, or none: is the bank in use?');
    }
    if (counter !== undefined && counter !== found.counter) {
      // Somebody extended a PCR in between: begin again, so that all values are of one moment.
      if (tries === TRIES_MAX) throw new LatchkeyError('TPM_BUSY', 'PCR_Read: the PCRs change while they are read');
      tries += 1;
      values.length = 0;
      at = 0;
      counter = undefined;
      continue;
    }
    counter = found.counter;
    values.push(...found.values);
    at += given.length;
  }
  return values;
}

async function readSome(tpm: Tpm, selection: PcrSelection) {
  const parameters = writePcrSelections(new TpmWriter(), [selection]).bytes();
  const answer = await tpm.call({ command: 'PCR_Read', parameters });
  return tpm.read('PCR_Read', answer.parameters, (reader) => {
    const counter = reader.u32();
    const selections = readPcrSelections(reader);
    const values: Uint8Array[] = [];
    for (let n = Math.min(reader.u32(), DIGESTS_MAX); n > 0; n -= 1) values.push(reader.sized(64));
    return { counter, selections, values };
  });
}

export async function PCR_Extend(
  tpm: Tpm,
  pcr: number,
  digests: readonly { readonly hashAlg: HashAlg; readonly digest: Uint8Array }[],
): Promise<void> {
  const writer = new TpmWriter().u32(digests.length);
  for (const { hashAlg, digest } of digests) {
    assert(digest.length === hashSizeBytes(hashAlg), 'a PCR is extended by a digest of its bank');
    writer.u16(hashAlg).raw(digest);
  }
  await tpm.call({ command: 'PCR_Extend', handles: [permanent(pcr)], parameters: writer.bytes() });
}
