/**
 * What a refund decision reads and leaves: which entries are about what, claims of declared sources, payments, rates,
 * refunds, and decisions with the facts that they were made of.
 *
 * The sum of what is promised never exceeds what was captured: a trigger sees to that, whatever a program does.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const refundsMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const OWNED = 'tenant text not null, region text not null';

const STATEMENTS: readonly string[] = [
  `create table custody.mention (
    key text not null, origin text not null, n bigint not null, gateway text not null, ${OWNED},
    primary key (key, origin, n))`,
  `create table custody.read_to (origin text primary key, position bigint not null, ${OWNED})`,
  `create table custody.claim (
    ref text primary key, parcel text not null, at timestamptz not null, received_at timestamptz not null,
    body jsonb not null, ${OWNED})`,
  'create index claim_parcel on custody.claim (parcel)',
  ...['mention', 'claim'].flatMap((table) => [
    `create trigger append_only before update or delete on custody.${table}
      for each row execute function custody.refuse_change()`,
    `grant select, insert on custody.${table} to latchkey_custody`,
  ]),
  'grant select, insert, update on custody.read_to to latchkey_custody',
  `create table payments.payment (
    payment_ref text primary key, currency text not null, captured_minor bigint not null check (captured_minor >= 0),
    disputed_minor bigint not null default 0 check (disputed_minor >= 0), ${OWNED})`,
  `create table payments.usd_rate (
    currency text not null, day date not null, usd_e9 bigint not null check (usd_e9 > 0), ${OWNED},
    primary key (currency, day))`,
  `create table payments.refund (
    refund_id text primary key, payment_ref text not null, operator text not null, kind text not null,
    amount_minor bigint not null check (amount_minor > 0), currency text not null, destination text not null,
    requested_at timestamptz not null, parcel_refs jsonb not null,
    state text not null check (state in ('open', 'paid', 'denied', 'cancelled')), ${OWNED})`,
  'create index refund_operator on payments.refund (operator, requested_at) include (amount_minor, currency, state)',
  'create index refund_payment on payments.refund (payment_ref)',
  `create table payments.decision (
    decision_id text not null, refund_id text not null references payments.refund, decided_at timestamptz not null,
    outcome text not null, facts text not null, ruleset text not null, parameters text not null, answer text not null,
    ${OWNED}, primary key (decision_id))`,
  'create index decision_refund on payments.decision (refund_id, decided_at)',
  `create table payments.request (
    idempotency_key text primary key, body_hash text not null, decision_id text not null, ${OWNED})`,
  `create function payments.within_captured() returns trigger language plpgsql as $$
    declare captured bigint; promised numeric; begin
    if new.state <> 'paid' then return new; end if;
    select captured_minor - disputed_minor into captured from payments.payment
      where payment_ref = new.payment_ref for update;
    select coalesce(sum(amount_minor), 0) into promised from payments.refund
      where payment_ref = new.payment_ref and state = 'paid' and refund_id <> new.refund_id;
    if captured is null or promised + new.amount_minor > captured then
      raise exception 'refund % exceeds what payment % has left', new.refund_id, new.payment_ref using errcode = 'check_violation';
    end if;
    return new; end $$`,
  `create trigger within_captured before insert or update on payments.refund
    for each row execute function payments.within_captured()`,
  `create function payments.refuse_change() returns trigger language plpgsql as $$ begin
    raise exception 'payments.% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'insufficient_privilege';
  end $$`,
  ...['decision', 'request'].flatMap((table) => [
    `create trigger append_only before update or delete on payments.${table}
      for each row execute function payments.refuse_change()`,
    `grant select, insert on payments.${table} to latchkey_payments`,
  ]),
  'grant select, insert, update on payments.payment, payments.refund to latchkey_payments',
  'grant select, insert on payments.usd_rate to latchkey_payments',
];
