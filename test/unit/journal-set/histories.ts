/**
 * Random histories of a box: what happens to a disk, its keys, its broker's memory and its consumer, in any order.
 *
 * Left out is the one thing that nothing without a TPM can close (SECURITY.md): a rollback while the broker also lost its
 * retained messages before any store saw the entries. So they are lost here only when the stores hold all that left.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { Box, type Snapshot } from './box.ts';
import { Witness } from './consumer.ts';
import { marksOn } from './disk.ts';

export type Act =
  | { readonly act: 'record'; readonly count: number }
  /** Queued and not flushed: a crash may take it. */
  | { readonly act: 'append'; readonly count: number }
  | { readonly act: 'connect' }
  | { readonly act: 'send'; readonly receipts: boolean }
  | { readonly act: 'rotate' }
  | { readonly act: 'restart'; readonly clean: boolean }
  /** Power goes in the middle of a rotation, a comparison or a start. */
  | { readonly act: 'cut'; readonly during: 'rotate' | 'compare' | 'start'; readonly changes: number }
  | { readonly act: 'snapshot'; readonly slot: number }
  | { readonly act: 'restore'; readonly slot: number; readonly what: 'disk' | 'journal' }
  /** A copy, a time in which things leave, and the copy again: the history that breaches. */
  | {
      readonly act: 'roll_back';
      readonly sent: number;
      readonly receipts: boolean;
      readonly rotates: boolean;
      readonly what: 'disk' | 'journal';
      readonly mine: number;
    }
  | { readonly act: 'lose_databases' }
  | { readonly act: 'lose_database'; readonly which: number }
  | { readonly act: 'lose_key'; readonly which: number }
  | { readonly act: 'lose_retained' }
  /** The bodies of one commit are gone, as a bad page would have it. */
  | { readonly act: 'damage'; readonly which: number; readonly row: number };

const small = fc.nat({ max: 5 });
const slot = fc.nat({ max: 2 });

export const actArbitrary: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ act: fc.constant('record' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('append' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('connect' as const) }) },
  { weight: 6, arbitrary: fc.record({ act: fc.constant('send' as const), receipts: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('rotate' as const) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('restart' as const), clean: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('cut' as const),
      during: fc.constantFrom('rotate' as const, 'compare' as const, 'start' as const),
      changes: fc.nat({ max: 14 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('snapshot' as const), slot }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('roll_back' as const),
      sent: fc.nat({ max: 3 }),
      receipts: fc.boolean(),
      rotates: fc.boolean(),
      what: fc.constantFrom('disk' as const, 'journal' as const),
      mine: fc.nat({ max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('restore' as const),
      slot,
      what: fc.constantFrom('disk' as const, 'journal' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('lose_databases' as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('lose_database' as const), which: small }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('lose_key' as const), which: small }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('lose_retained' as const) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('damage' as const), which: small, row: small }) },
);

/** What the histories of one run reached together, so that nobody can think they did nothing. */
export class Reached {
  readonly counts = new Map<string, number>();

  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

/** Plays a history, then lets everything arrive, and answers with what is wrong then. */
export async function play(acts: readonly Act[], reached: Reached): Promise<readonly string[]> {
  const witness = new Witness('store.example/a');
  const box = new Box({ witnesses: [{ witness, role: 'store' }] });
  const snapshots = new Map<number, Snapshot>();
  try {
    await box.start();
    for (const act of acts) await perform(box, act, snapshots, reached);
    await connect(box, reached);
    await box.send();
    for (const log of box.journal.status().logs) reached.add(`${log.state} ${log.cause ?? ''}`.trim());
    return findings(box);
  } finally {
    await box.end();
  }
}

function findings(box: Box): readonly string[] {
  const wrong = [...box.consumer.violations];
  for (const mark of box.durable) {
    if (!box.consumer.used.has(mark)) wrong.push(`${mark} was durable, was not destroyed, and never arrived`);
  }
  for (const [mark, count] of box.consumer.used) if (count > 1) wrong.push(`${mark} was used ${count} times`);
  const owing = box.journal.outbox.logs().filter(({ noteSize, receiptedSize }) => receiptedSize < noteSize);
  for (const { origin } of owing) wrong.push(`${origin} still waits for receipts`);
  const unsettled = box.journal.status().logs.filter(({ state, settled }) => state !== 'open' && !settled);
  for (const { origin } of unsettled) wrong.push(`${origin} is finished and its key was not destroyed`);
  return wrong;
}

async function connect(box: Box, reached: Reached): Promise<void> {
  const { kind } = await box.compare();
  reached.add(`compared: ${kind}`);
  // An uplink waits for receipts then; the stores publish theirs when a gateway comes online.
  if (kind === 'memory_lost') {
    box.republishReceipts();
    await box.receipts();
  }
}

async function perform(box: Box, act: Act, snapshots: Map<number, Snapshot>, reached: Reached): Promise<void> {
  switch (act.act) {
    case 'record':
      await box.record(act.count);
      break;
    case 'append':
      for (let i = 0; i < act.count; i += 1) box.append();
      break;
    case 'connect':
      await connect(box, reached);
      break;
    case 'send':
      if (!box.journal.status().compared) await connect(box, reached);
      await box.send({ receipts: act.receipts });
      break;
    case 'rotate':
      await box.journal.rotate();
      break;
    case 'restart':
      if (act.clean) await box.stop();
      else await box.crash();
      await box.start();
      break;
    case 'cut':
      await cut(box, act.during, act.changes);
      break;
    case 'roll_back':
      await rollBack(box, act, reached);
      break;
    case 'snapshot':
      snapshots.set(act.slot, box.snapshot(`slot-${act.slot}`));
      break;
    case 'lose_retained':
      await loseRetained(box, reached);
      break;
    default:
      await box.stop();
      if (spoil(box, act, snapshots)) {
        reached.add(act.act);
        box.durable = marksOn(box.dir);
      }
      await box.start();
  }
}

async function cut(box: Box, during: 'rotate' | 'compare' | 'start', changes: number): Promise<void> {
  if (during === 'rotate') await box.crashDuring(box.journal.rotate(), changes);
  else if (during === 'compare') await box.crashDuring(box.compare(), changes);
  else {
    await box.crash();
    await box.crashDuring(box.start(), changes);
  }
  await box.start();
}

async function rollBack(box: Box, act: Act & { readonly act: 'roll_back' }, reached: Reached): Promise<void> {
  const copy = box.snapshot('back');
  if (act.sent > 0) await box.record(act.sent);
  if (!box.journal.status().compared) await connect(box, reached);
  if (act.rotates) await box.journal.rotate();
  await box.send({ receipts: act.receipts });
  await box.stop();
  box.restore(copy, act.what);
  await box.start();
  if (act.mine > 0) await box.record(act.mine);
}

async function loseRetained(box: Box, reached: Reached): Promise<void> {
  if (!box.journal.status().compared) await connect(box, reached);
  await box.send();
  box.broker.clear();
  box.republishReceipts();
  reached.add('lose_retained');
}

/** What happens to a disk while the box is off. Answers whether it did. */
function spoil(box: Box, act: Act, snapshots: ReadonlyMap<number, Snapshot>): boolean {
  const journal = join(box.dir, 'journal');
  switch (act.act) {
    case 'restore': {
      const snapshot = snapshots.get(act.slot);
      if (snapshot !== undefined) box.restore(snapshot, act.what);
      return snapshot !== undefined;
    }
    case 'lose_databases':
      box.loseDatabases();
      return true;
    case 'lose_database': {
      const [name] = nth(box.databases(), act.which);
      if (name !== undefined) rmSync(join(journal, name));
      return name !== undefined;
    }
    case 'lose_key': {
      const [name] = nth(readdirSync(join(box.dir, 'keys')), act.which);
      if (name !== undefined) rmSync(join(box.dir, 'keys', name));
      return name !== undefined;
    }
    case 'damage': {
      const [name] = nth(box.databases(), act.which);
      if (name === undefined) return false;
      const database = new Database(join(journal, name));
      const rows = database.prepare<[], { first: number }>('SELECT first FROM commits ORDER BY first DESC').all();
      const [row] = nth(rows, act.row);
      if (row !== undefined) database.prepare('UPDATE commits SET leaves = NULL WHERE first = ?').run(row.first);
      database.close();
      return row !== undefined;
    }
    default:
      return false;
  }
}

function nth<T>(items: readonly T[], which: number): readonly T[] {
  return items.length === 0 ? [] : items.slice(which % items.length, (which % items.length) + 1);
}
