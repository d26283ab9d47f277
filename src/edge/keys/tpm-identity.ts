/**
 * What this box calls its own in its TPM, as `keys/tpm.json` pins it: the Names of SRK, AK, login key and anchor counter,
 * and the counter's first value. No secrets. A TPM in which they are not found is another TPM, or was cleared; nothing is
 * made anew without a person.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { hex, unhex, utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, writeFileDurably } from '../../platform/durable-file.ts';
import type { TpmCrypto } from '../../tpm2/crypto.ts';
import { nvName, parseNvPublic } from '../../tpm2/nv-public.ts';
import { type EccPublic, objectName, parsePublic, writePublic } from '../../tpm2/public.ts';
import { akTemplate, signerTemplate } from '../../tpm2/templates.ts';

/** TCG TPM v2.0 Provisioning Guidance, section 7.8: the SRK's place. The others lie in the range of the owner. */
export const SRK_HANDLE = 0x8100_0001;
export const AK_HANDLE = 0x8101_4c01;
export const LOGIN_HANDLE = 0x8101_4c02;
/** In the owner's range of NV indices. */
export const COUNTER_INDEX = 0x0180_4c01;

/** `unique` makes the primaries ours: the same TPM gives the same keys again, another purpose others. */
export const AK_TEMPLATE = akTemplate({ x: utf8('latchkey-ak-v1'), y: new Uint8Array(0) });
export const LOGIN_TEMPLATE = signerTemplate({ x: utf8('latchkey-login-v1'), y: new Uint8Array(0) });

const FILE_BYTES_MAX = 16_384;

export interface PinnedKey {
  readonly area: EccPublic;
  readonly name: Uint8Array;
}

export interface TpmIdentity {
  readonly srk: PinnedKey;
  readonly ak: PinnedKey;
  readonly login: PinnedKey;
  readonly counter: {
    readonly index: number;
    /** TPMS_NV_PUBLIC in its written form. */
    readonly publicArea: Uint8Array;
    readonly name: Uint8Array;
    /** Its value when it was defined: no anchor has it. */
    readonly first: number;
  };
}

const hexBytes = z
  .string()
  .regex(/^(?:[0-9a-f]{2}){1,1024}$/)
  .transform((text) => unhex(text) ?? new Uint8Array(0));

const fileSchema = z.strictObject({
  v: z.literal(1),
  srk: hexBytes,
  ak: hexBytes,
  login: hexBytes,
  counter: z.strictObject({ public: hexBytes, first: z.int().min(0) }),
});

/** Undefined when the box was never provisioned. Throws KEY_PERMISSIONS or KEY_LOCKED when the file cannot be used. */
export function readIdentity(path: string, crypto: TpmCrypto): TpmIdentity | undefined {
  let text: string;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX) throw broken(path, `it has ${bytes.length} bytes`);
    text = bytes.toString('utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('KEY_LOCKED', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw broken(path, 'it is no JSON');
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) throw broken(path, z.prettifyError(parsed.error));
  const { srk, ak, login, counter } = parsed.data;
  const area = parseNvPublic(counter.public);
  if (!area.ok) throw broken(path, area.detail);
  return {
    srk: pinned(path, crypto, srk),
    ak: pinned(path, crypto, ak),
    login: pinned(path, crypto, login),
    counter: {
      index: area.value.index,
      publicArea: counter.public,
      name: nvName(crypto, area.value),
      first: counter.first,
    },
  };
}

/** Durable when it resolves. */
export async function writeIdentity(path: string, identity: TpmIdentity): Promise<void> {
  const { srk, ak, login, counter } = identity;
  const of = ({ area }: PinnedKey): string => hex(writePublic(area));
  const file = {
    v: 1,
    srk: of(srk),
    ak: of(ak),
    login: of(login),
    counter: { public: hex(counter.publicArea), first: counter.first },
  };
  await writeFileDurably(path, utf8(`${JSON.stringify(file, undefined, 2)}\n`));
}

function pinned(path: string, crypto: TpmCrypto, bytes: Uint8Array): PinnedKey {
  const area = parsePublic(bytes);
  if (!area.ok) throw broken(path, area.detail);
  if (area.value.type !== 'ecc') throw broken(path, 'a key in it is no ECC key');
  return { area: area.value, name: objectName(crypto, area.value) };
}

function broken(path: string, found: string): LatchkeyError {
  const expected = 'expected the Names of this box in its TPM, as "latchkey enroll" wrote them';
  return new LatchkeyError('KEY_LOCKED', `${path}: ${expected}; found: ${found}`);
}
