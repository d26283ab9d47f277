/**
 * The other end, written naively from FORMAT.md and without the product's evidence code: SHA-256 and Ed25519 of
 * node:crypto, the RFC 6962 tree by its recursive definition, lines cut with `split`.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const leafHashOf = (leaf: string): Buffer => sha256(Buffer.of(0), Buffer.from(leaf));

/** MTH of RFC 6962 section 2.1. */
export function naiveRoot(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0] as Buffer;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return sha256(Buffer.of(1), naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

function publicKeyOf(raw: Uint8Array): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') },
    format: 'jwk',
  });
}

export interface NaiveNote {
  readonly text: string;
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly signatures: readonly { readonly name: string; readonly bytes: Buffer }[];
}

export function readNote(note: string): NaiveNote {
  const [text = '', lines = ''] = note.split('\n\n');
  const [origin = '', size = '', root = ''] = text.split('\n');
  const signatures = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, name = '', base64 = ''] = line.split(' ');
      return { name, bytes: Buffer.from(base64, 'base64') };
    });
  return { text: `${text}\n`, origin, size: Number(size), root, signatures };
}

/** Whether the log's own line (4 bytes of key id, then the signature) verifies. */
export function isSigned(note: NaiveNote, publicKey: Uint8Array): boolean {
  const own = note.signatures.filter(({ name }) => name === note.origin);
  return own.some(({ bytes }) => verify(null, Buffer.from(note.text), publicKeyOf(publicKey), bytes.subarray(4, 68)));
}

/** A store or an advisory receiver: an Ed25519 witness key with its C2SP name. */
export class Witness {
  readonly name: string;
  readonly keyId: Buffer;
  readonly vkey: string;
  readonly #key: KeyObject;

  constructor(name: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = Buffer.from((publicKey.export({ format: 'jwk' }) as { x: string }).x, 'base64url');
    this.name = name;
    this.#key = privateKey;
    this.keyId = sha256(Buffer.from(`${name}\n`), Buffer.of(4), raw).subarray(0, 4);
    this.vkey = `${name}+${this.keyId.toString('hex')}+${Buffer.concat([Buffer.of(4), raw]).toString('base64')}`;
  }

  /** The note with this witness's cosignature/v1 line. */
  cosign(note: string, timeS = 1_795_000_000): string {
    const text = `${note.split('\n\n')[0]}\n`;
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${timeS}\n${text}`), this.#key);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(timeS));
    return `${note}\u2014 ${this.name} ${Buffer.concat([this.keyId, time, signature]).toString('base64')}\n`;
  }
}

export interface Entry {
  readonly leaf: string;
  readonly hash: string;
  readonly event: Readonly<Record<string, unknown>>;
}

/** What a store keeps of one log, and what it refuses to believe. */
export class Consumer {
  readonly logs = new Map<string, Entry[]>();
  /** Newest note at the end of what is stored, by log. */
  readonly notes = new Map<string, string>();
  /** Roots of everything that ever left the box, by log and size: two of them is the crime. */
  readonly seen = new Map<string, Map<number, string>>();
  /** Marks of events that were used, with how often. */
  readonly used = new Map<string, number>();
  readonly #usedLeaves = new Set<string>();
  readonly #vkeys: Map<string, Uint8Array>;
  readonly violations: string[] = [];
  readonly refusals: string[] = [];

  /** `vkeys` are the public keys of all logs, as an operator would enter them by name. */
  constructor(vkeys: Map<string, Uint8Array>) {
    this.#vkeys = vkeys;
  }

  /** Becomes what another one is now. */
  copy(other: Consumer): void {
    for (const [origin, entries] of other.logs) this.logs.set(origin, [...entries]);
    for (const [origin, note] of other.notes) this.notes.set(origin, note);
    for (const [origin, roots] of other.seen) this.seen.set(origin, new Map(roots));
    for (const [mark, count] of other.used) this.used.set(mark, count);
    for (const leaf of other.#usedLeaves) this.#usedLeaves.add(leaf);
    this.violations.push(...other.violations);
  }

  size(origin: string): number {
    return this.logs.get(origin)?.length ?? 0;
  }

  /** A checkpoint that left the box, wherever it was seen. */
  see(noteText: string): NaiveNote {
    const note = readNote(noteText);
    const key = this.#vkeys.get(note.origin);
    if (key === undefined || !isSigned(note, key)) this.violations.push(`unsigned note of ${note.origin} left the box`);
    const roots = this.seen.get(note.origin) ?? new Map<number, string>();
    const before = roots.get(note.size);
    if (before !== undefined && before !== note.root)
      this.violations.push(`two roots of ${note.origin} at ${note.size}`);
    roots.set(note.size, note.root);
    this.seen.set(note.origin, roots);
    return note;
  }

  /** Stores a batch. Answers whether anything new was taken. */
  take(bytes: Uint8Array): boolean {
    const lines = Buffer.from(bytes).toString().split('\n');
    const [header = '', ...rest] = lines;
    const leaves = rest.slice(0, -2);
    const head = JSON.parse(header) as { log: string; first: number; count: number; size: number; checkpoint: string };
    const signature = JSON.parse(rest.at(-2) ?? '{}') as { kid: string; sig: string };
    const note = this.see(head.checkpoint);
    const held = this.logs.get(head.log) ?? [];
    if (note.size !== head.first + head.count || leaves.length !== head.count || head.size < note.size) {
      this.violations.push(`a batch of ${head.log} does not end at its note`);
    }
    if (!this.#isAuthentic(head.log, lines, signature)) return this.#refuse(`unsigned batch of ${head.log}`);
    if (head.first > held.length) return this.#refuse('gap');
    const whole = [...held.slice(0, head.first), ...leaves.map(entryOf)];
    const root = naiveRoot(whole.map(({ hash }) => Buffer.from(hash, 'base64url'))).toString('base64');
    if (root !== note.root) {
      this.violations.push(`the entries of ${head.log} do not give the root of its note at ${note.size}`);
      return false;
    }
    if (whole.length <= held.length) return false;
    for (const [n, entry] of whole.entries()) if (n >= held.length) this.#use(head.log, n, entry);
    this.logs.set(head.log, whole);
    this.notes.set(head.log, head.checkpoint);
    return true;
  }

  #refuse(reason: string): boolean {
    this.refusals.push(reason);
    return false;
  }

  #isAuthentic(origin: string, lines: readonly string[], signature: { kid: string; sig: string }): boolean {
    if (signature.kid === '') return this.#isNamedClosed(origin);
    const payload = Buffer.from(`${lines.slice(0, -2).join('\n')}\n`);
    const type = 'application/vnd.latchkey.batch.v1+ndjson';
    const pae = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
    const key = this.#vkeys.get(origin);
    return key !== undefined && verify(null, pae, publicKeyOf(key), Buffer.from(signature.sig, 'base64'));
  }

  /** A successor's entry 0 names it, also one that was carried on because its own log was breached. */
  #isNamedClosed(origin: string): boolean {
    return [...this.logs.values()].flat().some(({ event }) => {
      const data = event['data'] as { after?: { log?: string } };
      return event['type'] === 'journal.opened' && data.after?.log === origin;
    });
  }

  /** FORMAT.md: a carried entry is a duplicate only of that very leaf at its place, or of one used before. */
  #use(origin: string, n: number, entry: Entry): void {
    const { event } = entry;
    if (event['log'] !== origin || event['n'] !== n) this.violations.push(`entry ${n} of ${origin} says another place`);
    const carried = event['carried'] as { log: string; n: number; leaf: string } | undefined;
    const original = carried?.leaf ?? entry.hash;
    const held = carried === undefined ? undefined : this.logs.get(carried.log)?.[carried.n];
    if (this.#usedLeaves.has(original) || held?.hash === original) return;
    this.#usedLeaves.add(original);
    const data = event['data'] as { text?: string };
    if (event['type'] === 'code.scanned' && data.text !== undefined) {
      this.used.set(data.text, (this.used.get(data.text) ?? 0) + 1);
    }
  }
}

function entryOf(leaf: string): Entry {
  return {
    leaf,
    hash: leafHashOf(leaf).toString('base64url'),
    event: JSON.parse(leaf) as Readonly<Record<string, unknown>>,
  };
}
