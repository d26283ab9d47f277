/**
 * One gateway: its messages in the order in which they came, its believed logs, and what is parked of it.
 *
 * Messages are worked off one after the other, so that nothing here runs beside itself; other gateways do not wait.
 */
import { equalBytes, utf8Text } from '../../base/bytes.ts';
import { frameBatch, hintOf } from '../../evidence/batch/batch.ts';
import { verifyBatch } from '../../evidence/batch/verify-batch.ts';
import { formatNote, formatVkey, verifyLogNote } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import { type Frontier, rootOf } from '../../evidence/log/tree.ts';
import { parseEnrolment, parseStatus } from '../../evidence/wire/messages.ts';
import { logName, type ParsedTopic } from '../../evidence/wire/topics.ts';
import { type Asked, askDueMs, askedNow } from './asking.ts';
import { type BatchCircle, type BatchOptions, ourSide, takeBatch } from './batch-intake.ts';
import type { IntakeContext } from './context.ts';
import { TrustOfGateway } from './gateway-trust.ts';
import type { ClosedBefore } from './judge-rows.ts';
import { type Announced, LogIntake } from './log-intake.ts';
import type { Outcome } from './outcome.ts';
import { Parking } from './parking.ts';
import { ownNote } from './receipts.ts';
import type { HeldGateway } from './store.ts';
import { soundLogVkey, type TrustedLog } from './trust.ts';

const LIVE: BatchOptions = { imported: false };

export class GatewayIntake {
  readonly gateway: string;
  readonly logs = new Map<string, LogIntake>();
  readonly trust: TrustOfGateway;
  readonly parking: Parking;
  readonly #context: IntakeContext;
  readonly #circle: BatchCircle;
  /** When the beginning of a log was asked for last that could be believed at first use. */
  #beginning: Asked | undefined;
  /** The store was asked what it holds; before that nothing may be judged. */
  isLoaded = false;

  constructor(context: IntakeContext, gateway: string) {
    this.gateway = gateway;
    this.#context = context;
    this.parking = new Parking(context.limits, context.parkingTotal);
    this.trust = new TrustOfGateway(context.crypto, gateway, context.trustFirstUse);
    this.#circle = {
      ...context,
      gateway,
      carried: 0,
      isClosed: (origin) => this.trust.isClosed(origin),
      parkAhead: (log, first, bytes) => this.#parkAhead(log, first, bytes),
      parkUnreadable: (log, first, bytes) => this.#parkUnreadable(log, first, bytes),
      mayGrow: (trusted, log, end) => this.#mayGrow(trusted, log, end),
      closes: (by, predecessor) => this.#closes(by, predecessor),
    };
  }

  /** Takes over what the store holds, at the start and whenever the store came back. */
  load(held: HeldGateway): void {
    this.#circle.carried = held.carried;
    this.trust.load(this.#context.policy(), held.trust);
    const found = new Map(held.logs.map((log) => [log.origin, log]));
    for (const origin of found.keys()) this.#log(origin);
    for (const log of this.logs.values()) {
      log.load(found.get(log.origin));
      // Its proof is kept for good; whoever looks after the log from now on must be told as well.
      if (log.forks > 0) this.#context.alarms.raise('fork', this.gateway, log.origin);
      if (log.receiptableSize < (log.cosigned?.size ?? 0)) {
        this.#context.alarms.raise('behind_receipt', this.gateway, log.origin);
      }
    }
    this.#tellFrozen();
    this.isLoaded = true;
  }

  /** Nothing of this gateway is stored, believed or parked: it may be forgotten. */
  get isEmpty(): boolean {
    return this.logs.size === 0 && this.trust.logs.size === 0 && this.parking.bytes === 0;
  }

  async message(topic: ParsedTopic, payload: Uint8Array): Promise<void> {
    switch (topic.name) {
      case 'batch':
        await this.batch(payload, LIVE);
        break;
      case 'checkpoint':
        await this.#checkpoint(topic.tag ?? '', payload);
        break;
      case 'enrolment':
        await this.#enrolment(payload);
        break;
      case 'status':
        this.#status(payload);
        break;
      default:
    }
  }

  async batch(bytes: Uint8Array, options: BatchOptions): Promise<Outcome> {
    const outcome = await this.#route(bytes, options);
    this.#context.metrics.count('intake_batches', 1, { outcome });
    if (outcome !== 'accepted' && outcome !== 'known') {
      this.#context.logger.debug({ gateway: this.gateway, outcome }, 'a batch was not taken');
    }
    return outcome;
  }

  /** The policy changed: what is believed now may release what was parked. */
  async policyChanged(): Promise<void> {
    this.trust.derive(this.#context.policy());
    this.#tellFrozen();
    await this.#release();
  }

  /** A frozen log stays an alarm, also after a restart. */
  #tellFrozen(): void {
    for (const { origin, frozen } of this.trust.logs.values()) {
      if (frozen !== undefined) this.#context.alarms.raise(frozen, this.gateway, origin);
    }
  }

  /** Every second: asks for what is missing, compares checkpoints that waited for their entries. */
  async tick(nowMs: number): Promise<void> {
    this.#askBeginning(nowMs);
    for (const log of this.logs.values()) {
      const trusted = this.trust.find(log.origin);
      if (trusted === undefined || trusted.frozen !== undefined) continue;
      this.#ask(log, nowMs);
      await this.#compareAnnounced(log);
    }
  }

  receiptsDue(): void {
    for (const log of this.logs.values()) this.#context.writer.receiptDue(log);
  }

  async #route(bytes: Uint8Array, options: BatchOptions): Promise<Outcome> {
    if (this.#context.writer.failure !== undefined) return 'store_down';
    const { origin: text } = hintOf(bytes);
    const origin = parseOrigin(text ?? '');
    if (text === undefined || !origin.ok) return 'no_origin';
    if (origin.value.gateway !== this.gateway) {
      this.#context.alarms.raise('foreign_origin', this.gateway);
      return 'foreign_origin';
    }
    const known = this.trust.find(text);
    const trusted = known ?? (await this.#firstUse(text, bytes));
    if (trusted === undefined) return this.#parkUnknown(text, bytes);
    if (trusted.frozen !== undefined) return 'frozen';
    const log = this.#log(text);
    const outcome = await takeBatch(this.#circle, trusted, log, bytes, options);
    if (outcome === 'accepted') {
      await this.#compareHead(log);
      await this.#takeParked(trusted, log);
    }
    // What came before the beginning of a log that has just been believed.
    if (known === undefined) await this.#release();
    return outcome;
  }

  /** Batches that waited for what has just been accepted. */
  async #takeParked(trusted: TrustedLog, log: LogIntake): Promise<void> {
    for (;;) {
      const waiting = this.parking.take(log.origin, 'ahead', log.topSize);
      if (waiting.length === 0) return;
      for (const { bytes } of waiting) await takeBatch(this.#circle, trusted, log, bytes, LIVE);
    }
  }

  #log(origin: string): LogIntake {
    let log = this.logs.get(origin);
    if (log === undefined) {
      log = new LogIntake(this.gateway, origin);
      log.acceptedBelow = this.#context.acceptedGaps.get(origin) ?? 0;
      this.logs.set(origin, log);
    }
    return log;
  }

  #parkUnknown(origin: string, bytes: Uint8Array): Outcome {
    const first = hintOf(bytes).first ?? 0;
    const answer = this.parking.park(origin, { kind: 'unknown', first, bytes: new Uint8Array(bytes) });
    if (answer === 'full') {
      this.#context.alarms.raise('parking_full', this.gateway);
      return 'parking_full';
    }
    this.#context.alarms.raise('unknown_origin', this.gateway, origin);
    return 'unknown_origin';
  }

  #parkAhead(log: LogIntake, first: number, bytes: Uint8Array): 'ahead' | 'parking_full' {
    const answer = this.parking.park(log.origin, { kind: 'ahead', first, bytes: new Uint8Array(bytes) });
    if (answer === 'full') this.#context.alarms.raise('parking_full', this.gateway, log.origin);
    this.#ask(log, this.#context.scheduler.monotonicMs());
    return answer === 'full' ? 'parking_full' : 'ahead';
  }

  #parkUnreadable(log: LogIntake, first: number, bytes: Uint8Array): Outcome {
    const answer = this.parking.park(log.origin, { kind: 'unreadable', first, bytes: new Uint8Array(bytes) });
    this.#context.alarms.raise('unreadable_parked', this.gateway, log.origin);
    return answer === 'full' ? 'parking_full' : 'unreadable';
  }

  #ask(log: LogIntake, nowMs: number): void {
    const first = log.ask(nowMs, this.parking.firstAhead(log.origin));
    if (first !== undefined) this.#context.request(log, first);
  }

  /**
   * First use needs entry 0, and a gateway whose entries another consumer receipted before this one came sends what follows
   * alone: it is asked for the beginning of what waits, each log in turn.
   */
  #askBeginning(nowMs: number): void {
    if (!this.trust.takesFirstUse || nowMs < askDueMs(this.#beginning, 0)) return;
    const origins = this.parking.unknownOrigins;
    const origin = origins[(this.#beginning?.count ?? 0) % origins.length];
    if (origin === undefined) return;
    this.#beginning = askedNow(this.#beginning, 0, nowMs);
    this.#context.request({ gateway: this.gateway, origin }, 0);
  }

  /** Revocation and succession bound how far a log may grow. */
  async #mayGrow(trusted: TrustedLog, log: LogIntake, end: number): Promise<Outcome | undefined> {
    const { alarms } = this.#context;
    if (trusted.revokedAt !== undefined && end > trusted.revokedAt.size) return 'revoked';
    const last = trusted.closed?.last;
    if (last !== undefined && end > last.size) {
      await this.#freeze(log);
      return 'frozen';
    }
    const closedAt = this.trust.closedSize(log.origin);
    if (closedAt !== undefined && end > closedAt) alarms.raise('grew_after_close', this.gateway, log.origin);
    return undefined;
  }

  async #freeze(log: LogIntake): Promise<void> {
    const { writer } = this.#context;
    const record = { kind: 'grew', origin: log.origin } as const;
    if (await writer.saveTrust(this.gateway, record)) this.trust.add(this.#context.policy(), record);
    this.#tellFrozen();
  }

  async #closes(by: string, before: ClosedBefore): Promise<void> {
    const record = { kind: 'closed', by, ...before } as const;
    if (
      this.trust.isFull ||
      !this.trust.takesClosed(record) ||
      !(await this.#context.writer.saveTrust(this.gateway, record))
    )
      return;
    this.trust.add(this.#context.policy(), record);
  }

  /** The key of a gateway's first log, out of its own entry 0, when the operator switched that on. */
  async #firstUse(origin: string, bytes: Uint8Array): Promise<TrustedLog | undefined> {
    if (!this.trust.takesFirstUse) return undefined;
    const { alarms, crypto, logger, writer } = this.#context;
    const vkey = soundLogVkey(crypto, this.gateway, statedVkey(bytes) ?? '');
    if (vkey?.name !== origin || !verifyBatch(crypto, bytes, { vkey }).ok) return undefined;
    const record = { kind: 'first_use', vkey: formatVkey(vkey) } as const;
    if (!(await writer.saveTrust(this.gateway, record))) return undefined;
    this.trust.add(this.#context.policy(), record);
    alarms.raise('trusted_at_first_use', this.gateway, origin);
    logger.warn({ gateway: this.gateway, vkey: record.vkey }, 'trusting a log key because it came first');
    return this.trust.find(origin);
  }

  async #enrolment(payload: Uint8Array): Promise<void> {
    const { alarms, metrics, writer } = this.#context;
    const enrolment = parseEnrolment(payload);
    if (!enrolment.ok) return metrics.count('intake_messages_refused', 1, { kind: 'enrolment' });
    let changed = false;
    const policy = this.#context.policy();
    const record = enrolment.value.record && this.trust.judgeRecord(policy, enrolment.value.record);
    if (record !== undefined && !this.trust.isFull) {
      if (!(await writer.saveTrust(this.gateway, record))) return;
      this.trust.add(policy, record);
      this.#context.known(this.gateway);
      changed = true;
    }
    for (const envelope of enrolment.value.successors) {
      const answer = this.trust.judge(envelope);
      if (answer.kind === 'refused') {
        alarms.raise('successor_refused', this.gateway, answer.old, `refused: ${answer.reason}`);
      }
      if (answer.kind !== 'new' || this.trust.isFull) continue;
      if (!(await writer.saveTrust(this.gateway, answer.record))) return;
      this.trust.add(this.#context.policy(), answer.record);
      changed = true;
    }
    if (!changed) return;
    this.#tellFrozen();
    await this.#checkGrown();
    await this.#release();
  }

  /** A log that is already larger than its successor says, or another tree, is no honest predecessor. */
  async #checkGrown(): Promise<void> {
    const { crypto, store, writer } = this.#context;
    await writer.settled();
    for (const { origin, closed } of this.trust.logs.values()) {
      const log = this.logs.get(origin);
      const last = closed?.last;
      if (log === undefined || last === undefined || log.topSize < last.size) continue;
      const tree = await store.frontierAt(origin, last.size);
      const differs = tree !== undefined && !equalBytes(rootOf(crypto, tree), last.root);
      if (log.topSize > last.size || differs) await this.#freeze(log);
    }
  }

  /** Parked batches of logs that are believed by now. */
  async #release(): Promise<void> {
    for (const origin of this.parking.unknownOrigins) {
      if (this.trust.find(origin) === undefined) continue;
      for (const { bytes } of this.parking.take(origin, 'unknown', Number.POSITIVE_INFINITY)) {
        await this.batch(bytes, LIVE);
      }
    }
  }

  #status(payload: Uint8Array): void {
    const status = parseStatus(payload);
    if (!status.ok) this.#context.metrics.count('intake_messages_refused', 1, { kind: 'status' });
    else if (status.value.state === 'online') this.receiptsDue();
  }

  /** A verified checkpoint says how far the log is, and must be of the tree that we hold. */
  async #checkpoint(tag: string, payload: Uint8Array): Promise<void> {
    const { crypto, metrics } = this.#context;
    const trusted = [...this.trust.logs.values()].find(({ origin }) => {
      const parsed = parseOrigin(origin);
      return parsed.ok && logName(parsed.value) === tag;
    });
    if (trusted === undefined || trusted.frozen !== undefined) return;
    const note = verifyLogNote(crypto, payload, trusted.vkey);
    if (!note.ok) return metrics.count('intake_messages_refused', 1, { kind: 'checkpoint' });
    const log = this.#log(trusted.origin);
    const { size, root } = note.value.checkpoint;
    await this.#compareAnnounced(log);
    // One that still waits for its entries is compared when they are here; a larger one says more.
    if (log.announced !== undefined && log.announced.size > size) return;
    log.announced = { size, root, note: formatNote(ownNote(trusted.vkey, note.value.note)) };
    if (log.lastProgressMs === 0) log.lastProgressMs = this.#context.scheduler.monotonicMs();
  }

  /** The usual case, without the store: the checkpoint that came before its batch. */
  async #compareHead(log: LogIntake): Promise<void> {
    const { announced } = log;
    const end = log.accepted.at(-1)?.end;
    if (announced !== undefined && end?.size === announced.size) await this.#compareWith(log, announced, end);
  }

  async #compareAnnounced(log: LogIntake): Promise<void> {
    const { announced } = log;
    if (announced === undefined || announced.size > log.durableSize) return;
    if (this.#context.writer.failure !== undefined) return;
    await this.#compareWith(log, announced, await this.#context.store.frontierAt(log.origin, announced.size));
  }

  async #compareWith(log: LogIntake, announced: Announced, tree: Frontier | undefined): Promise<void> {
    const { alarms, crypto, writer } = this.#context;
    if (log.announced === announced) log.announced = undefined;
    if (tree === undefined || equalBytes(rootOf(crypto, tree), announced.root)) return;
    alarms.raise('fork', this.gateway, log.origin);
    await writer.settled();
    const ours = await ourSide(this.#context, log, announced.size);
    const kept = await writer.keepFork(log.origin, { kind: 'checkpoint', theirs: announced.note, ours });
    if (kept === 'kept') log.forks += 1;
  }
}

/** What entry 0 of a batch says its log's key is. Not believed: the caller checks it against the origin. */
function statedVkey(bytes: Uint8Array): string | undefined {
  const frame = frameBatch(bytes);
  const leaf = frame.ok && hintOf(bytes).first === 0 ? frame.value.leaves[0] : undefined;
  try {
    const event = JSON.parse(utf8Text(leaf ?? new Uint8Array(0)) ?? '') as {
      readonly data?: { readonly vkey?: unknown };
    };
    return typeof event.data?.vkey === 'string' ? event.data.vkey : undefined;
  } catch {
    return undefined;
  }
}
