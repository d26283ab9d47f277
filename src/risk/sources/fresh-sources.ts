/**
 * Declared sources with the secrets that their files hold now: a secret is changed without a restart.
 *
 * Files are looked at by their status once a second at most, when a webhook of that source comes, and read only where that
 * changed. What cannot be read leaves the secrets of before valid, is said in the log once for each change, and shows in
 * `sources_secrets_up` until it can be.
 */
import { type BigIntStats, promises } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { type OpenedSource, openSource } from './authenticate.ts';
import type { SourceAuth } from './settings.ts';

export interface FreshSourcesParts {
  readonly sources: readonly OpenedSource[];
  readonly crypto: EvidenceCrypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

interface Held {
  opened: OpenedSource;
  /** Of its files, when they were read; none before they were looked at. */
  print?: string;
  lookedMs: number;
  isUp: boolean;
  looking?: Promise<void>;
}

const LOOK_EVERY_MS = 1_000;

export class FreshSources {
  readonly #parts: FreshSourcesParts;
  readonly #held: ReadonlyMap<string, Held>;

  constructor(parts: FreshSourcesParts) {
    this.#parts = parts;
    this.#held = new Map(
      parts.sources.map((opened) => [opened.settings.name, { opened, lookedMs: Number.NEGATIVE_INFINITY, isUp: true }]),
    );
    this.#measure();
  }

  /** As it is known, whatever its files hold by now. Undefined for one that is not declared. */
  known(name: string): OpenedSource | undefined {
    return this.#held.get(name)?.opened;
  }

  /** With the secrets of now. Never rejects. */
  async current(name: string): Promise<OpenedSource | undefined> {
    const held = this.#held.get(name);
    if (held === undefined) return undefined;
    const nowMs = this.#parts.clock.wallMs();
    // Also of a clock that was set back.
    if (Math.abs(nowMs - held.lookedMs) >= LOOK_EVERY_MS && held.looking === undefined) {
      held.lookedMs = nowMs;
      held.looking = this.#look(held).finally(() => delete held.looking);
    }
    await held.looking;
    return held.opened;
  }

  async #look(held: Held): Promise<void> {
    const { settings } = held.opened;
    const { crypto, logger } = this.#parts;
    // Before they are read: what changes meanwhile is another print the next time.
    const print = (await Promise.all(filesOf(settings.auth).map(printOf))).join('\n');
    if (print === held.print && held.isUp) return;
    const isNews = print !== held.print;
    const isFirst = held.print === undefined;
    held.print = print;
    try {
      held.opened = await openSource(settings, crypto);
      if (!isFirst) logger.info({ source: settings.name }, 'the secrets of a source were read again');
      held.isUp = true;
    } catch (error) {
      held.isUp = false;
      const fields = { source: settings.name, error: messageOf(error) };
      if (isNews) logger.error(fields, 'the secrets of a source cannot be read again: those of before stay valid');
    }
    this.#measure();
  }

  #measure(): void {
    const areUp = [...this.#held.values()].every(({ isUp }) => isUp);
    this.#parts.metrics?.gauge('sources_secrets_up', areUp ? 1 : 0);
  }
}

function filesOf(auth: SourceAuth): readonly string[] {
  switch (auth.type) {
    case 'standard':
    case 'hmac':
      return auth.secret_files;
    case 'bearer':
      return auth.token_files;
    case 'standard_ed25519':
      return [];
  }
}

/** Modes and owners are in it by the time of their change. */
async function printOf(path: string): Promise<string> {
  return promises.stat(path, { bigint: true }).then(
    ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats) => [dev, ino, size, mtimeNs, ctimeNs].join(' '),
    (error: unknown) => messageOf(error),
  );
}
