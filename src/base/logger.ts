/**
 * Diagnostics for people (the journal is something else: the signed log).
 *
 * Fields carry facts, the message is a constant sentence. Neither may hold secrets, access codes, scan texts in clear
 * or card numbers: whoever logs passes pseudonyms and counts.
 */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
