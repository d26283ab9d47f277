/**
 * What of second factors must survive a restart and a log that is set aside: for each person the last code that was used
 * and how many wrong ones came since. A small file of its own; one that cannot be read means that everybody is locked out
 * for the lockout time, since what was used is not known.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, writeFileDurably } from '../../platform/durable-file.ts';

export const FAILURES_MAX = 5;
const FILE_CHARS_MAX = 65_536;

const factorSchema = z.strictObject({ last_step: z.int().min(-1), failures: z.int().min(0) });
const fileSchema = z.strictObject({ v: z.literal(1), people: z.record(z.string().max(64), factorSchema) });

export interface FactorUse {
  /** The newest time step whose code was taken; -1 for none. */
  readonly lastStep: number;
  /** Wrong codes since. */
  readonly failures: number;
}

const UNUSED: FactorUse = { lastStep: -1, failures: 0 };

export class AttemptFile {
  readonly #path: string;
  readonly #people = new Map<string, FactorUse>();
  /** What it said cannot be read. */
  readonly unreadable: boolean;

  constructor(path: string) {
    this.#path = path;
    this.unreadable = !this.#read();
  }

  of(name: string): FactorUse {
    return this.#people.get(name) ?? (this.unreadable ? { lastStep: -1, failures: FAILURES_MAX } : UNUSED);
  }

  /** Durable when it resolves. Rejects with JOURNAL_IO: then nothing may be done for it. */
  async set(name: string, use: FactorUse): Promise<void> {
    this.#people.set(name, use);
    const people = Object.fromEntries(
      [...this.#people].map(([each, { lastStep, failures }]) => [each, { last_step: lastStep, failures }]),
    );
    try {
      await writeFileDurably(this.#path, utf8(`${JSON.stringify({ v: 1, people })}\n`));
    } catch (error) {
      throw new LatchkeyError('JOURNAL_IO', `cannot write ${this.#path}: ${messageOf(error)}`, { cause: error });
    }
  }

  #read(): boolean {
    try {
      const text = readFileSync(this.#path, 'utf8');
      const parsed = text.length > FILE_CHARS_MAX ? undefined : fileSchema.safeParse(JSON.parse(text)).data;
      if (parsed === undefined) return false;
      for (const [name, { last_step: lastStep, failures }] of Object.entries(parsed.people)) {
        this.#people.set(name, { lastStep, failures });
      }
      return true;
    } catch (error) {
      return isMissing(error);
    }
  }
}
