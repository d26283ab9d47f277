/**
 * A box with a TPM on paper: the real journal and the real anchorer on a real directory, a counter that outlives
 * every crash, and the verifier's own judgement over what the logs say.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { AnchorTpm, CertifiedCounter } from '../../../src/edge/contracts/anchor-tpm.ts';
import { Anchorer } from '../../../src/edge/keys/anchorer.ts';
import { WEAR_DEFAULTS } from '../../../src/edge/keys/wear-budget.ts';
import { HistoryCollector } from '../../../src/evidence/anchor/collect.ts';
import { type ContinuityVerdict, judgeContinuity } from '../../../src/evidence/anchor/continuity.ts';
import { checkLeaf } from '../../../src/evidence/batch/check-leaf.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import { TestTpm } from '../../support/test-tpm.ts';
import { Box } from './box.ts';

/** One power-up of the board: nothing of it happens after a cut. */
class Line implements AnchorTpm {
  readonly #chip: Chip;
  isDead = false;

  constructor(chip: Chip) {
    this.#chip = chip;
  }

  get akSpki(): Uint8Array {
    return this.#chip.paper.ak.spki;
  }

  readCounter(): Promise<number> {
    return this.#do('read', () => this.#chip.paper.counter);
  }

  async advanceCounter(extraData: Uint8Array): Promise<CertifiedCounter> {
    await this.#do('increment', () => {
      this.#chip.paper.counter += 1;
    });
    return this.certifyCounter(extraData);
  }

  async certifyCounter(extraData: Uint8Array): Promise<CertifiedCounter> {
    await this.#chip.meanwhile?.();
    return this.#do('certify', () => this.#chip.certify(extraData));
  }

  async #do<T>(step: TpmStep, work: () => T): Promise<T> {
    const gone = new LatchkeyError('TPM_UNAVAILABLE', 'the TPM does not answer');
    if (this.isDead || this.#chip.isAway) throw gone;
    const { cut } = this.#chip;
    if (cut?.step !== step) return work();
    this.#chip.cut = undefined;
    this.isDead = true;
    if (cut.isDone) work();
    throw gone;
  }
}

export type TpmStep = 'read' | 'increment' | 'certify';

export class Chip {
  readonly paper = new TestTpm('box');
  isAway = false;
  /** Power goes at the next such command, which was carried out or not. */
  cut: { readonly step: TpmStep; readonly isDone: boolean } | undefined;
  /** Happens while the TPM certifies. */
  meanwhile: (() => Promise<void>) | undefined;
  /** What was certified under each value. */
  readonly texts = new Map<number, Set<string>>();

  constructor() {
    this.paper.counter = 7;
  }

  certify(extraData: Uint8Array): CertifiedCounter {
    this.paper.clock += 5n;
    const value = this.paper.counter;
    const texts = this.texts.get(value) ?? new Set<string>();
    this.texts.set(value, texts.add(Buffer.from(extraData).toString('hex')));
    const signed = this.paper.sign(formatAttest(this.paper.attest(extraData, this.paper.nvBody())));
    return { value, ...signed };
  }
}

const AT_ONCE = { parcelGapMs: 0, entriesGapMs: 0, idleGapMs: 21_600_000, wear: WEAR_DEFAULTS };
const QUIET_TURNS = 40;
const LIMIT_MS = 60_000;

export class AnchoredBox extends Box {
  readonly chip = new Chip();
  #line = new Line(this.chip);
  #anchorer: Anchorer | undefined;

  override async start(): Promise<void> {
    const line = new Line(this.chip);
    this.#line = line;
    this.readCounter = () => line.readCounter().catch(() => undefined);
    await super.start();
    const store = this.journal.anchors;
    if (store === undefined) throw new Error('a journal with a counter has anchors');
    const { scheduler, metrics } = this;
    const parts = { store, tpm: line, pace: AT_ONCE, crypto: nodeCrypto, scheduler, logger: silentLogger, metrics };
    this.#anchorer = new Anchorer(parts);
    this.#anchorer.start();
  }

  get anchorer(): Anchorer {
    if (this.#anchorer === undefined) throw new Error('the box is off');
    return this.#anchorer;
  }

  override async crash(): Promise<void> {
    this.#line.isDead = true;
    const anchorer = this.#anchorer;
    this.#anchorer = undefined;
    const crashed = super.crash();
    await anchorer?.stop(0);
    await crashed;
  }

  override async stop(): Promise<void> {
    const anchorer = this.#anchorer;
    this.#anchorer = undefined;
    const stopping = anchorer?.stop(60_000);
    await this.#run(stopping);
    this.#line.isDead = true;
    await super.stop();
  }

  override async end(): Promise<void> {
    this.#line.isDead = true;
    await this.#anchorer?.stop(0);
    this.#anchorer = undefined;
    await super.end();
  }

  /** Lets time pass until the anchorer has nothing to do, or its TPM is gone. */
  async anchored(): Promise<void> {
    let quiet = 0;
    const endMs = performance.now() + LIMIT_MS;
    while (quiet < QUIET_TURNS) {
      if (performance.now() > endMs) throw new Error(`anchoring never ends: ${JSON.stringify(this.anchorer.status())}`);
      this.scheduler.advance(1);
      const { state } = this.anchorer.status();
      // The disk takes real time: no more time passes on the box's clock meanwhile.
      await (state === 'working' ? sleep(1) : turn());
      const isStill = state === 'idle' || state === 'waiting' || (state === 'away' && this.#isGone);
      quiet = isStill ? quiet + 1 : 0;
      if (state === 'away' && !this.#isGone) this.scheduler.advance(60_000);
    }
  }

  /** An operator's rotation, with the time that it may wait. */
  rotate(): Promise<void> {
    return this.#run(this.journal.rotate().then(() => undefined));
  }

  get #isGone(): boolean {
    return this.#line.isDead || this.chip.isAway;
  }

  async #run(work: Promise<void> | undefined): Promise<void> {
    let isDone = false;
    const done = work?.finally(() => {
      isDone = true;
    });
    for (const endMs = performance.now() + LIMIT_MS; work !== undefined && !isDone && performance.now() < endMs; ) {
      this.scheduler.advance(1);
      await sleep(1);
    }
    await done;
  }

  /** Of all logs here, oldest first. */
  anchorsMade(): readonly {
    readonly log: string;
    readonly of: string;
    readonly counter: number;
    readonly size: number;
  }[] {
    return this.origins().flatMap((log) =>
      this.entries(log).flatMap((entry) => {
        if (entry['type'] !== 'anchor.made' || entry['carried'] !== undefined) return [];
        const data = entry['data'] as { readonly log?: string; readonly counter: number; readonly size: number };
        return [{ log, of: data.log ?? log, counter: data.counter, size: data.size }];
      }),
    );
  }

  /** Of a damaged file, what can be read. */
  override entries(origin: string): readonly Readonly<Record<string, unknown>>[] {
    if (!this.journal.log(origin).salvaged) return super.entries(origin);
    const log = this.journal.log(origin);
    return [...log.database.leaves(0, log.size)].flatMap(({ leaf }) => {
      const text = Buffer.from(leaf ?? []).toString();
      return text.startsWith('{') ? [JSON.parse(text) as Readonly<Record<string, unknown>>] : [];
    });
  }

  /** What a verifier who holds all logs of this disk finds; lines that count for nothing are an error. */
  judged(): ContinuityVerdict {
    const histories = this.origins().map((origin) => {
      const rootAt = (of: string, size: number): Uint8Array | undefined => {
        const log = this.origins().includes(of) ? this.journal.log(of) : undefined;
        return log === undefined || size > log.size ? undefined : log.database.rootAt(size);
      };
      const collector = new HistoryCollector(nodeCrypto, this.chip.paper.trust, origin, rootAt);
      const log = this.journal.log(origin);
      for (const { index, leaf } of log.database.leaves(0, log.size)) {
        if (leaf === undefined) {
          collector.unreadable(index);
          continue;
        }
        const checked = checkLeaf(origin, index, leaf);
        const event = checked.ok && checked.value.use.use === 'accepted' ? checked.value.event : undefined;
        if (event !== undefined) collector.entry(index, event);
        else if (log.salvaged) collector.unreadable(index);
        else throw new Error(`entry ${index} of ${origin} is not usable`);
      }
      if (collector.refusedCount > 0) throw new Error(`an anchor was refused: ${JSON.stringify(collector.refused)}`);
      return collector.history();
    });
    return judgeContinuity(histories);
  }

  /** Each value over one text, and no honest gateway accused. */
  faults(): readonly string[] {
    const twice = [...this.chip.texts]
      .filter(([, texts]) => texts.size > 1)
      .map(([value]) => `${value} over two texts`);
    const refuted = this.judged().findings.filter(({ kind }) => kind === 'refuted');
    return [...twice, ...refuted.map(({ name, detail }) => `${name}: ${detail}`)];
  }

  /** Signature lines of the note of that size. */
  linesAt(origin: string, size: number): number {
    const note = this.journal.log(origin).noteAt(size);
    return note === undefined ? 0 : Buffer.from(note).toString().trimEnd().split('\n').length - 4;
  }
}
