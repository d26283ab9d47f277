/**
 * Commits of several segment files in order of arrival. Files follow each other unless a gap was filled later, so as a
 * rule one file is open at a time.
 */
import type { EvidenceCrypto } from '../../../evidence/crypto.ts';
import type { PlacedCommit, SegmentFile } from './segment-file.ts';

interface Reading {
  readonly commits: AsyncIterator<PlacedCommit>;
  next: PlacedCommit | undefined;
}

/** Every commit that holds a row at or after `from`, ascending by position. */
export async function* mergeByPosition(
  crypto: EvidenceCrypto,
  segments: readonly SegmentFile[],
  from: number,
): AsyncGenerator<PlacedCommit> {
  const waiting = segments
    .filter((segment) => segment.tail.nextPosition > from)
    .sort((a, b) => a.head.position - b.head.position);
  const open: Reading[] = [];
  try {
    for (;;) {
      let first = firstOf(open);
      // A file that begins later cannot hold what comes before its beginning.
      while (waiting[0] !== undefined && (first === undefined || waiting[0].head.position <= first.position)) {
        const segment = waiting.shift();
        if (segment !== undefined) await openAt(crypto, segment, from, open);
        first = firstOf(open);
      }
      const reading = open.find((each) => each.next === first);
      if (first === undefined || reading === undefined) return;
      yield first;
      await advance(reading);
      if (reading.next === undefined) open.splice(open.indexOf(reading), 1);
    }
  } finally {
    for (const reading of open) await reading.commits.return?.();
  }
}

async function openAt(crypto: EvidenceCrypto, segment: SegmentFile, from: number, open: Reading[]): Promise<void> {
  const reading: Reading = {
    commits: segment.commits(crypto, { position: from })[Symbol.asyncIterator](),
    next: undefined,
  };
  await advance(reading);
  if (reading.next !== undefined) open.push(reading);
}

async function advance(reading: Reading): Promise<void> {
  const result = await reading.commits.next();
  reading.next = result.done === true ? undefined : result.value;
}

function firstOf(open: readonly Reading[]): PlacedCommit | undefined {
  return open
    .map((reading) => reading.next)
    .reduce(
      (least, next) => (least === undefined || (next !== undefined && next.position < least.position) ? next : least),
      undefined,
    );
}
