/** A TPM that is reset under the running daemon, by a glitch on its line or by somebody: on real swtpm processes. */
import { expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { namesOf, type RealBox } from './real-box.ts';
import { LIMIT_MS, makeBox } from './support.ts';

/** Why the start was attested anew, in the order of the log. */
function reasonsOf(box: RealBox): readonly unknown[] {
  const attested = box.events().filter(({ type, data }) => type === 'key.attested' && data['kind'] === 'time');
  return attested.map(({ data }) => data['reason']).filter((reason) => reason !== undefined);
}

test.each([
  ['and nobody starts: the box sends TPM2_Startup', 'none'],
  ['and started again by its firmware', 'cut'],
] as const)('a TPM that is reset under the daemon %s; anchors go on, and its AK tells of the reset', async (_, how) => {
  const box = await makeBox();
  await box.start();
  const before = await box.recordAnchored(2);
  expect(reasonsOf(box)).toEqual([]);
  if (how === 'none') await box.tpm.reset({ startup: 'none' });
  else await box.tpm.powerCut();
  await box.record();
  await until('the start is attested anew', () => reasonsOf(box).length > 0, LIMIT_MS);
  await box.recordAnchored(1);
  expect(box.counter).toBeGreaterThan(before);
  expect(reasonsOf(box)).toEqual(['tpm_reset']);
  expect(box.running.duty.status()?.attested).toBe(true);
  // The reset is observed: the log itself names the boot that the later anchors are of.
  expect(namesOf(box.findings())).toEqual([]);
  expect(box.origins()).toHaveLength(1);
});
