/**
 * A gateway's journal on a real directory, the broker that keeps its retained messages, and a consumer: what tests of
 * continuity turn by hand. A crash is a copy of the directory as it lies, opened anew; the old object is thrown away.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { MemoryVerdict, ReceiptAnswer, RetainedMessage } from '../../../src/edge/contracts/outbox.ts';
import type { OwnEnrolment } from '../../../src/edge/contracts/own-enrolment.ts';
import type { KeyStore, Signer } from '../../../src/edge/contracts/signer.ts';
import { type Journal, openJournal } from '../../../src/edge/journal/journal.ts';
import { journalSettingsSchema } from '../../../src/edge/journal/journal-settings.ts';
import { SoftwareKeyStore } from '../../../src/edge/keys/software-key-store.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { Consumer, readNote, Witness } from './consumer.ts';
import { looksOf, marksOn } from './disk.ts';

export const DOMAIN = 'lockers.example';
export const GATEWAY = 'gw-0001';
const COPY_TRIES = 5;

const settings = {
  ...journalSettingsSchema.parse({}),
  groupCommitMs: 0,
  reserveBytes: 4_096,
  retryFirstMs: 10,
  retryMaxMs: 10,
};

export interface BoxOptions {
  readonly witnesses?: readonly { readonly witness: Witness; readonly role: 'store' | 'advisory' }[];
  readonly gatewayId?: string;
}

export class Box {
  readonly root = mkdtempSync(join(tmpdir(), 'latchkey-journal-'));
  /** What the broker keeps, by topic below the gateway's root. */
  readonly broker = new Map<string, Uint8Array>();
  readonly vkeys = new Map<string, Uint8Array>();
  readonly consumer = new Consumer(this.vkeys);
  readonly witnesses: NonNullable<BoxOptions['witnesses']>;
  readonly scheduler = new ManualScheduler();
  readonly metrics = new MemoryMetrics();
  /** Marks of events that are durable on the disk as it is now. */
  durable = new Set<string>();
  gatewayId: string;
  /** The key store refuses for now. */
  locked = false;
  /** Of a box with a TPM. */
  readCounter: (() => Promise<number | undefined>) | undefined;
  /** Of a box that was enrolled. */
  enrolment: OwnEnrolment | undefined;
  #dir = 0;
  #event = 0;
  #journal: Journal | undefined;

  constructor(options: BoxOptions = {}) {
    this.witnesses = options.witnesses ?? [{ witness: new Witness('store.example/a'), role: 'store' }];
    this.gatewayId = options.gatewayId ?? GATEWAY;
  }

  get dir(): string {
    return join(this.root, `disk-${this.#dir}`);
  }

  get journal(): Journal {
    if (this.#journal === undefined) throw new Error('the box is off');
    return this.#journal;
  }

  get isOn(): boolean {
    return this.#journal !== undefined;
  }

  get store(): Witness {
    const [first] = this.witnesses;
    if (first === undefined) throw new Error('no witness');
    return first.witness;
  }

  async start(): Promise<void> {
    const keyStore = this.#lockable(await SoftwareKeyStore.open(join(this.dir, 'keys'), nodeCrypto));
    let upMs = 0;
    this.#journal = await openJournal({
      dataDir: this.dir,
      operatorDomain: DOMAIN,
      gatewayId: this.gatewayId,
      keyStore,
      receiptKeys: this.witnesses.map(({ witness, role }) => ({ vkey: witness.vkey, role })),
      crypto: nodeCrypto,
      scheduler: this.scheduler,
      logger: silentLogger,
      metrics: this.metrics,
      settings,
      observer: {
        observe: () => {
          upMs += 1;
          return { wallMs: this.scheduler.wallMs(), upMs, clock: { src: 'none' } };
        },
      },
      about: () => ({ version: '0.1.0' }),
      ...(this.readCounter !== undefined && { readCounter: this.readCounter }),
      ...(this.enrolment !== undefined && { enrolment: this.enrolment }),
    });
    await this.journal.settled();
    this.learnKeys();
  }

  #lockable(keys: KeyStore): KeyStore {
    const guard = <A extends readonly unknown[], T>(work: (...args: A) => Promise<T>) => {
      return async (...args: A): Promise<T> => {
        if (this.locked) throw new LatchkeyError('KEY_LOCKED', 'the key store refuses for now');
        return await work(...args);
      };
    };
    const wrap = (signer: Signer): Signer => ({
      origin: signer.origin,
      publicKey: signer.publicKey,
      signCheckpoint: guard((text) => signer.signCheckpoint(text)),
      signEnvelope: guard((type, payload) => signer.signEnvelope(type, payload)),
    });
    return {
      kind: this.readCounter === undefined ? keys.kind : 'tpm',
      create: guard(async (...place) => wrap(await keys.create(...place))),
      open: guard(async (origin) => wrap(await keys.open(origin))),
      list: () => keys.list(),
      destroy: (origin) => keys.destroy(origin),
    };
  }

  /** What an operator enters by name: the consumer believes every log that was ever here. */
  learnKeys(): void {
    for (const { origin } of this.#journal?.status().logs ?? []) {
      this.vkeys.set(origin, this.journal.log(origin).vkey.publicKey);
    }
  }

  async stop(): Promise<void> {
    const journal = this.#journal;
    this.#journal = undefined;
    await journal?.close();
  }

  /** Power goes: the disk stays as it lies, what was in memory is gone. */
  async crash(): Promise<void> {
    const before = this.#dir;
    const journal = this.#journal;
    this.#journal = undefined;
    this.copyTo(`disk-${before + 1}`);
    this.#dir = before + 1;
    // What the old object still does is done on the old disk: its marks go to the old set.
    this.durable = new Set(this.durable);
    await journal?.close().catch(() => undefined);
    rmSync(join(this.root, `disk-${before}`), { recursive: true, force: true });
  }

  async restart(): Promise<void> {
    await this.crash();
    await this.start();
  }

  copyTo(name: string): void {
    // Keys are made meanwhile: a file may go between the listing and the copy, and a half-written one counts for nothing.
    for (let tries = 1; ; tries += 1) {
      rmSync(join(this.root, name), { recursive: true, force: true });
      if (!existsSync(this.dir)) return;
      try {
        cpSync(this.dir, join(this.root, name), { recursive: true, filter: (path) => !path.endsWith('.tmp') });
        return;
      } catch (error) {
        if (tries === COPY_TRIES || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }

  /** Keeps the disk as it is now, for `restore`. */
  snapshot(name: string): Snapshot {
    this.copyTo(`snapshot-${name}`);
    return { name: `snapshot-${name}`, durable: new Set(this.durable) };
  }

  /** The box is off: its disk becomes the copy, or only the databases in it do. */
  restore(snapshot: Snapshot, what: 'disk' | 'journal' = 'disk'): void {
    const from = join(this.root, snapshot.name);
    const part = what === 'disk' ? '' : 'journal';
    rmSync(join(this.dir, part), { recursive: true, force: true });
    cpSync(join(from, part), join(this.dir, part), { recursive: true });
    this.durable = marksOn(this.dir);
  }

  loseDatabases(): void {
    rmSync(join(this.dir, 'journal'), { recursive: true, force: true });
    this.durable = new Set();
  }

  /**
   * Runs a step and keeps the disk at every moment at which it had changed: what a power cut there would leave. Answers
   * with a box for each, whose broker and consumer are as they were before the step; at most `limit`, spread evenly.
   */
  async momentsOf(step: Promise<unknown>, limit: number): Promise<readonly Box[]> {
    const moments: { readonly name: string; readonly durable: ReadonlySet<string> }[] = [];
    let before = '';
    let isDone = false;
    const done = step.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    while (!isDone) {
      const now = looksOf(this.dir);
      if (now !== before) {
        const { name, durable } = this.snapshot(`moment-${moments.length}`);
        moments.push({ name, durable });
        before = now;
      }
      await turn();
    }
    await done;
    const every = Math.max(1, moments.length / limit);
    return moments
      .filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every))
      .map(({ name, durable }) => {
        const box = new Box({ witnesses: this.witnesses, gatewayId: this.gatewayId });
        cpSync(join(this.root, name), box.dir, { recursive: true });
        for (const [key, payload] of this.broker) box.broker.set(key, payload);
        for (const [origin, publicKey] of this.vkeys) box.vkeys.set(origin, publicKey);
        box.consumer.copy(this.consumer);
        box.durable = new Set(durable);
        box.#event = this.#event + 1_000;
        return box;
      });
  }

  /** Power goes after a step has changed the disk so many times, or when it is done. */
  async crashDuring(step: Promise<unknown>, changes: number): Promise<void> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    const done = step.then(end, end);
    let before = looksOf(this.dir);
    for (let seen = 0; !isDone && seen < changes; ) {
      await turn();
      const now = looksOf(this.dir);
      if (now !== before) seen += 1;
      before = now;
    }
    await this.crash();
    await done;
  }

  databases(): readonly string[] {
    return readdirSync(join(this.dir, 'journal')).filter((name) => name.endsWith('.db'));
  }

  /** Scans that are durable when this resolves. Answers their marks. */
  async record(count = 1): Promise<readonly string[]> {
    const marks: string[] = [];
    for (let i = 0; i < count; i += 1) marks.push(this.append());
    await this.journal.appender.flush(AbortSignal.timeout(60_000));
    return marks;
  }

  append(): string {
    this.#event += 1;
    const mark = `event-${this.#event}`;
    const { durable } = this;
    this.journal.appender.append({
      observed: { wallMs: this.scheduler.wallMs(), upMs: this.#event, clock: { src: 'none' } },
      body: { type: 'code.scanned', device: 'scanner-1', data: { size_bytes: mark.length, text: mark } },
      onDurable: () => durable.add(mark),
    });
    return mark;
  }

  retained(): readonly RetainedMessage[] {
    return [...this.broker].map(([name, payload]) => ({ name, payload }));
  }

  /** The first connection of a start. */
  async compare(): Promise<MemoryVerdict> {
    const verdict = await this.journal.outbox.compareMemory(this.retained());
    this.learnKeys();
    return verdict;
  }

  /** Everything that may leave leaves, as an uplink would send it; the consumer stores and the stores answer. */
  async send(options: { readonly receipts?: boolean } = {}): Promise<void> {
    for (let round = 0; round < 40; round += 1) {
      this.learnKeys();
      let moved = await this.#publishNotes();
      for (const { origin } of this.journal.outbox.logs()) moved = (await this.#sendBatches(origin)) || moved;
      if (options.receipts !== false) moved = (await this.receipts()) || moved;
      if (!moved) return;
      await turn();
    }
    throw new Error('sending never ends');
  }

  async #publishNotes(): Promise<boolean> {
    const { outbox } = this.journal;
    let moved = false;
    const enrolment = await outbox.enrolment();
    if (enrolment !== undefined) this.broker.set('enrolment', enrolment);
    for (const { origin } of outbox.logs()) {
      const checkpoint = outbox.checkpoint(origin);
      if (checkpoint === undefined) continue;
      const text = Buffer.from(checkpoint.note).toString();
      const note = this.consumer.see(text);
      const name = `checkpoint/${origin.split('/')[2]}`;
      const before = this.broker.get(name);
      if (before !== undefined && readNote(Buffer.from(before).toString()).size > note.size) {
        this.consumer.violations.push(`the retained checkpoint of ${origin} was replaced by a smaller one`);
      }
      moved ||= before === undefined || Buffer.compare(before, checkpoint.note) !== 0;
      this.broker.set(name, checkpoint.note);
      await outbox.markPublished(origin, checkpoint.size);
    }
    return moved;
  }

  async #sendBatches(origin: string): Promise<boolean> {
    const { outbox } = this.journal;
    let moved = false;
    for (;;) {
      const first = this.consumer.size(origin);
      const batch = await outbox.batch(origin, first, first > 0);
      if (batch === undefined || !this.consumer.take(batch.bytes)) return moved;
      moved = true;
    }
  }

  /** Each witness cosigns what the consumer stored, retained, and the box hears it. */
  async receipts(only?: Witness): Promise<boolean> {
    let moved = false;
    for (const [origin, note] of this.consumer.notes) {
      for (const { witness } of this.witnesses) {
        if (only !== undefined && witness !== only) continue;
        const name = receiptName(origin, witness);
        const payload = Buffer.from(witness.cosign(note));
        this.broker.set(name, payload);
        moved = (await this.hear(name, payload)) === 'progress' || moved;
      }
    }
    return moved;
  }

  async hear(name: string, payload: Uint8Array): Promise<ReceiptAnswer> {
    const answer = await this.journal.outbox.receipt(name, payload);
    this.learnKeys();
    return answer;
  }

  /** Stores publish their newest receipts again when a gateway comes online, also after the broker forgot them. */
  republishReceipts(): void {
    for (const [origin, note] of this.consumer.notes) {
      for (const { witness } of this.witnesses) {
        this.broker.set(receiptName(origin, witness), Buffer.from(witness.cosign(note)));
      }
    }
  }

  entries(origin: string): readonly Readonly<Record<string, unknown>>[] {
    const log = this.journal.log(origin);
    return [...log.database.leaves(0, log.size)].map(({ leaf }) => {
      return JSON.parse(Buffer.from(leaf ?? []).toString()) as Readonly<Record<string, unknown>>;
    });
  }

  origins(): readonly string[] {
    return this.journal.status().logs.map(({ origin }) => origin);
  }

  async end(): Promise<void> {
    await this.#journal?.close().catch(() => undefined);
    this.#journal = undefined;
    rmSync(this.root, { recursive: true, force: true });
  }
}

export interface Snapshot {
  readonly name: string;
  readonly durable: ReadonlySet<string>;
}

export function receiptName(origin: string, witness: Witness): string {
  return `receipt/${origin.split('/')[2]}/${witness.keyId.toString('hex')}`;
}
