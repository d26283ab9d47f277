/** The exchange rate of a day, as a part of a statement. */
import { type RawBuilder, sql } from 'kysely';

/** Rates of a day hold until the next table, and no longer than this: weekends have none. */
const RATE_DAYS_MAX = 4;

/** The newest table of that day or of the few before it; null where there is none, and of US dollars. */
export function rateOf(currency: RawBuilder<unknown>, at: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`case when ${currency} <> 'USD' then (
    select jsonb_build_object('usd_e9', u.usd_e9, 'day', to_char(u.day, 'YYYY-MM-DD'))
      from payments.usd_rate u where u.currency = ${currency}
        and u.day <= (${at} at time zone 'UTC')::date
        and u.day > (${at} at time zone 'UTC')::date - ${sql.lit(RATE_DAYS_MAX)}
      order by u.day desc limit 1) end`;
}
