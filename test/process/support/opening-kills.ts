/**
 * A real daemon is killed while it opens a door, at a step of the opening, and started again: how many unlock frames left
 * for the boards, and what the journal says of it.
 */
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { OpeningBench } from '../../support/opening-bench.ts';
import { until } from '../../support/until.ts';
import { DoorDaemon, type KillCall, type Killed, type KillMoment, type Work } from './door-daemon.ts';

/** The last thing of the opening that had happened when the daemon was killed, as the next start shows it. */
export type Reached = 'nothing' | 'received' | 'intended' | 'framed' | 'ended' | 'executed';

export interface KilledOpening {
  readonly reached: Reached;
  readonly inTime: boolean;
}

interface Asked extends Work {
  readonly id: string;
  readonly bytes: Uint8Array;
}

export class OpeningRig {
  readonly #bench: OpeningBench;
  readonly #daemon: DoorDaemon;

  constructor(bench: OpeningBench) {
    this.#bench = bench;
    this.#daemon = new DoorDaemon(bench);
  }

  static async make(): Promise<OpeningRig> {
    return new OpeningRig(await OpeningBench.make());
  }

  /** One kill, the start after it, and everything that must hold. */
  async killAt(moment: KillMoment): Promise<KilledOpening> {
    const bench = this.#bench;
    await this.#daemon.ready();
    const before = bench.tap.channels.length;
    const first = await this.#ask('A1');
    const killed = await this.#daemon.killDuring(moment, first);
    await this.#daemon.ready();
    // The same bytes come again, as from a broker or a service that does not know.
    for (let i = 0; i < 3; i += 1) await bench.publish(first.bytes);
    const next = await this.#ask('A2');
    await next.begin();
    await until('another door is opened', next.isOver);
    const entries = await this.#daemon.entries();
    const faults = faultsIn(first.id, killed, bench.tap.channels.slice(before), entries);
    const mine = entries.filter(({ data }) => data['id'] === next.id);
    if (!mine.some(({ type, data }) => type === 'command.executed' && data['result'] === 'opened'))
      faults.push('the next opening did not open');
    if (faults.length > 0) throw new Error(`${faults.join('; ')}: ${JSON.stringify(entries.slice(-30))}`);
    return { reached: reachedOf(first.id, killed, entries), inTime: killed.inTime };
  }

  /** The calls of one whole opening, between the command and its reply. */
  async findCalls(): Promise<readonly KillCall[]> {
    await this.#daemon.ready();
    return this.#daemon.findCalls(await this.#ask('A1'));
  }

  async close(): Promise<void> {
    await this.#daemon.end('SIGKILL');
    await this.#bench.close();
  }

  async #ask(compartment: string): Promise<Asked> {
    const bench = this.#bench;
    const command = await this.#daemon.command('open', { compartment });
    const { bytes, hash } = bench.ops.sign(command);
    const isOver = (): boolean => bench.heard(hash) !== undefined;
    return { id: command.id, bytes, begin: () => bench.publish(bytes), isOver };
  }
}

function faultsIn(id: string, { frames }: Killed, all: readonly number[], entries: readonly CustodyEvent[]): string[] {
  const of = (type: string): number => entries.filter((entry) => entry.type === type && entry.data['id'] === id).length;
  const faults: string[] = [];
  if (frames.length > 1) faults.push(`${frames.length} frames left for one intent`);
  if (all.length !== frames.length + 1 || all.at(-1) !== 2) faults.push(`frames ${all.join()} after ${frames.join()}`);
  if (frames.length > 0 && of('unlock.intended') !== 1) faults.push('a frame left before its intent was durable');
  if (of('unlock.intended') !== of('unlock.ended')) faults.push('an intent has not exactly one end');
  if (of('command.received') > 1 || of('command.executed') > 1) faults.push('a command was taken twice');
  return faults;
}

function reachedOf(id: string, { frames }: Killed, entries: readonly CustodyEvent[]): Reached {
  const mine = entries.filter(({ data }) => data['id'] === id);
  const has = (type: string): boolean => mine.some((entry) => entry.type === type);
  if (has('command.executed')) return 'executed';
  if (mine.some(({ type, data }) => type === 'unlock.ended' && data['reason'] !== 'restarted')) return 'ended';
  if (frames.length > 0) return 'framed';
  if (has('unlock.intended')) return 'intended';
  return has('command.received') ? 'received' : 'nothing';
}
