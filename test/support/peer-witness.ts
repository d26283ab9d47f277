/**
 * A witness as C2SP tlog-witness describes one, written from that text and from RFC 6962 alone: no code of this project
 * judges what this project sends. It keeps one size and root for each log, and each may be told to misbehave.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface KnownTree {
  readonly size: number;
  readonly root: Buffer;
}

export interface PeerLog {
  readonly origin: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

interface Checkpoint extends KnownTree {
  readonly origin: string;
  /** With its final newline. */
  readonly text: string;
  readonly lines: readonly string[];
}

/** PEM, for 127.0.0.1. */
export interface PeerTls {
  readonly cert: string;
  readonly key: string;
}

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body?: string;
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const node = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.of(1), left, right);
const PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC = Buffer.from('302a300506032b6570032100', 'hex');

export class PeerWitness {
  readonly name: string;
  readonly vkey: string;
  /** By origin: the newest checkpoint that it cosigned. */
  readonly trees = new Map<string, KnownTree>();
  /** Bodies as they came. */
  readonly bodies: string[] = [];
  /** Statuses as they were answered. */
  readonly statuses: number[] = [];
  readonly logs: PeerLog[];
  /** Its clock. */
  nowS = () => Math.floor(Date.now() / 1_000);
  /** Answers in its place when it returns true. */
  misbehave: (request: IncomingMessage, response: ServerResponse, body: string) => boolean = () => false;
  readonly #key: KeyObject;
  readonly #keyId: Buffer;
  readonly #server: Server;
  readonly #scheme: 'http' | 'https';

  private constructor(name: string, logs: readonly PeerLog[], tls: PeerTls | undefined) {
    this.name = name;
    this.logs = [...logs];
    const seed = sha256(Buffer.from(`peer witness ${name}`));
    this.#key = createPrivateKey({ key: Buffer.concat([PRIVATE, seed]), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32);
    this.#keyId = sha256(Buffer.from(`${name}\n`), Buffer.of(4), publicKey).subarray(0, 4);
    this.vkey = `${name}+${this.#keyId.toString('hex')}+${Buffer.concat([Buffer.of(4), publicKey]).toString('base64')}`;
    const serve = (request: IncomingMessage, response: ServerResponse): void => void this.#serve(request, response);
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer(serve) : createSecureServer({ ...tls }, serve);
  }

  static async start(name: string, logs: readonly PeerLog[], tls?: PeerTls): Promise<PeerWitness> {
    const peer = new PeerWitness(name, logs, tls);
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  /** Its submission prefix. */
  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/peer`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A signature line (C2SP tlog-cosignature, `cosignature/v1`). */
  line(text: string, atS = this.nowS()): string {
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${atS}\n${text}`), this.#key);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(atS));
    return `— ${this.name} ${Buffer.concat([this.#keyId, time, signature]).toString('base64')}\n`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    this.bodies.push(body);
    if (this.misbehave(request, response, body)) return;
    const isCall = request.method === 'POST' && request.url === '/peer/add-checkpoint';
    const { status, type = 'text/plain; charset=utf-8', body: text = '' } = isCall ? this.#add(body) : { status: 405 };
    this.statuses.push(status);
    response.writeHead(status, { 'content-type': type }).end(text);
  }

  /** In the order in which the specification has its checks. */
  #add(body: string): Answer {
    const cut = body.indexOf('\n\n');
    const head = body.slice(0, cut).split('\n');
    const old = /^old (0|[1-9][0-9]*)$/.exec(head[0] ?? '');
    const proof = head.slice(1);
    const isProof = proof.every((line) => /^[A-Za-z0-9+/]{43}=$/.test(line)) && proof.length <= 63;
    const checkpoint = checkpointIn(body.slice(cut + 2));
    if (cut < 0 || old === null || !isProof || checkpoint === undefined) return { status: 400 };
    const log = this.logs.find(({ origin }) => origin === checkpoint.origin);
    if (log === undefined) return { status: 404 };
    if (!isSigned(checkpoint, log)) return { status: 403 };
    const oldSize = Number(old[1]);
    if (oldSize > checkpoint.size || (oldSize === 0 && proof.length > 0)) return { status: 400 };
    const known = this.trees.get(log.origin) ?? { size: 0, root: sha256() };
    if (oldSize !== known.size) return { status: 409, type: 'text/x.tlog.size', body: `${known.size}\n` };
    if (oldSize === checkpoint.size && !known.root.equals(checkpoint.root)) {
      return { status: 409, type: 'text/x.tlog.size', body: `${known.size}\n` };
    }
    const hashes = proof.map((line) => Buffer.from(line, 'base64'));
    if (oldSize > 0 && !isConsistent(known, checkpoint, hashes)) return { status: 422 };
    this.trees.set(log.origin, { size: checkpoint.size, root: checkpoint.root });
    return { status: 200, body: this.line(checkpoint.text) };
  }
}

function checkpointIn(note: string): Checkpoint | undefined {
  const cut = note.lastIndexOf('\n\n');
  const text = note.slice(0, cut + 1);
  const [origin = '', size = '', root = ''] = text.split('\n');
  const lines = note.slice(cut + 2, -1).split('\n');
  const isSound = cut > 0 && note.endsWith('\n') && /^(0|[1-9][0-9]*)$/.test(size) && /^[A-Za-z0-9+/]{43}=$/.test(root);
  return isSound ? { origin, size: Number(size), root: Buffer.from(root, 'base64'), text, lines } : undefined;
}

function isSigned({ text, lines }: Checkpoint, { origin, publicKey }: PeerLog): boolean {
  const key = createPublicKey({ key: Buffer.concat([PUBLIC, publicKey]), format: 'der', type: 'spki' });
  const keyId = sha256(Buffer.from(`${origin}\n`), Buffer.of(1), publicKey).subarray(0, 4);
  return lines.some((line) => {
    const [dash, name, base64 = ''] = line.split(' ');
    const bytes = Buffer.from(base64, 'base64');
    const isOurs = dash === '—' && name === origin && bytes.subarray(0, 4).equals(keyId);
    return isOurs && verify(null, Buffer.from(text), key, bytes.subarray(4));
  });
}

/** RFC 6962 section 2.1.2, read backwards: both roots are made of the proof by the recursion that made it. */
function isConsistent(old: KnownTree, next: KnownTree, proof: readonly Buffer[]): boolean {
  const rest = [...proof];
  const pop = (): Buffer => rest.pop() ?? Buffer.alloc(32);
  const roots = (m: number, n: number, isWhole: boolean): readonly [Buffer, Buffer] => {
    if (m === n) {
      const same = isWhole ? old.root : pop();
      return [same, same];
    }
    let k = 1;
    while (k * 2 < n) k *= 2;
    const sibling = pop();
    if (m <= k) {
      const [before, after] = roots(m, k, isWhole);
      return [before, node(after, sibling)];
    }
    const [before, after] = roots(m - k, n - k, false);
    return [node(sibling, before), node(sibling, after)];
  };
  const [before, after] = roots(old.size, next.size, true);
  return rest.length === 0 && before.equals(old.root) && after.equals(next.root);
}
