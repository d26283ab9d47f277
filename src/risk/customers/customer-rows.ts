/** Keeps whose payment one is, and who lives with whom; both under pseudonyms. */
import { sql, type Transaction } from 'kysely';
import { z } from 'zod';
import { accept, type Result, refuse } from '../../base/result.ts';
import { identifierSchema } from '../store/identifier-schema.ts';
import type { RiskDatabase } from '../store/open-database.ts';
import type { Database } from '../store/schema.ts';
import type { CustomerNames } from './customer-names.ts';

interface Owner {
  readonly tenant: string;
  readonly region: string;
}

export interface CustomerPayment {
  readonly payment_ref: string;
  /** A pseudonym. */
  readonly customer: string;
  readonly capturedAt: Date;
}

/** False when the payment is kept as another customer's. The first time that is told of it stands. */
export async function keepCustomer(
  trx: Transaction<Database>,
  { payment_ref, customer, capturedAt }: CustomerPayment,
  owner: Owner,
): Promise<boolean> {
  const made = await trx
    .insertInto('payments.customer_payment')
    .values({ payment_ref, customer, captured_at: capturedAt, ...owner })
    .onConflict((conflict) => conflict.doNothing())
    .returning('customer')
    .executeTakeFirst();
  if (made !== undefined) return true;
  const kept = await trx
    .selectFrom('payments.customer_payment')
    .select('customer')
    .where('payment_ref', '=', payment_ref)
    .executeTakeFirst();
  return kept?.customer === customer;
}

const relationSchema = z.strictObject({ operator: identifierSchema, customer_ref: identifierSchema });
export type Relation = z.output<typeof relationSchema>;

const LINES_MAX = 100_000;
const FAULTS_MAX = 5;
/** The one line of a file that takes every relation away: one that was cut to nothing must not. */
const NONE = 'none';

/** One JSON object in each line. What is wrong is told by its line, and nothing of it is repeated. */
export function parseRelations(text: string): Result<readonly Relation[], 'relations'> {
  if (text.trim() === NONE) return accept([]);
  const lines = text.split('\n');
  if (lines.length > LINES_MAX + 1) return refuse('relations', `expected at most ${LINES_MAX} lines`);
  const relations: Relation[] = [];
  const faults: string[] = [];
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const parsed = relationSchema.safeParse(jsonOf(line));
    if (parsed.success) relations.push(parsed.data);
    else faults.push(`line ${i + 1}: ${faultOf(parsed.error)}`);
    if (faults.length === FAULTS_MAX) break;
  }
  if (faults.length > 0) return refuse('relations', faults.join('; '));
  if (relations.length === 0) return refuse('relations', `expected a relation, or the one word ${NONE}; found no line`);
  return accept(relations);
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function faultOf({ issues: [issue] }: z.ZodError): string {
  if (issue?.code === 'unrecognized_keys' || issue === undefined || issue.path.length === 0)
    return 'expected {"operator":"...","customer_ref":"..."} and no other member';
  return `${issue.path.join('.')}: ${issue.message}`;
}

/** All of them at once, in place of all that were: whoever is not in the list is related to nobody any more. */
export async function replaceRelations(
  database: RiskDatabase,
  names: CustomerNames,
  relations: readonly Relation[],
  { tenant, region }: Owner,
): Promise<number> {
  const pairs = new Map(
    relations.map(({ operator, customer_ref }) => {
      const pair = [names.operator(operator), names.customer(customer_ref)] as const;
      return [pair.join(' '), pair];
    }),
  );
  const all = [...pairs.values()];
  await database.as('payments', async (trx) => {
    // Of two lists at once the later one stands whole.
    await sql`select pg_advisory_xact_lock(hashtextextended('households', 0))`.execute(trx);
    await sql`delete from payments.household`.execute(trx);
    await sql`insert into payments.household (operator, customer, tenant, region)
      select operator, customer, ${tenant}::text, ${region}::text
      from unnest(${all.map(([operator]) => operator)}::text[], ${all.map(([, customer]) => customer)}::text[])
        as x (operator, customer)`.execute(trx);
  });
  return all.length;
}

/** Whether this person lives with the customer of the payment. */
export async function isOwnHousehold(
  trx: Transaction<Database>,
  names: CustomerNames,
  person: string,
  paymentRef: string,
): Promise<boolean> {
  const row = await trx
    .selectFrom('payments.household as h')
    .innerJoin('payments.customer_payment as c', 'c.customer', 'h.customer')
    .select('h.operator')
    .where('h.operator', '=', names.operator(person))
    .where('c.payment_ref', '=', paymentRef)
    .executeTakeFirst();
  return row !== undefined;
}
