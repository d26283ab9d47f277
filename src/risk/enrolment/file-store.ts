/**
 * The store as files, each written whole, synced, and given its name by a link, which exactly one of several processes
 * gets:
 *
 *     gateways/<gateway>/<6 digits>.json     events in order
 *     claims/<kind>-<hex>                    the gateway's name
 *     tokens/<sha-256>.json
 *
 * Rejects with STORE_IO, or STORE_FULL when the disk is.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { assert } from '../../base/assert.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { FILE_MODE, isMissing, makeDirectory, syncDirectory } from '../../platform/durable-file.ts';
import { type ClaimKind, type EnrolmentStore, EVENTS_MAX, type TokenRow } from './store.ts';

const GATEWAY = /^[a-z0-9-]{1,64}$/;
const EVENT_FILE = /^(\d{6})\.json$/;
const HASH = /^[0-9a-f]{64}$/;
/** Files written at a time: an fsync waits for the disk, not for the processor. */
const TOGETHER = 16;

const tokenSchema = z.strictObject({
  hash: z.string().regex(HASH),
  gateway: z.string().regex(GATEWAY),
  expiresMs: z.int(),
});

export class FileEnrolmentStore implements EnrolmentStore {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<FileEnrolmentStore> {
    const store = new FileEnrolmentStore(directory);
    await guarded(async () => {
      for (const name of ['gateways', 'claims', 'tokens']) await makeDirectory(join(directory, name));
    });
    return store;
  }

  gateways(): Promise<readonly string[]> {
    return guarded(async () => {
      const names = await readdir(join(this.#directory, 'gateways'));
      return names.filter((name) => GATEWAY.test(name)).sort();
    });
  }

  read(gateway: string): Promise<readonly string[]> {
    return guarded(async () => {
      const directory = this.#gateway(gateway);
      const names = await readdir(directory).catch((error: unknown) => {
        if (isMissing(error)) return [];
        throw error;
      });
      const events = names.filter((name) => EVENT_FILE.test(name)).sort();
      const gap = events.findIndex((name, i) => Number(EVENT_FILE.exec(name)?.[1]) !== i);
      if (gap >= 0) throw new Error(`${directory}: event ${gap} is missing; restore it from a copy`);
      return Promise.all(events.map((name) => readFile(join(directory, name), 'utf8')));
    });
  }

  append(gateway: string, at: number, text: string): Promise<'stored' | 'conflict'> {
    assert(Number.isSafeInteger(at) && at >= 0, 'an event has a number');
    return guarded(async () => {
      if (at >= EVENTS_MAX) throw new Error(`${gateway} has ${at} events, the most that are kept`);
      const directory = this.#gateway(gateway);
      await makeDirectory(directory);
      return (await writeOnce(directory, eventFile(at), text)) ? 'stored' : 'conflict';
    });
  }

  claim(kind: ClaimKind, id: string, gateway: string): Promise<string> {
    assert(HASH.test(id) && GATEWAY.test(gateway), 'a claim is on a hash, by a gateway');
    return guarded(async () => {
      const directory = join(this.#directory, 'claims');
      const name = `${kind}-${id}`;
      if (await writeOnce(directory, name, gateway)) return gateway;
      const holder = await readFile(join(directory, name), 'utf8');
      if (!GATEWAY.test(holder)) throw new Error(`${join(directory, name)} names no gateway; restore it from a copy`);
      return holder;
    });
  }

  addTokens(tokens: readonly TokenRow[]): Promise<void> {
    return guarded(async () => {
      const directory = join(this.#directory, 'tokens');
      for (let at = 0; at < tokens.length; at += TOGETHER) {
        const some = tokens.slice(at, at + TOGETHER);
        await Promise.all(
          some.map((row) => writeOnce(directory, `${row.hash}.json`, `${JSON.stringify(row)}\n`, false)),
        );
      }
      await syncDirectory(directory);
    });
  }

  token(hash: string): Promise<TokenRow | undefined> {
    assert(HASH.test(hash), 'a token is looked up by its hash');
    return guarded(async () => {
      const path = join(this.#directory, 'tokens', `${hash}.json`);
      const text = await readFile(path, 'utf8').catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      return text === undefined ? undefined : tokenSchema.parse(JSON.parse(text));
    });
  }

  #gateway(gateway: string): string {
    assert(GATEWAY.test(gateway), 'a gateway has a name that is one');
    return join(this.#directory, 'gateways', gateway);
  }
}

function eventFile(at: number): string {
  return `${String(at).padStart(6, '0')}.json`;
}

/** Whether this call made the file. Its content is on the disk before its name is. */
async function writeOnce(directory: string, name: string, text: string, sync = true): Promise<boolean> {
  const temporary = join(directory, `.${name}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', FILE_MODE);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const made = await link(temporary, join(directory, name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    return made;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
    // Also after EEXIST: whoever made the name may not have synced it yet, and its content is about to be believed.
    if (sync) await syncDirectory(directory);
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new LatchkeyError(full ? 'STORE_FULL' : 'STORE_IO', `enrolments: ${messageOf(error)}`, { cause: error });
  }
}
