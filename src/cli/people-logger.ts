/** Diagnostics of a command that does a gateway's work itself: warnings and errors, as lines on standard error. */
import type { LogFields, Logger } from '../base/logger.ts';
import type { CommandIo } from './command.ts';

export function peopleLogger(io: Pick<CommandIo, 'err'>): Logger {
  const say = (fields: LogFields, message: string): void => {
    const facts = Object.entries(fields).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    io.err([message, ...facts].join(', '));
  };
  const logger: Logger = { debug: () => undefined, info: () => undefined, warn: say, error: say, child: () => logger };
  return logger;
}
