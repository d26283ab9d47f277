/**
 * A real daemon is killed while somebody's code opens a door, and started again: how many unlock frames left for that one
 * code, however often it is typed afterwards, and what the journal says.
 */
import type { CustodyEvent } from '../../../src/evidence/event/event.ts';
import { AccessBench, grantArgs } from '../../support/access-bench.ts';
import { randomId } from '../../support/opening-bench.ts';
import { until } from '../../support/until.ts';
import { DoorDaemon, type KillCall, type KillMoment, type Work } from './door-daemon.ts';

const TYPED_AGAIN_MAX = 4;

/** The last thing that had happened for the code when the daemon was killed. */
export type Reached = 'nothing' | 'used' | 'granted' | 'framed';

export interface KilledAccess {
  readonly reached: Reached;
  readonly inTime: boolean;
}

interface Code {
  readonly code: string;
  readonly credential: string;
}

export class AccessRig {
  readonly #bench: AccessBench;
  readonly #daemon: DoorDaemon;
  readonly #codes: Code[] = [];

  private constructor(bench: AccessBench) {
    this.#bench = bench;
    this.#daemon = new DoorDaemon(bench);
  }

  /** With so many codes granted ahead, each for one opening of the same door. */
  static async make(codes: number): Promise<AccessRig> {
    const rig = new AccessRig(await AccessBench.withHands());
    await rig.#daemon.ready();
    await rig.#grant(Array.from({ length: codes }, (_, i) => `${10_000_000 + i}`));
    return rig;
  }

  async killAt(moment: KillMoment): Promise<KilledAccess> {
    const { tap } = this.#bench;
    const mine = this.#take();
    await this.#daemon.ready();
    const before = tap.channels.length;
    const killed = await this.#daemon.killDuring(moment, this.#typing(mine));
    this.#daemon.shutDoors();
    await this.#daemon.ready();
    const entries = await this.#typeAgain(mine);
    const reached = this.#judge(mine, killed.frames.length, tap.channels.length - before, entries);
    return { reached, inTime: killed.inTime };
  }

  /** Calls of one whole opening, between the keys and the end that the journal tells. */
  async findCalls(): Promise<readonly KillCall[]> {
    await this.#daemon.ready();
    return this.#daemon.findCalls(this.#typing(this.#take()));
  }

  async close(): Promise<void> {
    await this.#daemon.end('SIGKILL');
    await this.#bench.close();
  }

  #take(): Code {
    const mine = this.#codes.shift();
    if (mine === undefined) throw new Error('no code is left');
    return mine;
  }

  /** Over when the daemon says in its log lines that the opening ended, or at the keypad that it opens nothing. */
  #typing({ code }: Code): Work {
    const { hands } = this.#bench;
    const ends = (): number => this.#daemon.linesWith('an opening ended');
    const told = (): readonly string[] => hands?.told('pad') ?? [];
    let before = { ends: 0, told: 0 };
    const begin = (): void => {
      before = { ends: ends(), told: told().length };
      hands?.type('pad', code);
    };
    return { begin, isOver: () => ends() > before.ends || told().slice(before.told).includes('R') };
  }

  /** The same code, until it is said to be used. */
  async #typeAgain({ code, credential }: Code): Promise<readonly CustodyEvent[]> {
    const { hands } = this.#bench;
    for (let i = 0; i < TYPED_AGAIN_MAX; i += 1) {
      const told = hands?.told('pad').length ?? 0;
      hands?.type('pad', code);
      await until('the keypad is told', () => (hands?.told('pad').length ?? 0) > told);
      const entries = await this.#daemon.entries();
      const mine = entries.filter(({ data }) => data['credential'] === credential);
      if (mine.some(({ data, type }) => type === 'access.refused' && data['reason'] === 'used')) return entries;
      // It was granted now: its door opens, and is shut for the next try.
      await this.#daemon.ready();
    }
    throw new Error(`a code is never used up: ${JSON.stringify((await this.#daemon.entries()).slice(-20))}`);
  }

  #judge({ credential }: Code, killed: number, all: number, entries: readonly CustodyEvent[]): Reached {
    const granted = entries.filter(({ data, type }) => type === 'access.granted' && data['credential'] === credential);
    const cut = entries.filter(
      ({ data, type }) => type === 'exception.reported' && data['detail'] === `credential ${credential}`,
    );
    const faults: string[] = [];
    if (all > 1) faults.push(`${all} frames left for one code`);
    if (granted.length > 1) faults.push('a code of one use was granted twice');
    if (killed > 0 && granted.length !== 1) faults.push('a frame left before the grant was durable');
    if (cut.length > 1) faults.push('an opening was cut twice');
    if (all === 0 && cut.length === 0) faults.push('a code was used up, and nothing says so');
    if (faults.length > 0) throw new Error(`${faults.join('; ')}: ${JSON.stringify(entries.slice(-30))}`);
    if (killed > 0) return 'framed';
    if (cut.length === 0) return 'nothing';
    return granted.length > 0 ? 'granted' : 'used';
  }

  async #grant(codes: readonly string[]): Promise<void> {
    const bench = this.#bench;
    const started = (await this.#daemon.entries()).filter(({ type }) => type === 'gateway.started').at(-1);
    const command = await this.#daemon.command('grant', {});
    for (const code of codes) {
      const args = grantArgs(code, started?.data['access_key']);
      const { bytes, hash } = bench.ops.sign({ ...command, id: randomId(), args });
      await bench.publish(bytes);
      await until('the code is granted', () => bench.heard(hash) !== undefined);
      this.#codes.push({ code, credential: String(args['credential']) });
    }
  }
}
