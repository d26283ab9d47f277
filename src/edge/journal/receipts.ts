/**
 * Whether bytes are a receipt of one of our logs (FORMAT.md section 6): our own note with a cosignature of a key that
 * the configuration names. Forged, foreign, older and other logs' receipts end here.
 */
import { hex } from '../../base/bytes.ts';
import { type Accepted, accept, type Refused, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { verifyCosignature } from '../../evidence/log/cosignature.ts';
import { type Vkey, verifyLogNote } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { logName } from '../../evidence/wire/topics.ts';
import type { TreeHead } from './continuity.ts';

export type ReceiptRefusal =
  /** Its name is not `receipt/<number>-<tag>/<key id>` of this log. */
  | 'name'
  | 'log'
  /** Not a note of this log with its own sound signature. */
  | 'note'
  /** The name's key is not one of the configured ones. */
  | 'key'
  | 'cosignature';

export interface Receipt {
  readonly keyId: string;
  readonly role: 'store' | 'advisory';
  readonly head: TreeHead;
}

export type JudgedReceipt =
  | Accepted<Receipt>
  /** `head` when our own signature on the note is sound: it prunes nothing, but it can contradict the disk. */
  | (Refused<ReceiptRefusal> & { readonly head?: TreeHead });

export function judgeReceipt(
  crypto: EvidenceCrypto,
  name: string,
  payload: Uint8Array,
  vkey: Vkey,
  keys: readonly { readonly vkey: Vkey; readonly role: 'store' | 'advisory' }[],
): JudgedReceipt {
  const [, logPart, keyId] = /^receipt\/([^/]+)\/([0-9a-f]{8})$/.exec(name) ?? [];
  const origin = parseOrigin(vkey.name);
  if (keyId === undefined || !origin.ok || logName(origin.value) !== logPart) {
    return refuse('name', 'expected receipt/<number>-<tag>/<key id> of this log');
  }
  const verified = verifyLogNote(crypto, payload, vkey);
  if (!verified.ok) return refuse('note', verified.detail);
  const { size, root } = verified.value.checkpoint;
  const head = { size, root };
  const key = keys.find((each) => hex(each.vkey.keyId) === keyId);
  if (key === undefined) return { ...refuse('key', `no receipt key ${keyId} is configured`), head };
  const cosigned = verifyCosignature(crypto, verified.value.note, key.vkey);
  if (!cosigned.ok) return { ...refuse('cosignature', cosigned.detail), head };
  return accept({ keyId, role: key.role, head });
}
