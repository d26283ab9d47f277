/**
 * A refund is denied by a person or not at all: the state, the end of its hold and the command to the payment side are
 * refused unless somebody's verdict on that very refund is kept. A program that is wrong, or a login of the room, denies
 * nothing by itself. Names may change under it (erasure), since that denies nobody.
 *
 * And a webhook about a payment says which one, so that an erasure finds its row: the digest of what it told could be
 * guessed from amounts and names. Rows of before say nothing, and end with their age (`retention.source_events_days`).
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const deniedByPeopleMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

/** Where a denial stands, and the column that says it. */
const DENIALS = [
  ['refund', 'state', 'denied'],
  ['hold', 'state', 'denied'],
  ['outbox', 'action', 'deny'],
] as const;

const STATEMENTS: readonly string[] = [
  // With its owner's rights: the payments' room does not see what people wrote.
  `create function payments.denied_by_people() returns trigger language plpgsql security definer
    set search_path = payments, cases, pg_temp as $$ begin
    if not exists (select from cases.verdict where refund_id = new.refund_id and verdict = 'deny') then
      raise exception 'payments.% of refund % cannot be denied: no person said so', tg_table_name, new.refund_id
        using errcode = 'check_violation';
    end if;
    return new; end $$`,
  'revoke all on function payments.denied_by_people() from public',
  ...DENIALS.flatMap(([table, column, word]) => [
    `create trigger denied_by_people before insert on payments.${table} for each row
      when (new.${column} = '${word}') execute function payments.denied_by_people()`,
    `create trigger denied_by_people_later before update of ${column} on payments.${table} for each row
      when (new.${column} = '${word}' and old.${column} is distinct from new.${column})
      execute function payments.denied_by_people()`,
  ]),
  'create index verdict_refund on cases.verdict (refund_id)',
  'alter table payments.source_event add column about text',
  'create index source_event_about on payments.source_event (about) where about is not null',
];
