/** JSON files of the risk commands: what is wrong in them is named by its place. */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { LatchkeyError, messageOf } from '../base/errors.ts';

/** Throws INPUT_UNREADABLE with the places that are wrong. */
export function readJson<S extends z.ZodType>(file: string, schema: S): z.output<S> {
  const parsed = schema.safeParse(readJsonValue(file));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`);
  throw new LatchkeyError('INPUT_UNREADABLE', `${file}: ${issues.join('; ')}`);
}

export function readJsonValue(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file} as JSON: ${messageOf(error)}`);
  }
}

/** Throws INPUT_UNREADABLE, also for what is not UTF-8. */
export function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `cannot read ${file} as text: ${messageOf(error)}`);
  }
}
