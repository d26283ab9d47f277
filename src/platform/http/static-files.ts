/**
 * A built page in memory, read once: what a request names is looked up in a table, so that no path of a request reaches
 * the disk.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { LatchkeyError } from '../../base/errors.ts';
import { isMissing } from '../durable-file.ts';

const BYTES_MAX = 16 * 1_048_576;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webmanifest': 'application/manifest+json',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

export interface StaticFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly etag: string;
  /** Its name has a hash of its content. */
  readonly isImmutable: boolean;
}

export type StaticFiles = ReadonlyMap<string, StaticFile>;

/** By path (`/assets/x.js`); `/` is index.html. Empty where the directory is not there. Throws CONFIG_UNREADABLE. */
export function readStaticFiles(directory: string): StaticFiles {
  const files = new Map<string, StaticFile>();
  let sizeBytes = 0;
  for (const name of namesBelow(directory)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = Uint8Array.from(readFileSync(join(directory, name)));
    sizeBytes += bytes.length;
    if (sizeBytes > BYTES_MAX) throw new LatchkeyError('CONFIG_UNREADABLE', `${directory} holds too much for a page`);
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    files.set(`/${name}`, { bytes, type, etag, isImmutable: name.startsWith('assets/') });
  }
  const index = files.get('/index.html');
  if (index !== undefined) files.set('/', index);
  return files;
}

/** Plain files alone: a link could lead anywhere. */
function namesBelow(directory: string, prefix = ''): readonly string[] {
  try {
    return readdirSync(join(directory, prefix), { withFileTypes: true }).flatMap((entry) => {
      const name = `${prefix}${entry.name}`;
      if (entry.isDirectory()) return namesBelow(directory, `${name}/`);
      return entry.isFile() ? [name] : [];
    });
  } catch (error) {
    if (isMissing(error)) return [];
    throw new LatchkeyError('CONFIG_UNREADABLE', `cannot read the page in ${directory}`, { cause: error });
  }
}

/** `headers` go with every answer of the server. */
export function answerFile(file: StaticFile, request: Request, headers: Readonly<Record<string, string>>): Response {
  const caching = file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache';
  const all = { ...headers, 'cache-control': caching, etag: file.etag };
  if (request.headers.get('if-none-match') === file.etag) return new Response(null, { status: 304, headers: all });
  const body = request.method === 'HEAD' ? null : file.bytes;
  return new Response(body, { headers: { ...all, 'content-type': file.type } });
}
