/**
 * A gateway's journal, keys and anchors in this process on a real swtpm: quick to start, to cut, to copy and to roll back.
 * What its logs say is judged as a stranger would: by the verifier over its entries and its exports.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedTpm } from '../../../simulators/tpm/tpm.ts';
import { base64, hex } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { systemScheduler } from '../../../src/base/system-scheduler.ts';
import { TpmDuty } from '../../../src/edge/gateway/tpm-duty.ts';
import { type Journal, openJournal } from '../../../src/edge/journal/journal.ts';
import { journalSettingsSchema } from '../../../src/edge/journal/journal-settings.ts';
import type { TpmBox } from '../../../src/edge/keys/tpm-box.ts';
import type { TpmKeyStore } from '../../../src/edge/keys/tpm-key-store.ts';
import { WEAR_DEFAULTS } from '../../../src/edge/keys/wear-budget.ts';
import type { TpmClient } from '../../../src/edge/tpm/client.ts';
import type { TpmAddress } from '../../../src/edge/tpm/open-transport.ts';
import { HistoryCollector } from '../../../src/evidence/anchor/collect.ts';
import { judgeContinuity } from '../../../src/evidence/anchor/continuity.ts';
import type { ContinuityFinding } from '../../../src/evidence/anchor/findings.ts';
import type { LogHistory } from '../../../src/evidence/anchor/history.ts';
import { checkLeaf } from '../../../src/evidence/batch/check-leaf.ts';
import type { CustodyEvent, EventBody } from '../../../src/evidence/event/event.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { portableCrypto } from '../../../src/evidence/portable-crypto.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { policyOf } from '../../support/test-trust.ts';
import { testBox, testClient } from '../../support/tpm-box.ts';
import { until } from '../../support/until.ts';

const DOMAIN = 'lockers.example';
const GATEWAY = 'gw-0001';
const LIMIT_MS = 60_000;
const START = Buffer.alloc(16, 7).toString('base64url');
const settings = { ...journalSettingsSchema.parse({}), groupCommitMs: 0, reserveBytes: 4_096 };
const AT_ONCE = {
  parcel_gap_s: 0,
  entries_gap_s: 0,
  idle_gap_s: 3_600,
  increments_per_year: WEAR_DEFAULTS.perYear,
  increments_saved: WEAR_DEFAULTS.bucketMax,
};

export interface RealBoxOptions {
  /** Where the box finds its TPM, when somebody stands between. */
  readonly address?: TpmAddress;
  /** Of the first log's key. */
  readonly seed?: Uint8Array;
}

interface Running {
  readonly client: TpmClient;
  readonly box: TpmBox;
  readonly store: TpmKeyStore;
  readonly journal: Journal;
  readonly duty: TpmDuty;
}

export class RealBox {
  readonly tpm: SimulatedTpm;
  readonly dir: string;
  readonly #options: RealBoxOptions;
  readonly #scheduler = systemScheduler();
  #disk = 0;
  #events = 0;
  #running: Running | undefined;

  constructor(tpm: SimulatedTpm, dir: string, options: RealBoxOptions = {}) {
    this.tpm = tpm;
    this.dir = dir;
    this.#options = options;
  }

  /** Data directory of the gateway. */
  get disk(): string {
    return join(this.dir, `disk-${this.#disk}`);
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('the box is off');
    return this.#running;
  }

  get journal(): Journal {
    return this.running.journal;
  }

  get counter(): number {
    return this.running.duty.status()?.anchors.counter ?? 0;
  }

  /** Rejects when the journal cannot be opened; the box is off then. */
  async start(): Promise<void> {
    const client = testClient(this.#options.address ?? this.tpm.address);
    try {
      await this.#start(client);
    } catch (error) {
      this.#running = undefined;
      await client.close();
      throw error;
    }
  }

  async #start(client: TpmClient): Promise<void> {
    const { seed } = this.#options;
    const seeds = seed === undefined ? [] : [seed];
    // Keys made ahead for later logs have seeds of their own.
    const random = { randomBytes: (sizeBytes: number) => Uint8Array.from(seeds.pop() ?? randomBytes(sizeBytes)) };
    const { box, store } = await testBox(client, join(this.disk, 'keys'), random);
    const metrics = new MemoryMetrics();
    const observer = { observe: () => this.#observe() };
    const readCounter = () => box.readCounter(AbortSignal.timeout(LIMIT_MS)).catch(() => undefined);
    const common = { crypto: nodeCrypto, scheduler: this.#scheduler, logger: silentLogger, metrics, observer };
    const journal = await openJournal({
      dataDir: this.disk,
      operatorDomain: DOMAIN,
      gatewayId: GATEWAY,
      keyStore: store,
      receiptKeys: [],
      settings,
      about: () => ({ version: '0.1.0' }),
      readCounter,
      ...common,
    });
    await journal.settled();
    const target = client.target;
    const duty = new TpmDuty({
      tpm: { box, settings: { anchors: AT_ONCE }, target, policy: 'local' },
      journal,
      ...common,
    });
    this.#running = { client, box, store, journal, duty };
    const early = await duty.early();
    const counts = early && { tpm_resets: early.resets, tpm_restarts: early.restarts };
    const clean = journal.previousEnd?.clean ?? false;
    await this.#say({ type: 'gateway.started', data: { start: START, clean, ...counts } });
    duty.start(early);
  }

  async stop(): Promise<void> {
    await this.#say({ type: 'gateway.stopped', data: { reason: 'signal' } });
    const { client, journal, duty } = this.running;
    this.#running = undefined;
    await duty.stop();
    await journal.close();
    await client.close();
  }

  /** The daemon is killed: the disk stays as it lies; whatever is on its way to the TPM does not arrive. */
  async crash(): Promise<void> {
    const { client, journal, duty } = this.running;
    this.#running = undefined;
    await client.close();
    const before = this.disk;
    this.#disk += 1;
    copyLive(before, this.disk);
    await duty.stop();
    await journal.close().catch(() => undefined);
    rmSync(before, { recursive: true, force: true });
  }

  /** Whatever state it is in. */
  async end(): Promise<void> {
    if (this.#running !== undefined) await this.crash();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** The databases as they lie now, for `restore`. The box is off. */
  keep(name: string): void {
    cpSync(join(this.disk, 'journal'), join(this.dir, name), { recursive: true });
  }

  restore(name: string): void {
    this.lose();
    cpSync(join(this.dir, name), join(this.disk, 'journal'), { recursive: true });
  }

  lose(): void {
    rmSync(join(this.disk, 'journal'), { recursive: true, force: true });
  }

  /** The whole disk, keys and all, in another box. The box is off. */
  cloneTo(other: RealBox): void {
    mkdirSync(other.dir, { recursive: true, mode: 0o700 });
    cpSync(this.disk, other.disk, { recursive: true });
  }

  /** Scans that are durable when this resolves. */
  async record(count = 1): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      this.#events += 1;
      const text = `event-${this.#events}`;
      await this.#say({ type: 'code.scanned', device: 'scanner-1', data: { size_bytes: text.length, text } });
    }
  }

  /** Waits until an anchor is over everything but anchors. */
  async anchored(): Promise<number> {
    const { duty, journal } = this.running;
    await until(
      'all is anchored',
      () => {
        const { anchors } = journal;
        const state = duty.status()?.anchors.state;
        const isDone = anchors !== undefined && anchors.intent() === undefined && anchors.lastCounter() !== undefined;
        const waiting = anchors?.candidate()?.unanchored;
        return isDone && (state === 'idle' || state === 'waiting') && (waiting === undefined || waiting === 'idle');
      },
      LIMIT_MS,
    );
    return this.counter;
  }

  /** So many scans, each under an anchor of its own. */
  async recordAnchored(count: number): Promise<number> {
    for (let i = 0; i < count; i += 1) {
      await this.record();
      await this.anchored();
    }
    return this.counter;
  }

  origins(): readonly string[] {
    return this.journal.status().logs.map(({ origin }) => origin);
  }

  /** Event by event, as this disk holds them. */
  events(origin: string = this.journal.origin()): readonly CustodyEvent[] {
    const log = this.journal.log(origin);
    return [...log.database.leaves(0, log.size)].map(({ leaf }) => {
      return JSON.parse(Buffer.from(leaf ?? []).toString()) as CustodyEvent;
    });
  }

  /** What a verifier who holds all logs of this disk knows of them. */
  histories(): readonly LogHistory[] {
    const { box, journal } = this.running;
    const trust = { ak: box.ak, counter: box.identity.counter.name };
    return this.origins().map((origin) => {
      const rootAt = (of: string, size: number): Uint8Array | undefined => {
        const log = this.origins().includes(of) ? journal.log(of) : undefined;
        return log === undefined || size > log.size ? undefined : log.database.rootAt(size);
      };
      const collector = new HistoryCollector(nodeCrypto, trust, origin, rootAt);
      const log = journal.log(origin);
      for (const { index, leaf } of log.database.leaves(0, log.size)) {
        const checked = leaf === undefined ? undefined : checkLeaf(origin, index, leaf);
        const event = checked?.ok && checked.value.use.use === 'accepted' ? checked.value.event : undefined;
        if (event !== undefined) collector.entry(index, event);
        else if (log.salvaged) collector.unreadable(index);
        else throw new Error(`entry ${index} of ${origin} is not usable`);
      }
      if (collector.refusedCount > 0) throw new Error(`an anchor was refused: ${JSON.stringify(collector.refused)}`);
      return collector.history();
    });
  }

  findings(): readonly ContinuityFinding[] {
    return judgeContinuity(this.histories()).findings;
  }

  /** The open log as it is exported. */
  async exported(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    const write = async (bytes: Uint8Array): Promise<void> => void parts.push(bytes);
    const origin = this.journal.origin();
    const done = await this.journal.export({ origin, write, signal: AbortSignal.timeout(LIMIT_MS) });
    if (!done.ok) throw new Error(done.detail);
    return new Uint8Array(Buffer.concat(parts));
  }

  /** The open log in a policy that names this AK and counter, as of a chip. */
  trusted() {
    const { box, journal } = this.running;
    return {
      vkey: formatVkey(journal.log().vkey),
      ak: base64(box.akSpki),
      counter: hex(box.identity.counter.name),
      class: 'hardware',
      enrolment: Buffer.alloc(32, 1).toString('base64url'),
    };
  }

  /** What a stranger says of an export of the open log. */
  verdict(bytes: Uint8Array): Verdict {
    const policy = policyOf([], { logs: [this.trusted()] });
    return verifyBytes(bytes, { cryptos: [nodeCrypto, portableCrypto()], policy });
  }

  async #say(body: EventBody): Promise<void> {
    const { appender } = this.journal;
    appender.append({ observed: this.#observe(), body, urgent: true });
    await appender.flush(AbortSignal.timeout(LIMIT_MS));
  }

  #observe() {
    const wallMs = this.#scheduler.wallMs();
    return { wallMs, upMs: Math.round(this.#scheduler.monotonicMs()), clock: { src: 'none' } as const };
  }
}

/** A file that comes and goes while it is copied (a name before its rename) has the copy made anew. */
function copyLive(from: string, to: string): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      cpSync(from, to, { recursive: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) throw error;
      rmSync(to, { recursive: true, force: true });
    }
  }
}

/** Names of what refutes, and of what is reported. */
export function namesOf(findings: readonly ContinuityFinding[], kind?: ContinuityFinding['kind']): readonly string[] {
  return findings.filter((finding) => kind === undefined || finding.kind === kind).map(({ name }) => name);
}
