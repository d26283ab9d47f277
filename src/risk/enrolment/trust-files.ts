/**
 * What the service believes about vendors, from files that an operator keeps: roots, deny list, revocation lists. They are
 * looked at again while it serves, and taken all together or not at all: a broken file keeps what was believed before.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scheduler, Timer } from '../../base/clock.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { isMissing } from '../../platform/durable-file.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import { loadAuthorities } from './authorities.ts';
import { DenyList } from './deny-list.ts';
import type { EkTrust } from './ek.ts';
import { loadCrls, RevocationLists } from './revocation.ts';
import type { EnrolmentSettings } from './settings.ts';

export type TrustSettings = Pick<EnrolmentSettings, 'ek_roots' | 'deny_list' | 'reread_s'> & {
  readonly crls?: Pick<NonNullable<EnrolmentSettings['crls']>, 'dir' | 'check'> | undefined;
};

export interface TrustFilesParts {
  readonly settings: TrustSettings;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
}

/** Rejects with CONFIG_INVALID or CONFIG_UNREADABLE, the problems of a kind of file named at once. */
export async function loadTrust({ ek_roots, deny_list, crls }: TrustSettings): Promise<EkTrust> {
  const authorities = await loadAuthorities(ek_roots);
  const denyList = DenyList.load(nodeCrypto, deny_list);
  if (crls === undefined) return { authorities, denyList };
  const problems: string[] = [];
  const lists = await loadCrls(crls.dir, problems);
  if (problems.length === 0) return { authorities, denyList, revocation: new RevocationLists(lists, crls.check) };
  const lines = problems.map((line) => `\n  ${line}`).join('');
  throw new LatchkeyError('CONFIG_INVALID', `the vendors' lists of revoked certificates:${lines}`);
}

export class TrustFiles {
  readonly #parts: TrustFilesParts;
  #trust: EkTrust;
  /** Of the files as they were read last, broken or not. */
  #seen: string;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  private constructor(parts: TrustFilesParts, trust: EkTrust, seen: string) {
    this.#parts = parts;
    this.#trust = trust;
    this.#seen = seen;
  }

  /** Rejects like `loadTrust`: a service does not start with files that it cannot read. */
  static async open(parts: TrustFilesParts): Promise<TrustFiles> {
    const seen = await fingerprint(parts.settings);
    const files = new TrustFiles(parts, await loadTrust(parts.settings), seen);
    files.#tellStale();
    return files;
  }

  current(): EkTrust {
    return this.#trust;
  }

  start(): void {
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.scheduler.after(this.#parts.settings.reread_s * 1_000, () => {
      this.#looking = this.look().finally(() => this.#arm());
    });
  }

  /** Reads everything again if a file changed. Never rejects. */
  async look(): Promise<void> {
    const { settings, logger } = this.#parts;
    try {
      const before = await fingerprint(settings);
      if (before === this.#seen) return;
      const trust = await loadTrust(settings).catch((error: unknown) => messageOf(error));
      // Files that change while they are read are looked at next time: half of a new set may look like a whole one.
      if ((await fingerprint(settings)) !== before) return;
      this.#seen = before;
      if (typeof trust === 'string') return this.#keep(trust);
      this.#trust = trust;
      logger.info({ authorities: trust.authorities.length }, 'roots, deny list and revocation lists were read again');
      this.#tellStale();
    } catch (error) {
      this.#keep(messageOf(error));
    }
  }

  #keep(reason: string): void {
    const alarm = { alarm: 'trust_files_broken', reason };
    this.#parts.logger.error(alarm, 'a file about vendors cannot be used: what was believed before still counts');
  }

  #tellStale(): void {
    const { scheduler, logger } = this.#parts;
    const stale = this.#trust.revocation?.staleCount(scheduler.wallMs()) ?? 0;
    if (stale > 0) logger.warn({ stale }, 'revocation lists are not current any more: fetch newer ones');
  }
}

/** Name, size and times of each file: what an operator changes shows in one of them. */
async function fingerprint({ ek_roots, deny_list, crls }: TrustSettings): Promise<string> {
  const folders = [join(ek_roots, 'hardware'), join(ek_roots, 'emulated'), ...(crls === undefined ? [] : [crls.dir])];
  const inFolders = await Promise.all(
    folders.map(async (folder) => (await namesIn(folder)).map((n) => join(folder, n))),
  );
  const paths = [...inFolders.flat(), ...(deny_list === undefined ? [] : [deny_list])];
  return JSON.stringify(await Promise.all(paths.map(lookOf)));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function lookOf(path: string): Promise<readonly unknown[]> {
  try {
    const { size, ino, mtimeMs, ctimeMs } = await stat(path);
    return [path, size, ino, mtimeMs, ctimeMs];
  } catch (error) {
    if (isMissing(error)) return [path];
    throw error;
  }
}
