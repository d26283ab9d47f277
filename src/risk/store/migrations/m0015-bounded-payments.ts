/**
 * What is paid and what is ordered to be paid never exceeds what was captured, whoever writes it and however many do so at
 * once: a payment carries both sums, which nothing but the triggers here writes, and which never become smaller.
 *
 * As sums in the row they are what two transactions meet at: the second waits and sees the first, or fails with 40001 where
 * it reads an older state. A payment that broke its bounds before this version is left as it is, and nothing is added.
 *
 * An order stands for good: one that was given up may have arrived, and a person may have it tried again. So its amount is
 * never freed, as decisions count it too. A dispute may come after an order; only what is paid later is held against it.
 */
import { type Kysely, type Migration, sql } from 'kysely';
import { RETENTION_ROLE } from './m0004-sources.ts';

export const boundedPaymentsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

/** With the rights of the owner, since no role may write the sums. */
function triggerFunction(name: string, body: string): string {
  return `create or replace function payments.${name}() returns trigger language plpgsql security definer
    set search_path = payments, pg_temp as $$ ${body} $$`;
}

const VIOLATES = "using errcode = 'check_violation'";
const PAID_OF =
  "select coalesce(sum(amount_minor), 0) from payments.refund r where r.state = 'paid' and r.payment_ref =";
const ORDERED_OF = `select coalesce(sum(r.amount_minor), 0) from payments.refund r
  join payments.outbox o on o.refund_id = r.refund_id and o.action = 'pay' where r.payment_ref =`;

const SUMS: readonly string[] = [
  `alter table payments.payment add column paid_minor bigint not null default 0,
    add column ordered_minor bigint not null default 0`,
  `update payments.payment p set paid_minor = (${PAID_OF} p.payment_ref), ordered_minor = (${ORDERED_OF} p.payment_ref)
    where exists (select from payments.refund r where r.payment_ref = p.payment_ref)`,
];

/** The payment itself. */
const PAYMENT: readonly string[] = [
  // Whatever an insert says: a payment that was renamed and comes again begins with what is paid of it.
  triggerFunction(
    'begin_sums',
    `begin
    -- Then the row that is kept stands, or is changed: see keep_sums.
    if exists (select from payments.payment where payment_ref = new.payment_ref) then return new; end if;
    new.paid_minor := (${PAID_OF} new.payment_ref);
    new.ordered_minor := (${ORDERED_OF} new.payment_ref);
    if greatest(new.paid_minor, new.ordered_minor) > new.captured_minor then
      raise exception 'payment % cannot be captured as %: % is paid or ordered to be paid', new.payment_ref,
        new.captured_minor, greatest(new.paid_minor, new.ordered_minor) ${VIOLATES}, constraint = 'captured_below_paid';
    end if;
    return new; end`,
  ),
  `create trigger begin_sums before insert on payments.payment
    for each row execute function payments.begin_sums()`,
  `create function payments.keep_sums() returns trigger language plpgsql as $$ begin
    if new.currency <> old.currency then
      raise exception 'payment % is in %, for good', old.payment_ref, old.currency ${VIOLATES};
    end if;
    if new.paid_minor < old.paid_minor or new.ordered_minor < old.ordered_minor then
      raise exception 'what is paid of payment % does not become less', old.payment_ref ${VIOLATES};
    end if;
    if (new.paid_minor > old.paid_minor and new.paid_minor > new.captured_minor)
        or (new.ordered_minor > old.ordered_minor and new.ordered_minor > new.captured_minor) then
      raise exception 'more than was captured of payment % would be paid', old.payment_ref ${VIOLATES};
    end if;
    if new.captured_minor < old.captured_minor and new.captured_minor < greatest(new.paid_minor, new.ordered_minor) then
      raise exception 'payment % cannot be captured as %: % is paid or ordered to be paid', new.payment_ref,
        new.captured_minor, greatest(new.paid_minor, new.ordered_minor) ${VIOLATES}, constraint = 'captured_below_paid';
    end if;
    return new; end $$`,
  `create trigger keep_sums before update on payments.payment
    for each row execute function payments.keep_sums()`,
  triggerFunction(
    'goes_with_refunds',
    `begin
    if exists (select from payments.refund where payment_ref = old.payment_ref) then
      raise exception 'payment % goes with its refunds, or not at all', old.payment_ref ${VIOLATES};
    end if;
    return old; end`,
  ),
  `create trigger goes_with_refunds before delete on payments.payment
    for each row execute function payments.goes_with_refunds()`,
];

/** Refunds: paid once and for good, of the payment and in the currency that they were asked for. */
const REFUND: readonly string[] = [
  'drop trigger within_captured on payments.refund',
  triggerFunction(
    'within_captured',
    `declare kept text; begin
    update payments.payment set paid_minor = paid_minor + new.amount_minor
      where payment_ref = new.payment_ref and currency = new.currency
        and paid_minor + new.amount_minor <= captured_minor - disputed_minor;
    if found then return null; end if;
    select currency into kept from payments.payment where payment_ref = new.payment_ref;
    if kept <> new.currency then
      raise exception 'refund % is in %, and payment % in %', new.refund_id, new.currency, new.payment_ref, kept ${VIOLATES};
    end if;
    raise exception 'refund % exceeds what payment % has left', new.refund_id, new.payment_ref ${VIOLATES}; end`,
  ),
  `create trigger paid_at_once after insert on payments.refund for each row
    when (new.state = 'paid') execute function payments.within_captured()`,
  `create trigger within_captured after update on payments.refund for each row
    when (new.state = 'paid' and old.state <> 'paid') execute function payments.within_captured()`,
  `create function payments.refuse_refund_change() returns trigger language plpgsql as $$ begin
    raise exception 'refund % keeps its amount, its currency, and that it was paid', old.refund_id ${VIOLATES}; end $$`,
  `create trigger kept_amount before update on payments.refund for each row
    when (new.amount_minor <> old.amount_minor or new.currency <> old.currency
      or (old.state = 'paid' and new.state <> 'paid')) execute function payments.refuse_refund_change()`,
  // Erasure gives payment and refunds another name, in that order; to another payment a refund does not go.
  triggerFunction(
    'follows_payment',
    `declare of record; begin
    select paid_minor, ordered_minor into of from payments.payment where payment_ref = new.payment_ref;
    if exists (select from payments.payment where payment_ref = old.payment_ref)
        or (${PAID_OF} new.payment_ref) > coalesce(of.paid_minor, 9223372036854775807)
        or (${ORDERED_OF} new.payment_ref) > coalesce(of.ordered_minor, 9223372036854775807) then
      raise exception 'refund % stays with payment %', new.refund_id, old.payment_ref ${VIOLATES};
    end if;
    return null; end`,
  ),
  `create trigger follows_payment after update of payment_ref on payments.refund for each row
    when (new.payment_ref <> old.payment_ref) execute function payments.follows_payment()`,
];

/** Orders and confirmations say what their refund says. */
const ORDERS: readonly string[] = [
  // For the whole statement, since decisions are kept in groups; payments are locked in the order of their names.
  triggerFunction(
    'order_within_captured',
    `declare one record; begin
    if not exists (select from ordered where action = 'pay') then return null; end if;
    select o.refund_id into one from ordered o join payments.refund r using (refund_id)
      where o.action = 'pay' and (
        o.body::json #>> '{data,amount_minor}' is distinct from r.amount_minor::text
        or o.body::json #>> '{data,currency}' is distinct from r.currency
        or o.body::json #>> '{data,payment_ref}' is distinct from r.payment_ref
        or r.state <> 'open') limit 1;
    if found then
      raise exception 'the payment of refund % is not ordered as it was asked for', one.refund_id ${VIOLATES};
    end if;
    for one in select r.payment_ref, r.currency, sum(r.amount_minor) as amount
        from ordered o join payments.refund r using (refund_id) where o.action = 'pay'
        group by r.payment_ref, r.currency order by r.payment_ref collate "C", r.currency loop
      update payments.payment set ordered_minor = ordered_minor + one.amount
        where payment_ref = one.payment_ref and currency = one.currency
          and ordered_minor + one.amount <= captured_minor;
      if not found then
        raise exception 'what is ordered exceeds what was captured of payment % in %', one.payment_ref, one.currency ${VIOLATES};
      end if;
    end loop;
    return null; end`,
  ),
  `create trigger order_within_captured after insert on payments.outbox referencing new table as ordered
    for each statement execute function payments.order_within_captured()`,
  // Erasure writes other names into a command, and nothing else.
  `create function payments.keep_order() returns trigger language plpgsql as $$ begin
    if new.action <> old.action or ((new.body <> old.body or new.refund_id <> old.refund_id) and (
        current_user <> '${RETENTION_ROLE}'
        or (old.action = 'pay' and (new.body::json #>> '{data,amount_minor}', new.body::json #>> '{data,currency}')
          is distinct from (old.body::json #>> '{data,amount_minor}', old.body::json #>> '{data,currency}')))) then
      raise exception 'the command % stays as it is', old.key ${VIOLATES};
    end if;
    return new; end $$`,
  `create trigger keep_order before update of action, body, refund_id on payments.outbox
    for each row execute function payments.keep_order()`,
  triggerFunction(
    'settles_refund',
    `begin
    if not exists (select from payments.refund where refund_id = new.refund_id and amount_minor = new.amount_minor
        and currency = new.currency and state = 'paid') then
      raise exception 'the confirmation % is not of refund % as it was paid', new.reference, new.refund_id ${VIOLATES};
    end if;
    return null; end`,
  ),
  `create trigger settles_refund after insert on payments.settlement
    for each row execute function payments.settles_refund()`,
];

/** Columns that a role has a use for, and no others. */
const GRANTS: readonly string[] = [
  `revoke insert, update on payments.payment from latchkey_payments, ${RETENTION_ROLE}`,
  `grant insert (payment_ref, currency, captured_minor, disputed_minor, tenant, region),
    update (captured_minor, disputed_minor) on payments.payment to latchkey_payments`,
  `grant update (payment_ref) on payments.payment to ${RETENTION_ROLE}`,
  `revoke update on payments.refund, payments.settlement, payments.outbox from ${RETENTION_ROLE}`,
  `grant update (refund_id, payment_ref, operator, parcel_refs) on payments.refund to ${RETENTION_ROLE}`,
  `grant update (refund_id, reference) on payments.settlement to ${RETENTION_ROLE}`,
  `grant update (refund_id, body, said) on payments.outbox to ${RETENTION_ROLE}`,
];

const STATEMENTS: readonly string[] = [...SUMS, ...PAYMENT, ...REFUND, ...ORDERS, ...GRANTS];
