import { describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { HistoryCollector } from '../../../src/evidence/anchor/collect.ts';
import { judgeContinuity } from '../../../src/evidence/anchor/continuity.ts';
import { startStatement, statementDigest } from '../../../src/evidence/anchor/statement.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { formatCheckpoint } from '../../../src/evidence/log/checkpoint.ts';
import { formatSignatureLine } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { formatAttest } from '../../../src/tpm2/attest.ts';
import { eventOf } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { TestTpm } from '../../support/test-tpm.ts';

const log = new TestLog('collected').append(utf8('a'), utf8('b'), utf8('c'), utf8('d'));
const old = new TestLog('before', 'gw-0001', 7).append(utf8('a'), utf8('b'));

/** A collector of `log`, the TPM, and a way to add entries. */
function bench() {
  const tpm = new TestTpm();
  const collector = new HistoryCollector(nodeCrypto, tpm.trust, log.origin, (origin, size) =>
    origin === log.origin && size <= log.size ? log.checkpoint(size).root : undefined,
  );
  let index = 0;
  const add = (type: string, data: JsonObject, more: object = {}): void => {
    collector.entry(index, eventOf(log, index, type, data, more));
    index += 1;
  };
  const pass = (type = 'door.opened'): void => {
    collector.pass(index, type);
    index += 1;
  };
  /** NV_Increment, NV_Certify and `anchor.made` over `of` at `size`. */
  const anchor = (size: number, of = log, more: { readonly data?: JsonObject; readonly event?: object } = {}): void => {
    tpm.counter += 1;
    tpm.clock += 1_000n;
    const { root } = of.checkpoint(size);
    const line = formatSignatureLine(tpm.line(formatCheckpoint({ origin: of.origin, size, root })));
    add('anchor.made', { size, root: base64url(root), lines: [line], ...more.data }, more.event);
  };
  const attest = (boot: number, time: bigint, clock: bigint, more: object = {}): void => {
    const clockInfo = { clock, resetCount: tpm.resetCount, restartCount: 0, safe: true };
    const digest = statementDigest(nodeCrypto, 'attested', startStatement(log.origin, boot));
    const attested = tpm.attest(digest, { kind: 'time', time, clockInfo, firmwareVersion: 1n });
    const signed = tpm.sign(formatAttest(attested));
    const data = { attest: base64url(signed.attest), signature: base64url(signed.signature), kind: 'time' };
    add('key.attested', data, { boot, ...more });
  };
  const skip = (): void => {
    collector.unreadable(index);
    index += 1;
  };
  const names = (): readonly string[] => judgeContinuity([collector.history()]).findings.map((finding) => finding.name);
  return { tpm, collector, add, pass, anchor, attest, skip, names };
}

describe('what is gathered from entries', () => {
  test('an anchor of this log, at its place and in the verified tree', () => {
    const { anchor, add, collector, names } = bench();
    add('journal.opened', {
      counter: { expected: 0, found: 0 },
      after: { log: old.origin, cause: 'rotation', size: 2 },
    });
    anchor(1);
    const [seen] = collector.anchors;
    expect(seen).toMatchObject({ origin: log.origin, size: 1, counter: 1, tree: 'same' });
    expect(seen?.places).toEqual([{ log: log.origin, index: 1 }]);
    expect(collector.history().opening).toEqual({
      log: log.origin,
      counter: { expected: 0, found: 0 },
      after: { log: old.origin, cause: 'rotation', size: 2 },
    });
    expect(names()).toEqual([]);
  });

  test('an anchor of a closed predecessor, finished here, and one that was carried here', () => {
    const { anchor, collector } = bench();
    anchor(2, old, { data: { log: old.origin } });
    const carried = { log: old.origin, n: 9, boot: 1, up_ms: 5, leaf: base64url(new Uint8Array(32)) };
    anchor(1, old, { event: { carried } });
    expect(collector.anchors.map(({ origin, tree, places }) => [origin, tree, places.length])).toEqual([
      [old.origin, 'unknown', 1],
      [old.origin, 'unknown', 2],
    ]);
    expect(collector.anchors[1]?.places[1]).toEqual({ log: old.origin, index: 9 });
  });

  test('lines that do not verify are counted, and sixteen are named', () => {
    const { add, collector, tpm } = bench();
    const { root } = log.checkpoint(2);
    const stranger = formatSignatureLine(new TestTpm('stranger').line(formatCheckpoint(log.checkpoint(2))));
    const other = formatSignatureLine(tpm.line(formatCheckpoint(log.checkpoint(3))));
    for (let i = 0; i < 10; i += 1) {
      add('anchor.made', { size: 2, root: base64url(root), lines: [stranger, other, 'no line'] });
    }
    expect(collector.refusedCount).toBe(30);
    expect(collector.refused).toHaveLength(16);
    expect(collector.refused.slice(0, 3).map((each) => each.reason)).toEqual(['key', 'checkpoint', 'key']);
    expect(collector.anchors).toEqual([]);
  });

  test('an entry that nobody can read, and a step over some, begin the held range anew', () => {
    const { pass, skip, collector, anchor, names, add, tpm } = bench();
    add('journal.opened', { counter: { found: 0 } });
    pass();
    expect(collector.history().held).toEqual({ first: 0, end: 2 });
    skip();
    expect(collector.history().held).toEqual({ first: 3, end: 3 });
    tpm.counter = 1;
    anchor(3);
    expect(collector.history().held).toEqual({ first: 3, end: 4 });
    // The first value is missing; it may have stood in the entry that nobody can read.
    expect(names()).toEqual(['gap_open']);
    collector.pass(90, 'door.opened');
    expect(collector.history().held).toEqual({ first: 90, end: 91 });
  });

  test('a start knows whether the boot before ended cleanly: nothing but anchors after the stop', () => {
    const { add, pass, anchor, names, collector } = bench();
    const start = (clean: boolean, more: object = {}): void => add('gateway.started', { clean, tpm_resets: 3 }, more);
    add('journal.opened', {});
    start(false);
    pass();
    add('gateway.stopped', { reason: 'signal' });
    anchor(2);
    start(true);
    expect(names()).toEqual([]);
    pass();
    start(false);
    start(true);
    start(true, { carried: { log: old.origin, n: 1, boot: 1, up_ms: 0, leaf: '' } });
    expect(collector.history().starts.map((each) => each.endedCleanly)).toEqual([
      undefined,
      true,
      false,
      false,
      undefined,
    ]);
    expect(names()).toEqual(['unclean_end']);
  });

  test('two GetTimes of one boot show a clock that was set, and only what the AK signed counts', () => {
    const { attest, names, collector, tpm } = bench();
    attest(1, 10_000n, 510_000n);
    attest(2, 20_000n, 520_900n);
    expect(names()).toEqual([]);
    attest(3, 30_000n, 9_999_999n);
    expect(names()).toEqual(['clock_set']);
    tpm.resetCount += 1;
    attest(4, 5n, 5n);
    expect(collector.history().times).toHaveLength(4);
    // For another start than the one in whose boot it stands.
    attest(5, 6n, 6n, { boot: 9 });
    expect(collector.refused.map((each) => each.reason)).toEqual(['statement']);
    expect(collector.history().times).toHaveLength(4);
  });
});
