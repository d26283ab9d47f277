/** `latchkey console password`: the password of a person for the console in a browser, as a hash in a file. */
import { existsSync } from 'node:fs';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { writeFileDurably } from '../../platform/durable-file.ts';
import { hashPassword, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN } from '../../platform/http/password.ts';
import type { CommandRun } from '../command.ts';
import { secretLine } from '../secret-line.ts';

export const consolePasswordCommand: CommandRun = async (args, io) => {
  const [path = ''] = args.positionals;
  if (existsSync(path) && !args.flag('force')) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `expected no file at ${path}; --force writes over it`);
  }
  const password = await secretLine('Password: ', io.signal);
  const { length } = [...password];
  if (length < PASSWORD_CHARS_MIN || password.length > PASSWORD_CHARS_MAX) {
    const expected = `a password of ${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters`;
    throw new LatchkeyError('USAGE', `expected ${expected}, found ${length}`);
  }
  if (process.stdin.isTTY && (await secretLine('Once more: ', io.signal)) !== password) {
    throw new LatchkeyError('USAGE', 'expected the same password twice, found two');
  }
  try {
    await writeFileDurably(path, utf8(`${hashPassword(password).text}\n`));
  } catch (error) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
  io.err(`${path} holds the hash of the password: name it in password_file of console.people`);
  return 0;
};
