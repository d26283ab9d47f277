/** What the book of cosignatures owes, over logs in memory; and a line to a peer with it. */
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import { formatNote } from '../../../src/evidence/log/note.ts';
import { consistencyProof, subtreesOf } from '../../../src/evidence/log/proofs.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import type { AlarmKind } from '../../../src/risk/intake/alarms.ts';
import type { FoundCosignature } from '../../../src/risk/witnesses/add-checkpoint.ts';
import type { CosignatureBook, OwedLog, OwedQuestion } from '../../../src/risk/witnesses/cosignature-book.ts';
import { type WitnessSettings, witnessesSchema, witnessVkeyOf } from '../../../src/risk/witnesses/settings.ts';
import { WitnessClient } from '../../../src/risk/witnesses/witness-client.ts';
import { WitnessLine, type WitnessLineParts } from '../../../src/risk/witnesses/witness-line.ts';
import type { PeerWitness } from '../../support/peer-witness.ts';
import type { TestLog } from '../../support/test-log.ts';
import { TextLogger } from '../intake/harness.ts';

export const NOW_MS = Date.UTC(2026, 10, 22, 12);

interface Kept {
  readonly origin: string;
  readonly size: number;
  readonly timestampS: number;
}

export class MemoryBook implements Pick<CosignatureBook, 'witness' | 'newestOf' | 'owed' | 'offer' | 'keep'> {
  readonly logs: TestLog[];
  readonly kept: Kept[] = [];
  /** Origins, in the order in which checkpoints were asked for. */
  readonly offered: string[] = [];

  constructor(...logs: readonly TestLog[]) {
    this.logs = [...logs];
  }

  witness = async (): Promise<number> => 1;
  newestOf = async (): Promise<Date | undefined> => undefined;

  async owed({ after }: OwedQuestion): Promise<readonly OwedLog[]> {
    return this.logs
      .map((log) => ({ log, last: this.kept.findLast(({ origin }) => origin === log.origin) }))
      .filter(({ log, last }) => log.origin > after && log.size > (last?.size ?? 0))
      .map(({ log: { origin }, last }) => {
        const gateway = origin.split('/')[1] ?? '';
        return { origin, gateway, cosignedSize: last?.size ?? 0, cosignedAtS: last?.timestampS };
      })
      .sort((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  async offer(origin: string, oldSize: number): ReturnType<CosignatureBook['offer']> {
    this.offered.push(origin);
    const log = this.logs.find((each) => each.origin === origin);
    if (log === undefined) return 'unprovable';
    const { size } = log;
    if (oldSize > size) return 'smaller';
    const note = log.note();
    const proof = consistencyProof(nodeCrypto, subtreesOf(nodeCrypto, log.leafHashes), oldSize, size);
    return { oldSize, proof, note: formatNote(note), size, text: note.text };
  }

  async keep(
    { origin, size }: { readonly origin: string; readonly size: number },
    _: number,
    { timestampS }: FoundCosignature,
  ): Promise<void> {
    this.kept.push({ origin, size, timestampS });
  }
}

export interface Bench {
  readonly line: WitnessLine;
  readonly book: MemoryBook;
  readonly scheduler: ManualScheduler;
  readonly metrics: MemoryMetrics;
  readonly logger: TextLogger;
  readonly alarms: AlarmKind[];
  pass(signal?: AbortSignal): Promise<void>;
  /** How many submissions came to this. */
  count(result: string): number;
}

export function bench(
  peer: PeerWitness,
  logs: readonly TestLog[],
  more: Partial<WitnessSettings> & Pick<Partial<WitnessLineParts>, 'isMine'> & { readonly book?: MemoryBook } = {},
): Bench {
  const { isMine = () => true, book = new MemoryBook(...logs), ...changed } = more;
  const [settings] = witnessesSchema.parse([{ name: 'peer', vkey: peer.vkey, url: peer.url, timeout_s: 60 }]);
  const vkey = witnessVkeyOf(peer.vkey);
  if (settings === undefined || vkey === undefined) throw new Error('settings');
  const own = { ...settings, ...changed };
  const scheduler = new ManualScheduler(NOW_MS);
  peer.nowS = () => Math.floor(scheduler.wallMs() / 1_000);
  const metrics = new MemoryMetrics();
  const logger = new TextLogger();
  const alarms: AlarmKind[] = [];
  const line = new WitnessLine({
    settings: own,
    vkey,
    book,
    link: new WitnessClient(own),
    crypto: nodeCrypto,
    scheduler,
    logger,
    metrics,
    alarms: { raise: (kind) => void alarms.push(kind) },
    isMine,
    random: () => 1,
  });
  return {
    line,
    book,
    scheduler,
    metrics,
    logger,
    alarms,
    pass: (signal = new AbortController().signal) => line.pass(signal),
    count: (result) => metrics.value('witness_submissions', { witness: 'peer', result }),
  };
}
