/** Copied keys, copied TPMs and clocks that somebody sets; and boxes that only have bad luck: on real swtpm processes. */
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startInterposer } from '../../../simulators/tpm/interposer.ts';
import { packetCode } from '../../../simulators/tpm/packets.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import type { LatchkeyError } from '../../../src/base/errors.ts';
import type { SeveralVerdicts } from '../../../src/cli/commands/verify-several.ts';
import { Sign } from '../../../src/edge/tpm/commands/attest.ts';
import { ClockSet, getPermanent, ReadClock } from '../../../src/edge/tpm/commands/capability.ts';
import { Create, Load } from '../../../src/edge/tpm/commands/object.ts';
import { permanent } from '../../../src/edge/tpm/entity.ts';
import { Secret } from '../../../src/edge/tpm/secret.ts';
import { judgeContinuity } from '../../../src/evidence/anchor/continuity.ts';
import { encodeLeaf } from '../../../src/evidence/event/leaf.ts';
import type { Verdict } from '../../../src/evidence/verify/verdict.ts';
import { TPM_CC, TPM_RH, TPMA_OBJECT } from '../../../src/tpm2/algorithms.ts';
import { signerTemplate } from '../../../src/tpm2/templates.ts';
import { runLatchkey } from '../../support/child.ts';
import { eventOf } from '../../support/test-events.ts';
import { seedOf, TestLog } from '../../support/test-log.ts';
import { until } from '../../support/until.ts';
import { namesOf, RealBox } from './real-box.ts';
import { atEnd, byHand, LIMIT_MS, makeBox, makeTpm, root } from './support.ts';

const HOUR_MS = 3_600_000n;

/** Counter values of the anchors in the open log, twins as one. */
function countersOf(box: RealBox): readonly number[] {
  const made = box.events().filter(({ type }) => type === 'anchor.made');
  return [...new Set(made.map(({ data }) => (data as unknown as { readonly counter: number }).counter))];
}

function expectUnbroken(box: RealBox): void {
  const counters = countersOf(box);
  expect(counters.length).toBeGreaterThan(0);
  expect(counters).toEqual(counters.map((_, i) => (counters[0] ?? 0) + i));
  expect(box.origins()).toHaveLength(1);
  expect(namesOf(box.findings(), 'refuted')).toEqual([]);
  expect(namesOf(box.findings(), 'cannot_tell')).toEqual([]);
}

describe('a copy', () => {
  test('of disk and TPM state that runs beside the first uses counter values twice, which proves it', async () => {
    const box = await makeBox();
    await box.start();
    await box.recordAnchored(1);
    await box.stop();
    const copied = await box.tpm.clone(root.file('cloned-tpm'));
    atEnd(() => copied.stop());
    const copy = new RealBox(copied, root.file('cloned-box'));
    atEnd(() => copy.end());
    box.cloneTo(copy);
    for (const each of [box, copy]) {
      await each.start();
      await each.recordAnchored(1);
      // Neither alone shows anything.
      expect(namesOf(each.findings(), 'refuted')).toEqual([]);
    }
    const { findings } = judgeContinuity([...box.histories(), ...copy.histories()]);
    expect(namesOf(findings, 'refuted')).toContain('counter_cloned');
    // The same, as a stranger with both exports and a policy sees it.
    const policy = root.file('clone-policy.json');
    writeFileSync(policy, JSON.stringify({ v: 1, logs: [box.trusted()] }));
    const exports = [await box.exported(), await copy.exported()];
    const paths = [...exports, Buffer.concat(exports)].map((bytes, i) => {
      const file = root.file(`clone-${i}.ndjson`);
      writeFileSync(file, bytes);
      return file;
    });
    const verify = (...files: readonly string[]) => runLatchkey(['verify', ...files, '--policy', policy, '--json']);
    for (const [i, file] of paths.entries()) {
      const { outcome } = JSON.parse((await verify(file)).out) as Verdict;
      // Each alone is whole. Both in one file are one log told twice, which refutes it by its order already.
      expect(outcome).toBe(i < exports.length ? 'verified' : 'refuted');
    }
    const { code, out } = await verify(...paths.slice(0, 2));
    const { files, together } = JSON.parse(out) as SeveralVerdicts;
    expect([code, ...files.map(({ outcome }) => outcome)]).toEqual([1, 'verified', 'verified']);
    expect(together).toMatchObject({ outcome: 'refuted', reason: 'anchor_continuity' });
    expect(together.detail).toMatch(/^counter_cloned: anchor \d+ .* and anchor \d+ /);
    // A file beside a copy of itself contradicts nothing.
    writeFileSync(root.file('clone-again.ndjson'), exports[0] ?? '');
    expect((await verify(paths[0] ?? '', root.file('clone-again.ndjson'))).code).toBe(0);
  });

  test('of the seed signs off the box what no TPM anchors: the level falls, and the verdict says why', async () => {
    const box = await makeBox(undefined, { seed: seedOf('stolen') });
    await box.start();
    await box.recordAnchored(2);
    const { length } = box.events();
    const honest = box.verdict(await box.exported());
    expect(honest.logs[0]).toMatchObject({ level: 'A2' });
    const thief = new TestLog('stolen');
    expect(thief.origin).toBe(box.journal.origin());
    // A history of his own; and the true one with entries of his own at its end.
    const forged = new TestLog('stolen');
    const log = box.journal.log();
    for (const { leaf } of log.database.leaves(0, log.size)) thief.append(leaf ?? new Uint8Array(0));
    for (const each of [forged, thief]) {
      for (let i = 0; i < 3; i += 1) {
        const event = eventOf(each, each.size, 'code.scanned', { size_bytes: 1, text: 'x' });
        each.append(encodeLeaf(event));
      }
    }
    const alone = box.verdict(forged.export(10));
    expect(alone).toMatchObject({ outcome: 'verified', logs: [{ tail: 3, anchors: { verified: 0 } }] });
    expect(alone.logs[0]?.level).not.toBe('A2');
    expect(alone.logs[0]?.whyNotHigher.join()).toMatch(/anchor/);
    const appended = box.verdict(thief.export(100)).logs[0];
    expect(appended?.tail).toBeGreaterThanOrEqual(3);
    expect(appended?.anchors.size).toBeLessThan(length + 1);
    expect(appended?.tailLevel).toBeDefined();
  });
});

test('five wrong authorisations of somebody else lock out nothing of ours', async () => {
  const box = await makeBox();
  await box.start();
  await box.recordAnchored(1);
  const { box: ours, client } = box.running;
  const template = signerTemplate({ x: new Uint8Array(0), y: new Uint8Array(0) });
  const guarded = { ...template, attributes: template.attributes & ~TPMA_OBJECT.noDA };
  const codes: string[] = [];
  await ours.run(async (unit) => {
    const made = await Create(unit, ours.srk, guarded, { auth: new Secret(utf8('right')) });
    const key = await Load(unit, ours.srk, made);
    for (let i = 0; i < 5; i += 1) {
      const wrong = { ...key, auth: new Secret(utf8('wrong')) };
      codes.push(
        await Sign(unit, wrong, new Uint8Array(32)).then(
          () => 'signed',
          (error: LatchkeyError) => error.code,
        ),
      );
    }
  });
  expect(codes).toHaveLength(5);
  expect(codes.at(-1)).toBe('TPM_LOCKOUT');
  expect((await client.run((unit) => getPermanent(unit))).inLockout).toBe(true);
  const before = box.counter;
  expect(await box.recordAnchored(1)).toBeGreaterThan(before);
  await box.stop();
  await box.start();
  expect(await box.recordAnchored(1)).toBeGreaterThan(before + 1);
});

test("a TPM's clock that was pushed forward between two starts of one boot is named, and refutes nothing", async () => {
  const box = await makeBox();
  await box.start();
  await box.recordAnchored(1);
  await box.stop();
  await byHand(box, async (unit) => {
    const { clockMs } = await ReadClock(unit);
    await ClockSet(unit, permanent(TPM_RH.OWNER), clockMs + HOUR_MS);
  });
  await box.start();
  await box.recordAnchored(1);
  expect(namesOf(box.findings())).toEqual(['clock_set']);
  expect(box.verdict(await box.exported())).toMatchObject({ outcome: 'verified', logs: [{ level: 'A2' }] });
});

describe('not accused is a box', () => {
  test('that is restarted again and again, in good order and not, while its TPM runs on', async () => {
    const box = await makeBox();
    for (const end of ['stop', 'crash', 'crash', 'stop'] as const) {
      await box.start();
      await box.record();
      await box[end]();
    }
    await box.start();
    await box.recordAnchored(1);
    expectUnbroken(box);
    expect(namesOf(box.findings())).toEqual([]);
  });

  test('whose power flaps: daemon and TPM go down together, sooner than the start is over', async () => {
    const box = await makeBox();
    for (let i = 0; i < 5; i += 1) {
      await box.start();
      if (i % 2 === 0) await box.record();
      await box.crash();
      await box.tpm.powerCut();
    }
    await box.start();
    await box.recordAnchored(1);
    expectUnbroken(box);
  });

  test.each([
    ['before the increment', TPM_CC.NV_Increment, 'command'],
    ['after the increment', TPM_CC.NV_Increment, 'response'],
    ['before the certificate', TPM_CC.NV_Certify, 'command'],
    ['after the certificate', TPM_CC.NV_Certify, 'response'],
  ] as const)('whose power goes twice in a row %s', async (_, code, side) => {
    const tpm = await makeTpm();
    const bus = await startInterposer({ tpm: tpm.address, socketPath: `${tpm.dir}/bus.sock` });
    atEnd(() => bus.close());
    const box = await makeBox(tpm, { address: bus.address });
    await box.start();
    await box.recordAnchored(1);
    for (let i = 0; i < 2; i += 1) {
      let isCut = false;
      const cut = (command: Uint8Array) => {
        if (packetCode(command) !== code || isCut) return { kind: 'pass' } as const;
        isCut = true;
        return { kind: 'cut' } as const;
      };
      bus.meddle(
        side === 'command' ? { command: cut } : { response: (_response, command: Uint8Array) => cut(command) },
      );
      if (i === 0) await box.record();
      await until('the power goes', () => isCut, LIMIT_MS);
      await box.crash();
      await tpm.powerCut();
      bus.meddle();
      await box.start();
      // The second cut comes while the first is mended, or over the entries of the start.
    }
    await box.recordAnchored(1);
    expectUnbroken(box);
  });

  test('whose TPM is slow', async () => {
    const tpm = await makeTpm();
    const bus = await startInterposer({ tpm: tpm.address, socketPath: `${tpm.dir}/bus.sock` });
    atEnd(() => bus.close());
    const box = await makeBox(tpm, { address: bus.address });
    bus.meddle({ response: () => ({ kind: 'delay', delayMs: 30 }) });
    await box.start();
    await box.recordAnchored(2);
    expectUnbroken(box);
    expect(namesOf(box.findings())).toEqual([]);
  });
});
