/** What every enrolment store must hold to. */
import { describe, expect, test } from 'vitest';
import type { EnrolmentStore } from '../../src/risk/enrolment/store.ts';

const ID = 'ab'.repeat(32);

export function enrolmentStoreContract(
  name: string,
  make: () => Promise<{ store: EnrolmentStore; again?: () => Promise<EnrolmentStore> }>,
) {
  describe(name, () => {
    test('keeps the events of each gateway in order, and nothing of another', async () => {
      const { store, again } = await make();
      expect(await store.read('gw-1')).toEqual([]);
      for (const [i, text] of ['a\n', 'b\n', 'c\n'].entries())
        expect(await store.append('gw-1', i, text)).toBe('stored');
      expect(await store.append('gw-2', 0, 'z\n')).toBe('stored');
      for (const each of [store, await again?.()]) {
        if (each === undefined) continue;
        expect(await each.read('gw-1')).toEqual(['a\n', 'b\n', 'c\n']);
        expect(await each.read('gw-2')).toEqual(['z\n']);
        expect(await each.gateways()).toEqual(['gw-1', 'gw-2']);
      }
    });

    test('gives one number to one of many writers', async () => {
      const { store, again } = await make();
      const other = (await again?.()) ?? store;
      const tries = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? store : other).append('gw-1', 0, `${i}\n`));
      const answers = await Promise.all(tries);
      expect(answers.filter((answer) => answer === 'stored')).toHaveLength(1);
      expect(await store.read('gw-1')).toEqual([`${answers.indexOf('stored')}\n`]);
    });

    test('gives a key to the first gateway for good', async () => {
      const { store, again } = await make();
      expect(await store.claim('ak', ID, 'gw-1')).toBe('gw-1');
      expect(await store.claim('ak', ID, 'gw-2')).toBe('gw-1');
      expect(await store.claim('ak', ID, 'gw-1')).toBe('gw-1');
      expect(await store.claim('ek', ID, 'gw-2')).toBe('gw-2');
      expect(await (await again?.())?.claim('ak', ID, 'gw-3')).toBe(again === undefined ? undefined : 'gw-1');
    });

    test('finds a token by its hash alone', async () => {
      const { store, again } = await make();
      const rows = Array.from({ length: 40 }, (_, i) => {
        return { hash: i.toString(16).padStart(64, '0'), gateway: `gw-${i}`, expiresMs: 1_000 + i };
      });
      await store.addTokens(rows);
      const other = (await again?.()) ?? store;
      for (const row of rows) expect(await other.token(row.hash)).toEqual(row);
      expect(await store.token(ID)).toBeUndefined();
    });
  });
}
