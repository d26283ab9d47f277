/**
 * `stop_pick` on disk: a file of its own beside the journal, because it must hold even when a log is set aside. A file
 * that cannot be read as one means stopped: a person looks, and says `resume`.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { isMissing, writeFileDurably } from '../../platform/durable-file.ts';

const FILE_CHARS_MAX = 4_096;
const fileSchema = z.strictObject({ v: z.literal(1), stopped: z.boolean(), by: z.string().max(128) });

export interface StopPick {
  readonly stopped: boolean;
  /** Who said so last: kind and reference of the actor. */
  readonly by: string;
  readonly unreadable: boolean;
}

/** Never throws. */
export function readStopFile(path: string): StopPick {
  try {
    const text = readFileSync(path, 'utf8');
    const parsed = text.length > FILE_CHARS_MAX ? undefined : fileSchema.safeParse(JSON.parse(text)).data;
    if (parsed !== undefined) return { stopped: parsed.stopped, by: parsed.by, unreadable: false };
  } catch (error) {
    if (isMissing(error)) return { stopped: false, by: '', unreadable: false };
  }
  return { stopped: true, by: '', unreadable: true };
}

/** Durable when it resolves. Rejects with JOURNAL_IO. */
export async function writeStopFile(path: string, stopped: boolean, by: string): Promise<void> {
  try {
    await writeFileDurably(path, utf8(`${JSON.stringify({ v: 1, stopped, by })}\n`));
  } catch (error) {
    throw new LatchkeyError('JOURNAL_IO', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
}
