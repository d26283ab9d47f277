/**
 * Reads an export without believing it: consecutive batches of header line, event lines, signature line.
 */
import { readFileSync } from 'node:fs';
import { LatchkeyError } from '../../src/base/errors.ts';
import type { CustodyEvent } from '../../src/evidence/event/event.ts';

export interface ExportedBatch {
  readonly first: number;
  readonly count: number;
  /** The signed note at its end. */
  readonly checkpoint: string;
  /** Line numbers from 0 in the file: header, events, signature. */
  readonly headerLine: number;
}

export interface Exported {
  readonly lines: readonly string[];
  readonly batches: readonly ExportedBatch[];
  readonly events: readonly { readonly line: number; readonly event: CustodyEvent }[];
  /** Size of the last note. */
  readonly size: number;
}

export function readExport(file: string): Exported {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const batches: ExportedBatch[] = [];
  const events: { line: number; event: CustodyEvent }[] = [];
  for (let at = 0; at < lines.length; ) {
    const header = JSON.parse(lines[at] ?? '') as { first: number; count: number; checkpoint: string };
    batches.push({ first: header.first, count: header.count, checkpoint: header.checkpoint, headerLine: at });
    for (let line = at + 1; line <= at + header.count; line += 1) {
      events.push({ line, event: JSON.parse(lines[line] ?? '') as CustodyEvent });
    }
    at += header.count + 2;
  }
  const last = batches.at(-1);
  if (last === undefined) throw new LatchkeyError('INPUT_UNREADABLE', `${file} holds no batch`);
  return { lines, batches, events, size: Number(last.checkpoint.split('\n')[1]) };
}
