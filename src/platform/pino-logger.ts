/** The house's `Logger` on pino: JSON lines on standard error, so that standard output stays for programs. */
import { destination, type Logger as Pino, pino } from 'pino';
import type { Logger } from '../base/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Members that must never be printed, whoever passes them by mistake. */
const SECRET_PATHS = [
  'password',
  'secret',
  'token',
  'key',
  'pin',
  '*.password',
  '*.secret',
  '*.token',
  '*.key',
  '*.pin',
];

export function pinoLogger(level: LogLevel, name: string): Logger {
  const root = pino(
    { name, level, redact: { paths: SECRET_PATHS, censor: '(not shown)' }, base: { name } },
    // Synchronous: the last words of a dying process are the ones that matter.
    destination({ fd: 2, sync: true }),
  );
  return wrap(root);
}

function wrap(logger: Pino): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
