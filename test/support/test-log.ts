/**
 * A log in memory with a fixed key, for tests: the shortest way to valid notes, receipts, batches and exports.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { utf8, utf8Text } from '../../src/base/bytes.ts';
import { BATCH_TYPE, batchPayload, finishBatch } from '../../src/evidence/batch/batch.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import { type Checkpoint, formatCheckpoint } from '../../src/evidence/log/checkpoint.ts';
import { cosignature, cosignatureMessage } from '../../src/evidence/log/cosignature.ts';
import {
  formatNote,
  logVkey,
  type Note,
  type NoteSignature,
  signedNote,
  type Vkey,
  witnessVkey,
} from '../../src/evidence/log/note.ts';
import { originFor } from '../../src/evidence/log/origin.ts';
import { type Frontier, leafHash, TreeBuilder } from '../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';

/** An Ed25519 key from its 32-byte seed (RFC 8410 section 7). */
export class TestKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;

  constructor(seed: Uint8Array) {
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    this.privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.privateKey).export({ format: 'der', type: 'spki' });
    this.publicKey = new Uint8Array(spki.subarray(-32));
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.privateKey));
  }
}

export function seedOf(text: string): Uint8Array {
  return nodeCrypto.sha256(utf8(text));
}

export class TestWitness {
  readonly key: TestKey;
  readonly vkey: Vkey;

  constructor(name: string) {
    this.key = new TestKey(seedOf(`witness ${name}`));
    this.vkey = witnessVkey(nodeCrypto, name, this.key.publicKey);
  }

  line(checkpointText: string, timestampS: number): NoteSignature {
    return cosignature(this.vkey, timestampS, this.key.sign(cosignatureMessage(checkpointText, timestampS)));
  }

  cosign(note: Note, timestampS: number): Note {
    return { text: note.text, signatures: [...note.signatures, this.line(note.text, timestampS)] };
  }
}

export interface BatchOptions {
  readonly left?: boolean;
  readonly size?: number;
  /** The empty signature form. */
  readonly unsigned?: boolean;
  readonly witnesses?: readonly TestWitness[];
}

export class TestLog {
  readonly key: TestKey;
  readonly origin: string;
  readonly vkey: Vkey;
  readonly leaves: Uint8Array[] = [];
  readonly leafHashes: Uint8Array[] = [];

  constructor(seed = 'log', gateway = 'gw-0001', number = 1) {
    this.key = new TestKey(seedOf(seed));
    this.origin = originFor(nodeCrypto, 'lockers.example', gateway, number, this.key.publicKey);
    this.vkey = logVkey(nodeCrypto, this.origin, this.key.publicKey);
  }

  get size(): number {
    return this.leaves.length;
  }

  append(...leaves: readonly Uint8Array[]): this {
    for (const leaf of leaves) {
      this.leaves.push(leaf);
      this.leafHashes.push(leafHash(nodeCrypto, leaf));
    }
    return this;
  }

  frontier(size = this.size): Frontier {
    const tree = new TreeBuilder(nodeCrypto);
    for (const hash of this.leafHashes.slice(0, size)) tree.push(hash);
    return tree.frontier();
  }

  checkpoint(size = this.size): Checkpoint {
    return { origin: this.origin, size, root: new TreeBuilder(nodeCrypto, this.frontier(size)).root() };
  }

  sign(checkpoint: Checkpoint): Note {
    return signedNote(checkpoint, this.vkey, this.key.sign(utf8(formatCheckpoint(checkpoint))));
  }

  note(size = this.size): Note {
    return this.sign(this.checkpoint(size));
  }

  /** A batch of [first, end) with the note at `end`. */
  batch(first: number, end = this.size, options: BatchOptions = {}): Uint8Array {
    let note = this.note(end);
    for (const witness of options.witnesses ?? []) note = witness.cosign(note, 1_700_000_000);
    const payload = batchPayload(
      {
        origin: this.origin,
        first,
        count: end - first,
        size: options.size ?? end,
        note: noteText(note),
        ...(options.left === true && { left: this.frontier(first).roots }),
      },
      this.leaves.slice(first, end),
    );
    return options.unsigned === true ? finishBatch(payload, undefined) : this.finish(payload);
  }

  /** Signs any payload as a batch: for headers that `batchPayload` would not write. */
  finish(payload: Uint8Array): Uint8Array {
    return finishBatch(payload, { keyId: this.vkey.keyId, signature: this.key.sign(pae(BATCH_TYPE, payload)) });
  }

  /** Consecutive batches of at most `each` entries. */
  export(each: number, from = 0): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let first = from; first < this.size; first += each) {
      const left = first === from && from > 0;
      parts.push(this.batch(first, Math.min(first + each, this.size), { left, size: this.size }));
    }
    return new Uint8Array(Buffer.concat(parts));
  }
}

export function noteText(note: Note): string {
  return utf8Text(formatNote(note)) ?? '';
}
