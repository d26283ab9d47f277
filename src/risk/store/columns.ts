/** What columns hold, and what every row names. */
import type { ColumnType } from 'kysely';

/** Written once; the driver gives back what PostgreSQL has. */
export type Bytes = Uint8Array;
export type Json<T> = ColumnType<T, string, string>;
export type Time = ColumnType<Date, Date, Date>;

export interface Owned {
  readonly tenant: string;
  readonly region: string;
}
