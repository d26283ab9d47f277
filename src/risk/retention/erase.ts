/**
 * Erasure of what names a parcel or an actor: bodies of entries go and their leaf hashes stay, so that logs and receipts
 * still verify; claims, refunds and payments get names that lead nowhere; decisions are decided again under those names
 * and come out the same. One transaction, and a signed statement in it; then the old bytes are written over.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { base64url, hex, utf8 } from '../../base/bytes.ts';
import { type Clock, wallText } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { accept, type Result, refuse } from '../../base/result.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import { personalTrace, TRACE_ADVICE } from '../../evidence/event/identifier.ts';
import type { CustomerNames } from '../customers/customer-names.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import { type Compacted, compact } from './compact.ts';
import { CUSTOMER_TABLES, customerLines, dropCustomer } from './customers.ts';
import { renameInDecisions } from './decisions.ts';
import { erasedName, type Found, findEntries, findNames } from './find.ts';
import { type HeldParcel, heldParcels } from './held.ts';
import { PLACES } from './places.ts';
import { reduceFork } from './reduce-fork.ts';
import { renamePlace, type Trx } from './rename.ts';
import { commitment, type Statement, type StatementKey } from './statement.ts';
import { toldOf } from './told.ts';
import { digestOfHeads } from './tree-heads.ts';

export interface ErasureParts {
  readonly database: RiskDatabase;
  readonly crypto: EvidenceCrypto;
  readonly key: StatementKey;
  readonly tenant: string;
  readonly region: string;
  /** Without it nobody is found as a customer. */
  readonly customers?: CustomerNames;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ErasureRequest {
  /** The reference as it stands in events: of a parcel, or of an actor; or of a customer as it was sent. */
  readonly reference: string;
  /** Why, in lower case and without names: it is kept for good. */
  readonly reason: string;
  /** Whoever runs it. */
  readonly by: string;
}

export type ErasureCounts = Readonly<
  Record<
    'entries' | 'forks' | 'mentions' | 'hands' | 'claims' | 'refunds' | 'payments' | 'decisions' | 'customers',
    number
  >
>;

/** `held`: somebody still needs it. `nothing`: it is named nowhere. */
export type ErasureRefusal = 'reference' | 'reason' | 'by' | 'held' | 'nothing';

export interface ErasureReceipt {
  readonly counts: ErasureCounts;
  readonly statement: Statement;
  /** DSSE envelope of the statement. */
  readonly envelope: string;
  /** With the reference it proves whom the statement is about. For whoever asked; it is kept nowhere. */
  readonly salt: string;
  readonly compacted: Compacted;
}

const REASON = /^[a-z0-9 .,:;()/#-]{3,200}$/;
const SALT_BYTES = 16;
const ERASE_LIMIT = '10min';

export class ErasureRoom {
  readonly #parts: ErasureParts;

  constructor(parts: ErasureParts) {
    this.#parts = parts;
  }

  /** What would go. Changes nothing. */
  plan(
    reference: string,
  ): Promise<Result<{ readonly counts: ErasureCounts; readonly held: readonly HeldParcel[] }, 'reference'>> {
    return this.#parts.database.as('retention', async (trx) => {
      if (!isReference(reference)) return refuse('reference', 'expected a reference as it stands in events');
      const found = await findNames(trx, reference, this.#parts.customers);
      const held = await heldParcels(trx, reference, found.customers.names);
      return accept({ counts: countsOf(found), held });
    });
  }

  /** Durable when it resolves, with the old bytes gone as far as the server lets this login do it. */
  async erase(request: ErasureRequest): Promise<Result<ErasureReceipt, ErasureRefusal>> {
    const wrong = refusalOf(request);
    if (wrong !== undefined) return wrong;
    const { database, logger } = this.#parts;
    const salt = Uint8Array.from(randomBytes(SALT_BYTES));
    const done = await database.as('retention', (trx) => this.#eraseIn(trx, request, salt));
    if (!done.ok) return done;
    const { counts, statement, envelope, tables } = done.value;
    const compacted = await compact(database, tables, logger);
    logger.info({ id: statement.id, ...counts }, 'a reference was erased');
    return accept({ counts, statement, envelope, salt: base64url(salt), compacted });
  }

  async #eraseIn(trx: Trx, request: ErasureRequest, salt: Uint8Array) {
    const { crypto, key, tenant, region, clock } = this.#parts;
    const { reference, reason, by } = request;
    await sql`select set_config('statement_timeout', ${ERASE_LIMIT}, true)`.execute(trx);
    await sql`set constraints all deferred`.execute(trx);
    const found = await findNames(trx, reference, this.#parts.customers);
    const [first] = await heldParcels(trx, reference, found.customers.names);
    if (first !== undefined)
      return refuse('held', `it is needed by ${first.by} ${first.name}; close it first` as string);
    const counts = countsOf(found);
    if (Object.values(counts).every((count) => count === 0)) return refuse('nothing', 'no row names this reference');
    const origins = [...new Set(found.entries.map(({ origin }) => origin))].sort();
    const logsBefore = await digestOfHeads(trx, crypto, origins);
    const rowsBefore = await this.#digestOfRows(trx, found, salt);
    const tables = await this.#apply(trx, found);
    const id = `e-${hex(Uint8Array.from(randomBytes(SALT_BYTES)))}`;
    const statement: Statement = {
      v: 1,
      id,
      kind: 'erasure',
      at: wallText(clock.wallMs()),
      by,
      reason,
      tenant,
      region,
      counts,
      logs: { before: logsBefore, after: await digestOfHeads(trx, crypto, origins) },
      subject: commitment(crypto, salt, reference),
      rows: { before: rowsBefore, after: await this.#digestOfRows(trx, found, salt) },
    };
    const envelope = key.sign(statement);
    await trx
      .insertInto('custody.erasure')
      .values({
        id,
        at: new Date(statement.at),
        kind: 'erasure',
        actor: by,
        reason,
        counts: JSON.stringify(counts),
        statement: envelope,
        tenant,
        region,
      })
      .execute();
    return accept({ counts, statement, envelope, tables });
  }

  /** Resolves with the tables whose old bytes are to go. */
  async #apply(trx: Trx, found: Found): Promise<readonly string[]> {
    const { crypto } = this.#parts;
    const tables = new Set<string>(['custody.mention']);
    for (const { origin, n, partition } of found.entries) {
      await sql`update custody.entry set leaf = null where origin = ${origin} and n = ${n}`.execute(trx);
      // Whoever has the picture, or knows the code's name, could find its place by it.
      await sql`delete from custody.mention
        where origin = ${origin} and n = ${n} and (key like 'photo %' or key like 'code %')`.execute(trx);
      await sql`delete from custody.hand where origin = ${origin} and n = ${n}`.execute(trx);
      tables.add(partition);
    }
    await sql`delete from custody.hand where parcel = ${found.reference} or courier = ${found.reference}`.execute(trx);
    if (found.hands > 0) tables.add('custody.hand');
    for (const { origin, digest, theirs, ours } of found.forks) {
      const [left, right] = [theirs, ours].map((bytes) => reduceFork(crypto, bytes, found.reference));
      await sql`update custody.fork set theirs = ${left}, ours = ${right}
        where origin = ${origin} and digest = ${digest}`.execute(trx);
      tables.add('custody.fork');
    }
    await sql`delete from custody.mention where key = ${`parcel ${found.reference}`}`.execute(trx);
    for (const { ref } of found.claims) await renameClaim(trx, ref, found);
    const { numAffectedRows } = await sql`update custody.claim set body = body - 'operator'
      where body->>'operator' = ${found.reference}`.execute(trx);
    if (found.claims.length > 0 || numAffectedRows !== 0n) tables.add('custody.claim').add('custody.source_event');
    await renameInDecisions(trx, crypto, found.decisions, found.names);
    if (found.decisions.length > 0) {
      tables.add('payments.decision').add('payments.request');
      await sql`update payments.request set body_hash = 'erased' where decision_id in (
        select decision_id from payments.decision where refund_id = any(${found.refunds}::text[]))`.execute(trx);
    }
    if (await dropCustomer(trx, found.customers, found.payments))
      for (const table of CUSTOMER_TABLES) tables.add(table);
    if (await forgetTold(trx, found)) tables.add('payments.source_event');
    for (const place of PLACES) if (await renamePlace(trx, place, found.names)) tables.add(place.table);
    return [...tables].sort();
  }

  async #digestOfRows(trx: Trx, found: Found, salt: Uint8Array): Promise<string> {
    const { crypto } = this.#parts;
    const entries = await findEntries(trx, found.entries);
    const lines = entries.map(({ origin, n, leaf_hash, body }) => `entry ${origin} ${n} ${hex(leaf_hash)} ${body}`);
    if (found.decisions.length > 0) {
      const rows = await trx
        .selectFrom('payments.decision')
        .select(['decision_id', 'facts', 'answer'])
        .where('decision_id', 'in', [...found.decisions])
        .orderBy('decision_id')
        .execute();
      lines.push(...rows.map((row) => `decision ${row.decision_id} ${row.facts} ${row.answer}`));
    }
    lines.push(...(await customerLines(trx, found.customers)));
    return hex(crypto.hmacSha256(salt, utf8(lines.join('\n'))));
  }
}

async function renameClaim(trx: Trx, ref: string, { names }: Found): Promise<void> {
  const next = names.get(ref) ?? erasedName();
  // A seal can be looked up, and an operator is a person; grams and times say nothing without a name.
  await sql`update custody.claim set ref = ${next}, parcel = ${next}, body = body - 'seal' - 'operator'
    where ref = ${ref}`.execute(trx);
  const cut = ref.indexOf(':');
  await sql`update custody.source_event set event_id = ${next}, digest = '\\x'
    where source = ${ref.slice(0, cut)} and event_id = ${ref.slice(cut + 1)}`.execute(trx);
}

/**
 * What webhooks told of payments, refunds and disputes. Their ids stay, so that one that is sent again is refused
 * (`event_reused`) and brings no name back.
 */
async function forgetTold(trx: Trx, found: Found): Promise<boolean> {
  // What bears the very reference is taken for the person's, whatever it names.
  const { numAffectedRows = 0n } = await sql`update payments.source_event set digest = '\\x'
    where about = ${found.reference} or ${toldOf(found)}`.execute(trx);
  return numAffectedRows > 0n;
}

function countsOf({
  entries,
  forks,
  mentions,
  hands,
  claims,
  told,
  refunds,
  payments,
  decisions,
  customers,
}: Found): ErasureCounts {
  return {
    entries: entries.length,
    forks: forks.length,
    mentions,
    hands,
    claims: claims.length + told,
    refunds: refunds.length,
    payments: payments.length,
    decisions: decisions.length,
    customers: customers.payments + customers.relations,
  };
}

function isReference(text: string): boolean {
  const trace = personalTrace(text);
  // What came before the guard must be erasable: all digits, too.
  return trace === undefined || (trace !== 'free_text' && text.length > 0);
}

function refusalOf({ reference, reason, by }: ErasureRequest): Result<never, ErasureRefusal> | undefined {
  if (!isReference(reference)) return refuse('reference', 'expected a reference as it stands in events');
  const own = reason.includes(reference.toLowerCase());
  if (!REASON.test(reason) || own || /[0-9]{4,}/.test(reason)) {
    return refuse('reason', 'expected 3 to 200 characters in lower case, without names, references and long numbers');
  }
  const trace = personalTrace(by);
  return trace === undefined ? undefined : refuse('by', TRACE_ADVICE[trace]);
}
