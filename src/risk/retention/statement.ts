/**
 * What was erased, signed: how much of what, who asked and why, and digests before and after. It names nobody: the subject
 * is a commitment, whose salt is given to whoever asked and kept nowhere.
 */
import { join } from 'node:path';
import { base64url, hex, utf8 } from '../../base/bytes.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import { pae } from '../../evidence/batch/pae.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { JsonObject } from '../../evidence/event/event.ts';
import { canonicalJson } from '../../evidence/event/json.ts';
import { logVkey, type Vkey } from '../../evidence/log/note.ts';
import { formatEnvelope, parseEnvelopeText } from '../../evidence/wire/envelope.ts';
import { openNamedKey } from '../../platform/named-key-file.ts';

export const ERASURE_TYPE = 'application/vnd.latchkey.erasure.v1+json';

export interface Statement {
  readonly v: 1;
  readonly id: string;
  readonly kind: 'erasure' | 'retention';
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  readonly tenant: string;
  readonly region: string;
  readonly counts: Readonly<Record<string, number>>;
  /** SHA-256 over origin, size and root of every log: the same before and after. */
  readonly logs: { readonly before: string; readonly after: string };
  /** base64url of SHA-256(salt || reference); of an erasure. */
  readonly subject?: string;
  /** HMAC-SHA-256 under the salt over the rows that were changed, as they were and as they are; of an erasure. */
  readonly rows?: { readonly before: string; readonly after: string };
  /** Bodies before this time went; of retention. */
  readonly before?: string;
}

export interface StatementKey {
  readonly vkey: Vkey;
  sign(statement: Statement): string;
}

/** Made when the file is not there. Rejects with KEY_PERMISSIONS, KEY_LOST, CONFIG_INVALID or STORE_IO. */
export async function openStatementKey(crypto: EvidenceCrypto, path: string, name: string): Promise<StatementKey> {
  const { publicKey, sign } = await openNamedKey({ path, name, kind: 'erasure' });
  const vkey = logVkey(crypto, name, publicKey);
  return {
    vkey,
    sign: (statement) => {
      const payload = utf8(canonicalJson(statement as unknown as JsonObject));
      const sig = sign(pae(ERASURE_TYPE, payload));
      return formatEnvelope({ payloadType: ERASURE_TYPE, payload, signatures: [{ keyid: hex(vkey.keyId), sig }] });
    },
  };
}

/** That of a service, and of commands on its data directory. Rejects as `openStatementKey`. */
export function openErasureKey(
  crypto: EvidenceCrypto,
  dataDir: string,
  { tenant, region }: { readonly tenant: string; readonly region: string },
): Promise<StatementKey> {
  return openStatementKey(crypto, join(dataDir, 'keys', 'erasure.key'), `${tenant}/${region}/erasures`);
}

/** The statement, when this key signed it. */
export function openStatement(
  crypto: EvidenceCrypto,
  vkey: Vkey,
  text: string,
): Result<Statement, 'envelope' | 'signature'> {
  const envelope = parseEnvelopeText(text);
  if (!envelope.ok) return envelope;
  const { payloadType, payload, signatures } = envelope.value;
  const message = pae(payloadType, payload);
  const signed = signatures.some(
    ({ keyid, sig }) => keyid === hex(vkey.keyId) && crypto.verifyEd25519(vkey.publicKey, message, sig),
  );
  if (payloadType !== ERASURE_TYPE || !signed) return refuse('signature', 'not a statement that this key signed');
  return accept(JSON.parse(Buffer.from(payload).toString()) as Statement);
}

/** What proves to the person that the statement is about this reference, and tells nobody else. */
export function commitment(crypto: EvidenceCrypto, salt: Uint8Array, reference: string): string {
  return base64url(crypto.sha256(Uint8Array.from([...salt, ...utf8(reference)])));
}
