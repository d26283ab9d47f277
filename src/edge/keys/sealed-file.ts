/**
 * A log key that a TPM sealed, as a file: `<number>-<tag>.sealed`, mode 0600, complete under its name or not there. It
 * holds no secret: only the TPM that made it, in an approved state, gives the seed.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { base64, unbase64, utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, writeFileDurably } from '../../platform/durable-file.ts';
import type { Ticket } from '../../tpm2/ticket.ts';

const FILE_BYTES_MAX = 16_384;
const PART_BYTES_MAX = 2_048;

export interface SealedBlob {
  /** TPM2B_PRIVATE's and TPM2B_PUBLIC's content. */
  readonly privateBlob: Uint8Array;
  readonly publicArea: Uint8Array;
}

export interface SealedKey extends SealedBlob {
  readonly origin: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** For CertifyCreation: creation data, and the TPM's ticket about it. */
  readonly creationData: Uint8Array;
  readonly ticket: Ticket;
}

const bytes = z
  .string()
  .max(Math.ceil(PART_BYTES_MAX / 3) * 4)
  .transform((text, context) => {
    const found = unbase64(text);
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: 'expected base64' });
    return z.NEVER;
  });

const fileSchema = z.strictObject({
  v: z.literal(1),
  origin: z.string().max(120),
  public_key: bytes.refine((key) => key.length === 32, 'expected 32 bytes'),
  private: bytes,
  public: bytes,
  creation: bytes,
  ticket: z.strictObject({ tag: z.int(), hierarchy: z.int(), digest: bytes }),
});

export async function writeSealedFile(path: string, key: SealedKey): Promise<void> {
  const { tag, hierarchy, digest } = key.ticket;
  const file = {
    v: 1,
    origin: key.origin,
    public_key: base64(key.publicKey),
    private: base64(key.privateBlob),
    public: base64(key.publicArea),
    creation: base64(key.creationData),
    ticket: { tag, hierarchy, digest: base64(digest) },
  };
  await writeFileDurably(path, utf8(`${JSON.stringify(file, undefined, 2)}\n`));
}

/** Throws KEY_LOST when it is not there or is none, KEY_LOCKED when it cannot be read for another reason. */
export function readSealedFile(path: string): SealedKey {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) throw new LatchkeyError('KEY_LOST', `${path} is not there`, { cause: error });
    throw new LatchkeyError('KEY_LOCKED', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const parsed = text.length > FILE_BYTES_MAX ? undefined : fileSchema.safeParse(jsonOf(text));
  if (parsed?.success !== true) {
    throw new LatchkeyError('KEY_LOST', `${path} should hold a sealed log key and does not`);
  }
  const { origin, public_key, creation, ticket } = parsed.data;
  const { private: privateBlob, public: publicArea } = parsed.data;
  return { origin, publicKey: public_key, privateBlob, publicArea, creationData: creation, ticket };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
