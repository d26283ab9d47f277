/**
 * Webhooks of declared sources: proved to be of their source, judged, and kept once with what follows from them.
 *
 * A message and its effect are one transaction: what is answered with `accepted` is stored, and a message that could not
 * be stored is taken when it comes again. The same event again changes nothing; the very same message again is refused.
 */
import { createHash } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Metrics } from '../../base/metrics.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { personalTrace } from '../../evidence/event/identifier.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import { type HeaderReader, type OpenedSource, openSource, refusal } from './authenticate.ts';
import { parseBody, type SourceFact, type SourceMessage } from './body.ts';
import { FreshSources } from './fresh-sources.ts';
import { aboutOf, keepPaymentFact } from './payment-facts.ts';
import { SOURCE_REFUSALS, type SourceRefusal } from './reasons.ts';
import { RefusalLog } from './refusal-log.ts';
import type { SourceSettings } from './settings.ts';

export interface SettlementWord {
  readonly settlement_ref: string;
  readonly amount_minor: number;
  readonly currency: string;
  readonly settled_at_ms: number;
}

export interface SourcesParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
  readonly sources: readonly OpenedSource[];
  readonly tenant: string;
  readonly region: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** How long it is known that an event was taken (`retention.source_events_days`); for good without it. */
  readonly rememberedMs?: number;
  /** Without it a payment may not say whose it is. */
  readonly customers?: CustomerNames;
  /** Takes `refund.settled`; the same confirmation again must change nothing. Without it such an event is refused. */
  readonly settle?: (refundId: string, word: SettlementWord) => Promise<Result<unknown, string>>;
  /** Called after the commit; what it throws is logged. */
  readonly onTaken?: (taken: Taken) => void;
}

export interface Taken {
  readonly source: string;
  readonly eventId: string;
  /** The event was kept before: nothing has changed. */
  readonly duplicate: boolean;
  /** What the ledger or the payment side has of it. */
  readonly fact: SourceFact;
}

type Trx = Transaction<Database>;
type Side = SourceFact['side'];

interface Incoming {
  readonly source: string;
  readonly eventId: string;
  readonly message: SourceMessage;
  /** Of the whole message as it was sent, and until when it could come again. */
  readonly seen: { readonly digest: Uint8Array; readonly until: Date } | undefined;
  readonly level: 'declared' | 'unsigned';
}

/** Thrown within the transaction, so that it is rolled back. */
class Refused extends Error {
  readonly reason: SourceRefusal;

  constructor(reason: SourceRefusal) {
    super(reason);
    this.reason = reason;
  }
}

/** Reads the secrets of all of them. Rejects with CONFIG_UNREADABLE, KEY_PERMISSIONS or CONFIG_INVALID. */
export function openSources(
  settings: readonly SourceSettings[],
  crypto: EvidenceCrypto,
): Promise<readonly OpenedSource[]> {
  return Promise.all(settings.map((one) => openSource(one, crypto)));
}

export class SourcesRoom {
  readonly #parts: SourcesParts;
  readonly #refusals: RefusalLog;
  readonly #sources: FreshSources;

  constructor(parts: SourcesParts) {
    this.#parts = parts;
    this.#refusals = new RefusalLog(parts.logger, parts.clock);
    this.#sources = new FreshSources(parts);
  }

  /** Undefined for a source that is not declared. */
  bodyBytesMax(source: string): number | undefined {
    return this.#sources.known(source)?.settings.body_bytes_max;
  }

  /** Rejects with what the database throws: the sender then sends again. */
  async take(source: string, headers: HeaderReader, rawBody: Uint8Array): Promise<Result<Taken, SourceRefusal>> {
    const opened = await this.#sources.current(source);
    const incoming = this.#read(opened, headers, rawBody);
    const taken = incoming.ok ? await this.#keep(incoming.value) : incoming;
    if (!taken.ok) {
      this.#refusals.refused(opened?.settings.name, taken.reason);
      return taken;
    }
    this.#tell(taken.value);
    return taken;
  }

  #read(opened: OpenedSource | undefined, headers: HeaderReader, rawBody: Uint8Array): Result<Incoming, SourceRefusal> {
    if (opened === undefined) return refusal('unknown_source');
    const { settings } = opened;
    const source = settings.name;
    if (rawBody.length > settings.body_bytes_max) return refusal('too_large');
    const authentic = opened.check(headers, rawBody);
    if (!authentic.ok) return authentic;
    const nowMs = this.#parts.clock.wallMs();
    const toleranceMs = settings.tolerance_s * 1_000;
    const { signedAtMs } = authentic.value;
    if (signedAtMs !== undefined && signedAtMs < nowMs - toleranceMs) return refusal('stale');
    if (signedAtMs !== undefined && signedAtMs > nowMs + toleranceMs) return refusal('early');
    const message = this.#named(parseBody(settings.kind, rawBody));
    if (!message.ok) return message;
    const eventId = authentic.value.eventId ?? message.value.eventId;
    if (eventId === undefined || personalTrace(eventId) !== undefined) return refusal('bad_event_id');
    if ((message.value.eventId ?? eventId) !== eventId) return refusal('bad_event_id');
    if (message.value.occurredAtMs > nowMs + toleranceMs) return refusal('occurs_later');
    // Whether it was taken before may be forgotten: taken again, what it says would count twice.
    const { rememberedMs = Number.POSITIVE_INFINITY } = this.#parts;
    if (message.value.occurredAtMs <= nowMs - rememberedMs + toleranceMs) return refusal('occurred_before');
    return accept({
      source,
      eventId,
      message: message.value,
      level: settings.auth.type === 'bearer' ? 'unsigned' : 'declared',
      seen:
        signedAtMs === undefined
          ? undefined
          : {
              digest: this.#digestOf(eventId, String(signedAtMs), rawBody),
              until: new Date(signedAtMs + toleranceMs + 1),
            },
    });
  }

  /** The customer by pseudonym, from here on: nothing that is kept, told or logged knows another name. */
  #named(read: Result<SourceMessage, SourceRefusal>): Result<SourceMessage, SourceRefusal> {
    if (!read.ok || read.value.fact.side !== 'payments') return read;
    const { fact } = read.value.fact;
    if (fact.type !== 'payment.captured' || fact.customer_ref === undefined) return read;
    const { customers } = this.#parts;
    if (customers === undefined) return refusal('schema');
    const named = { ...fact, customer_ref: customers.customer(fact.customer_ref) };
    return accept({ ...read.value, fact: { side: 'payments', fact: named } });
  }

  /** Under the key of customers: what the body says of one cannot be guessed from it. */
  #digestOf(eventId: string, signedAt: string, body: Uint8Array): Uint8Array {
    const digest = digestOf(eventId, signedAt, body);
    return this.#parts.customers?.digest(digest) ?? digest;
  }

  async #keep(incoming: Incoming): Promise<Result<Taken, SourceRefusal>> {
    const { source, eventId, message } = incoming;
    const { fact } = message;
    try {
      if (fact.side === 'payments' && fact.fact.type === 'refund.settled') await this.#settle(incoming);
      const duplicate = await this.#parts.database.as(fact.side, (trx) => this.#store(trx, incoming));
      return accept({ source, eventId, duplicate, fact });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return refuse(error.reason, SOURCE_REFUSALS[error.reason][1]);
    }
  }

  /** True when the event is known. */
  async #store(trx: Trx, incoming: Incoming): Promise<boolean> {
    const { source, eventId, message, seen } = incoming;
    const { tenant, region, clock, crypto } = this.#parts;
    const owner = { tenant, region };
    const now = new Date(clock.wallMs());
    const { side } = message.fact;
    if (seen !== undefined && !(await remember(trx, side, { source, ...seen, ...owner }, now)))
      throw new Refused('replayed');
    const digest = crypto.sha256(
      Buffer.from(JSON.stringify([message.type, message.occurredAtMs, withoutCustomer(message.fact)])),
    );
    const row = { source, event_id: eventId, type: message.type, digest, received_at: now, ...owner };
    const { fact } = message;
    const about = fact.side === 'payments' ? { column: sql`, about`, value: sql`, ${aboutOf(fact.fact)}` } : undefined;
    const { rows } = await sql<{ readonly digest: Uint8Array }>`
      insert into ${sql.table(`${side}.source_event`)}
        (source, event_id, type, digest, occurred_at, received_at, tenant, region${about?.column ?? sql``})
      values (${row.source}, ${row.event_id}, ${row.type}, ${row.digest}, ${new Date(message.occurredAtMs)},
        ${row.received_at}, ${tenant}, ${region}${about?.value ?? sql``})
      on conflict do nothing returning digest`.execute(trx);
    if (rows.length === 0) {
      const known = await sql<{ readonly digest: Uint8Array }>`
        select digest from ${sql.table(`${side}.source_event`)}
        where source = ${source} and event_id = ${eventId}`.execute(trx);
      if (!Buffer.from(known.rows[0]?.digest ?? []).equals(digest)) throw new Refused('event_reused');
      return true;
    }
    await this.#effect(trx, incoming, now);
    return false;
  }

  async #effect(trx: Trx, { source, eventId, message, level }: Incoming, now: Date): Promise<void> {
    const { tenant, region } = this.#parts;
    const { fact } = message;
    if (fact.side === 'payments') {
      const kept = await keepPaymentFact(trx, { source, atMs: message.occurredAtMs, tenant, region }, fact.fact);
      if (kept === 'differs') throw new Refused('currency_differs');
      return;
    }
    const { numInsertedOrUpdatedRows } = await trx
      .insertInto('custody.claim')
      .values({
        ref: `${source}:${eventId}`,
        parcel: fact.parcel,
        at: new Date(message.occurredAtMs),
        received_at: now,
        body: JSON.stringify(fact.body),
        level,
        tenant,
        region,
      })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows !== 1n) throw new Refused('event_reused');
  }

  /** Before the event is kept: it may be asked twice for one, and answers alike. */
  async #settle({ message }: Incoming): Promise<void> {
    if (message.fact.side !== 'payments' || message.fact.fact.type !== 'refund.settled') return;
    const { refund_id, settlement_ref, amount_minor, currency } = message.fact.fact;
    const word = { settlement_ref, amount_minor, currency, settled_at_ms: message.occurredAtMs };
    const answer = await this.#parts.settle?.(refund_id, word);
    if (answer?.ok !== true) throw new Refused('settlement_refused');
  }

  #tell(taken: Taken): void {
    try {
      this.#parts.onTaken?.(taken);
    } catch {
      this.#parts.logger.error({ source: taken.source }, 'what follows from a webhook failed');
    }
  }
}

/** False when this very message was taken. What no longer could be sent again is forgotten on the way. */
async function remember(
  trx: Trx,
  side: Side,
  row: { source: string; digest: Uint8Array; until: Date; tenant: string; region: string },
  now: Date,
): Promise<boolean> {
  const table = sql.table(`${side}.source_seen`);
  await sql`delete from ${table} where until < ${now}`.execute(trx);
  const { rows } = await sql`
    insert into ${table} (source, digest, until, tenant, region)
    values (${row.source}, ${row.digest}, ${row.until}, ${row.tenant}, ${row.region})
    on conflict do nothing returning source`.execute(trx);
  return rows.length === 1;
}

/** Whom it is of can be erased, and nothing else may tell it then. */
function withoutCustomer(said: SourceFact): SourceFact {
  if (said.side !== 'payments' || said.fact.type !== 'payment.captured') return said;
  const { customer_ref: _, ...fact } = said.fact;
  return { side: 'payments', fact };
}

function digestOf(eventId: string, signedAt: string, body: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(`${eventId}\n${signedAt}\n`).update(body);
  return Uint8Array.from(hash.digest());
}
