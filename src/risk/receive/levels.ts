/**
 * What makes the levels of stored entries, while the receiver runs on a database: anchors are judged as they arrive, and
 * independent witnesses are asked to cosign what is stored.
 */
import { present } from '../../base/assert.ts';
import { equalBytes } from '../../base/bytes.ts';
import type { Scheduler } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { AssuranceBook, type AssuranceParts } from '../assurance/assurance-book.ts';
import type { Alarms } from '../intake/alarms.ts';
import { CosignatureBook } from '../witnesses/cosignature-book.ts';
import { type WitnessSettings, witnessVkeyOf } from '../witnesses/settings.ts';
import { WitnessClient } from '../witnesses/witness-client.ts';
import { WitnessLine, type WitnessStatus } from '../witnesses/witness-line.ts';
import { WitnessRounds } from '../witnesses/witness-rounds.ts';
import { AssuranceRounds } from './assurance-rounds.ts';

export interface AskedWitness {
  readonly settings: WitnessSettings;
  readonly vkey: Vkey;
}

export interface LevelsParts extends Omit<AssuranceParts, 'witnesses'> {
  readonly witnesses: readonly AskedWitness[];
  readonly alarms: Pick<Alarms, 'raise'>;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Throws CONFIG_INVALID where one has the key that signs our own receipts: it would not be independent. */
export function askedWitnesses(settings: readonly WitnessSettings[], own: Vkey): readonly AskedWitness[] {
  return settings.map((each) => {
    const vkey = present(witnessVkeyOf(each.vkey), 'settings that were read');
    if (!equalBytes(vkey.publicKey, own.publicKey)) return { settings: each, vkey };
    throw new LatchkeyError(
      'CONFIG_INVALID',
      `independent_witnesses: expected keys of other operators, found at ${each.name} the one that signs our own receipts`,
    );
  });
}

export class Levels {
  readonly #assurance: AssuranceRounds;
  readonly #witnesses: WitnessRounds;

  constructor(parts: LevelsParts) {
    const { witnesses, scheduler, logger, metrics } = parts;
    const book = new AssuranceBook({ ...parts, witnesses: witnesses.map(({ vkey }) => vkey) });
    this.#assurance = new AssuranceRounds({ book, scheduler, logger, metrics });
    this.#witnesses = new WitnessRounds({ lines: witnesses.map((each) => lineOf(parts, each)), scheduler, logger });
  }

  start(): void {
    this.#assurance.start();
    this.#witnesses.start();
  }

  get status(): readonly WitnessStatus[] {
    return this.#witnesses.status;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#assurance.stop(), this.#witnesses.stop()]);
  }
}

function lineOf(
  { database, crypto, tenant, region, leases, scheduler, logger, metrics, alarms }: LevelsParts,
  { settings, vkey }: AskedWitness,
): { readonly line: WitnessLine; readonly everyMs: number } {
  const book = new CosignatureBook({ database, crypto, tenant, region });
  const link = new WitnessClient(settings);
  const line = new WitnessLine({
    settings,
    vkey,
    book,
    link,
    crypto,
    scheduler,
    logger,
    metrics,
    alarms,
    isMine: (gateway) => leases?.holds(gateway) !== false,
  });
  return { line, everyMs: settings.every_s * 1_000 };
}
