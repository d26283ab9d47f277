/** Somebody on the bus: every bit of every answer flipped, one in each run, while a box starts, attests and anchors. */
import { expect, test } from 'vitest';
import { BusBox, isHandleBit, isProved } from '../integration/attacks/bus-works.ts';
import { makeTpm, root } from '../integration/attacks/support.ts';
import { recordResult } from './support/results.ts';

/** One in so many bits only, for a short look; 1 is the campaign. */
const step = Number(process.env['CAMPAIGN_STEP'] ?? 1);

test('no changed answer is believed where it proves itself, and none leads to anything wrong elsewhere', async () => {
  const startedMs = Date.now();
  const bus = new BusBox(await makeTpm(), root.file('campaign-bus'));
  await bus.provision();
  let flips = 0;
  let proved = 0;
  const faults: string[] = [];
  const works = { provision: bus.provisionAgain, unseal: bus.unseal, attest: bus.attest, anchor: bus.anchor };
  for (const [name, work] of Object.entries({ ...works, login: bus.login })) {
    for (const [nth, { command, response }] of (await bus.answers(work)).entries()) {
      for (let bit = nth % step; bit < 8 * response.length; bit += step) {
        const what = await bus.flip(work, nth, bit);
        flips += 1;
        if (isProved(response)) proved += 1;
        const place = `${name}, answer ${nth} to 0x${command.toString(16)}, bit ${bit}: ${what}`;
        const isNoticed = /^(?:TPM|KEY)_/.test(what);
        if (what === 'wrong' || (isProved(response) && !isNoticed)) faults.push(place);
        // A proved answer is refused at once; a handle at its first use.
        if (isProved(response) && what === 'TPM_REFUSED' && !isHandleBit(bit)) faults.push(place);
      }
    }
  }
  await bus.client.close();
  expect(faults).toEqual([]);
  expect(proved).toBeGreaterThan(flips / 2);
  const counts = `${flips} bits flipped, ${proved} of them in answers that prove themselves`;
  await recordResult({ scenario: "every bit of the TPM's answers flipped", counts, startedMs });
});
