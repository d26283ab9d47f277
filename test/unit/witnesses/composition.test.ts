/** Where independent witnesses are refused before anything runs. */
import { expect, test } from 'vitest';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { askedWitnesses } from '../../../src/risk/receive/levels.ts';
import { receiveSettingsSchema } from '../../../src/risk/receive/settings.ts';
import { witnessesSchema } from '../../../src/risk/witnesses/settings.ts';
import { TestWitness } from '../../support/test-log.ts';

const own = new TestWitness('receipts.example');
const other = new TestWitness('peer.example/w1');
const row = (witness: TestWitness) => ({ name: 'peer', vkey: formatVkey(witness.vkey), url: 'https://peer.example' });

test('the key of our own receipts is nobody else’s, under whatever name', () => {
  expect(askedWitnesses(witnessesSchema.parse([row(other)]), own.vkey)).toMatchObject([{ vkey: other.vkey }]);
  expect(() => askedWitnesses(witnessesSchema.parse([row(own)]), { ...own.vkey, name: 'renamed' })).toThrow(
    /independent_witnesses: expected keys of other operators, found at peer/,
  );
});

test('a store of files keeps no cosignatures, and says so instead of asking for them', () => {
  const settings = (store: unknown) =>
    receiveSettingsSchema.safeParse({
      data_dir: '/var/lib/latchkey',
      policy: '/etc/policy.json',
      mqtt: { url: 'mqtts://broker.example' },
      witness: { name: 'receipts.example', role: 'advisory' },
      store,
      independent_witnesses: [row(other)],
    });
  expect(settings('embedded').success).toBe(true);
  const refused = settings('files');
  expect(refused.error?.issues).toMatchObject([
    { path: ['independent_witnesses'], message: expect.stringContaining('kept in a database') },
  ]);
});
