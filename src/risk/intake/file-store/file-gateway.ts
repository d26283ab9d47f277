/** What the store keeps of one gateway: its logs and what makes their keys believed. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { present } from '../../../base/assert.ts';
import { utf8, utf8Text } from '../../../base/bytes.ts';
import { parseOrigin } from '../../../evidence/log/origin.ts';
import { AppendFile, isMissing, makeDirectory } from '../../../platform/durable-file.ts';
import type { EntryPlace, HeldGateway, TrustRecord } from '../store.ts';
import { FileLog, type FileLogSettings } from './file-log.ts';

const LOG_FOLDER = /^([1-9][0-9]*-[0-9a-f]{8})@([a-z0-9.-]+)$/;

export class FileGateway {
  readonly #settings: FileLogSettings;
  readonly #gateway: string;
  readonly #path: string;
  readonly #logs = new Map<string, FileLog>();
  #trust: TrustRecord[] = [];

  private constructor(settings: FileLogSettings, gateway: string, path: string) {
    this.#settings = settings;
    this.#gateway = gateway;
    this.#path = path;
  }

  static async recover(
    settings: FileLogSettings,
    gateway: string,
    path: string,
    isDurable: boolean,
  ): Promise<FileGateway> {
    const found = new FileGateway(settings, gateway, path);
    const names: readonly string[] = await readdir(path).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    for (const name of names) {
      const [, logName, domain] = LOG_FOLDER.exec(name) ?? [];
      const origin = `${domain}/${gateway}/${logName}`;
      if (logName === undefined || !parseOrigin(origin).ok) continue;
      await found.log(origin).recover(isDurable);
    }
    if (names.includes('trust.ndjson')) await found.#recoverTrust();
    return found;
  }

  held(): HeldGateway {
    const logs = [...this.#logs.values()].map((log) => log.held());
    const carried = [...this.#logs.values()].reduce((sum, log) => sum + log.carriedCount, 0);
    return {
      gateway: this.#gateway,
      logs: logs.filter((log) => log.segments.length > 0 || log.cosigned !== undefined || log.forks > 0),
      trust: [...this.#trust],
      carried,
    };
  }

  find(origin: string): FileLog | undefined {
    return this.#logs.get(origin);
  }

  /** The log, made in memory when there is none; its folder appears with the first write. */
  log(origin: string): FileLog {
    const known = this.#logs.get(origin);
    if (known !== undefined) return known;
    const log = new FileLog(this.#settings, origin, join(this.#path, folderOf(origin)));
    this.#logs.set(origin, log);
    return log;
  }

  carrierOf(leaf: string): EntryPlace | undefined {
    for (const log of this.#logs.values()) {
      const n = log.carrierOf(leaf);
      if (n !== undefined) return { origin: log.origin, n };
    }
    return undefined;
  }

  async saveTrust(record: TrustRecord): Promise<void> {
    const line = JSON.stringify(record);
    if (this.#trust.some((known) => JSON.stringify(known) === line)) return;
    await makeDirectory(this.#path);
    const file = await AppendFile.open(join(this.#path, 'trust.ndjson'));
    try {
      await file.append([utf8(`${line}\n`)]);
    } finally {
      await file.close();
    }
    this.#trust.push(record);
  }

  async release(): Promise<void> {
    for (const log of this.#logs.values()) await log.release();
  }

  async #recoverTrust(): Promise<void> {
    const file = await AppendFile.open(join(this.#path, 'trust.ndjson'));
    try {
      const bytes = await file.read(0, file.size);
      const whole = bytes.lastIndexOf(0x0a) + 1;
      if (whole < file.size) await file.truncate(whole);
      const lines = (utf8Text(bytes.subarray(0, whole)) ?? '').split('\n').slice(0, -1);
      this.#trust = lines.map((line) => JSON.parse(line) as TrustRecord);
    } finally {
      await file.close();
    }
  }
}

export function gatewayOfOrigin(origin: string): string {
  const parsed = parseOrigin(origin);
  return present(parsed.ok ? parsed.value.gateway : undefined, 'gateway of an origin');
}

/** `1-9f2c01aa@lockers.example`: a folder name that tells the log within its gateway. */
function folderOf(origin: string): string {
  const parsed = parseOrigin(origin);
  const { domain, number, tag } = present(parsed.ok ? parsed.value : undefined, 'a log has an origin');
  return `${number}-${tag}@${domain}`;
}
