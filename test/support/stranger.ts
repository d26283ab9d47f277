/**
 * A verifier as a stranger would write it from FORMAT.md alone: naive, complete for batches and exports, over node:crypto
 * and nothing of this project. It throws on whatever it refuses.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';

export interface StrangersTree {
  readonly size: number;
  readonly root: string;
}

/** FORMAT.md sections 1 to 4: the tree that the file proves, from entry 0 or from the first batch's `left`. */
export function strangerVerifies(file: Buffer, vkey: string): StrangersTree {
  const [name = '', id = '', ...rest] = vkey.split('+');
  const material = Buffer.from(rest.join('+'), 'base64');
  const publicKey = material.subarray(1);
  const expectedId = sha256(Buffer.from(`${name}\n`), material)
    .subarray(0, 4)
    .toString('hex');
  must(material[0] === 1 && material.length === 33 && id === expectedId, 'vkey');
  must(name.endsWith(`-${sha256(publicKey).toString('hex').slice(0, 8)}`), 'tag');
  const lines = split(file);
  let tree: { size: number; roots: Buffer[] } | undefined;
  let at = 0;
  while (at < lines.length) {
    const header = canonical(lines[at] ?? Buffer.alloc(0));
    const count = Number(header['count']);
    const end = at + 1 + count;
    const signatureLine = lines[end];
    must(Number.isSafeInteger(count) && count > 0 && signatureLine !== undefined, 'framing');
    must(
      Object.keys(header)
        .filter((member) => member !== 'left')
        .join() === 'checkpoint,count,first,log,size,v',
      'header',
    );
    must(header['v'] === 1 && header['log'] === name, 'header');
    const payload = Buffer.concat(lines.slice(at, end).flatMap((line) => [line, Buffer.from('\n')]));
    must(payload.length + (signatureLine?.length ?? 0) + 1 <= 131_072, 'too long');
    const signature = /^\{"kid":"([0-9a-f]{8})","sig":"([A-Za-z0-9+/]{86}==)"\}$/.exec(String(signatureLine));
    must(signature?.[1] === id, 'kid');
    const type = 'application/vnd.latchkey.batch.v1+ndjson';
    const pae = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
    must(ed25519(publicKey, pae, base64(signature?.[2] ?? '')), 'signature');
    const first = Number(header['first']);
    tree ??= { size: first, roots: leftOf(first, header['left']) };
    must(tree.size === first && Number(header['size']) >= first + count, 'range');
    lines.slice(at + 1, end).forEach((line, i) => {
      const event = canonical(line);
      must(line.length <= 4_096 && (event['v'] !== 1 || (event['log'] === name && event['n'] === first + i)), 'leaf');
      push(tree as { size: number; roots: Buffer[] }, sha256(Buffer.from([0]), line));
    });
    checkNote(String(header['checkpoint']), name, id, publicKey, tree.size, rootOf(tree.roots));
    at = end + 1;
  }
  must(tree !== undefined, 'empty');
  return { size: tree?.size ?? 0, root: rootOf(tree?.roots ?? []).toString('base64') };
}

function checkNote(note: string, name: string, id: string, publicKey: Buffer, size: number, root: Buffer): void {
  const text = `${name}\n${size}\n${root.toString('base64')}\n`;
  must(note.startsWith(`${text}\n\u2014 `) && note.endsWith('\n'), 'note: another origin, size or root');
  let own = 0;
  for (const line of note.slice(text.length + 1, -1).split('\n')) {
    const [dash, signer, encoded = '', ...more] = line.split(' ');
    const bytes = base64(encoded);
    must(dash === '\u2014' && more.length === 0 && bytes.length > 4, 'note line');
    if (signer !== name || bytes.subarray(0, 4).toString('hex') !== id) continue;
    must(ed25519(publicKey, Buffer.from(text), bytes.subarray(4)), 'note signature');
    own += 1;
  }
  must(own > 0, 'note unsigned');
}

/** JCS under the restrictions of section 2: what a sorting printer gives back must be the line. */
function canonical(line: Buffer): Record<string, unknown> {
  const print = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(print).join(',')}]`;
    if (typeof value === 'number') must(Number.isSafeInteger(value) && !Object.is(value, -0), 'number');
    if (typeof value !== 'object') return JSON.stringify(value);
    must(value !== null, 'null');
    const members = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [member] of members) must(/^[a-z][a-z0-9_]*$/.test(member), 'member name');
    return `{${members.map(([member, inner]) => `${JSON.stringify(member)}:${print(inner)}`).join(',')}}`;
  };
  const value: unknown = JSON.parse(line.toString('utf8'));
  must(typeof value === 'object' && value !== null && !Array.isArray(value), 'object');
  must(Buffer.from(print(value)).equals(line), 'canonical');
  return value as Record<string, unknown>;
}

function split(file: Buffer): Buffer[] {
  must(file.length > 0 && file[file.length - 1] === 0x0a, 'final newline');
  const lines: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const end = file.indexOf(0x0a, at);
    must(end > at, 'blank line');
    lines.push(file.subarray(at, end));
    at = end + 1;
  }
  return lines;
}

function leftOf(first: number, left: unknown): Buffer[] {
  const roots = Array.isArray(left) ? left.map((each) => base64(String(each))) : [];
  must(roots.length === [...first.toString(2)].filter((bit) => bit === '1').length, 'left');
  for (const root of roots) must(root.length === 32, 'left');
  must(first > 0 || left === undefined, 'left at 0');
  return roots;
}

function push(tree: { size: number; roots: Buffer[] }, leaf: Buffer): void {
  let node = leaf;
  for (let rest = tree.size; rest % 2 === 1; rest = (rest - 1) / 2) {
    node = sha256(Buffer.from([1]), tree.roots.pop() ?? Buffer.alloc(0), node);
  }
  tree.roots.push(node);
  tree.size += 1;
}

function rootOf(roots: readonly Buffer[]): Buffer {
  return (
    roots.reduceRight<Buffer | undefined>(
      (right, left) => (right === undefined ? left : sha256(Buffer.from([1]), left, right)),
      undefined,
    ) ?? sha256()
  );
}

/** Canonical base64 with padding, section "Conventions". */
function base64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  must(bytes.toString('base64') === text, 'base64');
  return bytes;
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function ed25519(publicKey: Buffer, message: Buffer, signature: Buffer): boolean {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]);
  return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`refused: ${what}`);
}
