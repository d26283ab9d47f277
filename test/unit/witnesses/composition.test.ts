/** Where independent witnesses are named, and refused, before anything runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { utf8 } from '../../../src/base/bytes.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { parsePolicy } from '../../../src/evidence/verify/policy.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { policyText } from '../../../src/risk/enrolment/policy.ts';
import { enrolmentSettingsSchema } from '../../../src/risk/enrolment/settings.ts';
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

/** The lines of a commented example below its name, without their comment signs. */
function example(file: string, name: string): unknown {
  const text = readFileSync(join(import.meta.dirname, '../../../config', file), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('#'));
  const first = lines.findIndex((line) => line.trimEnd() === `# ${name}:`);
  const end = lines.findIndex((line, i) => i > first && !line.startsWith('#   '));
  const shown = lines.slice(first, end).map((line) => line.slice(2));
  return (parse(shown.join('\n')) as Readonly<Record<string, unknown>>)[name];
}

test('the examples of the settings are sound, and the policy that enrolments print calls their witness independent', () => {
  const [asked] = witnessesSchema.parse(example('risk.yaml', 'independent_witnesses'));
  const settings = enrolmentSettingsSchema.shape.policy.parse(example('enrolments.yaml', 'policy'));
  const policy = parsePolicy(nodeCrypto, utf8(policyText(nodeCrypto, [], settings)));
  const witnesses = policy.ok ? policy.value.witnesses.map(({ vkey, roles }) => [formatVkey(vkey), ...roles]) : [];
  expect(witnesses).toHaveLength(2);
  expect(witnesses[1]).toEqual([asked?.vkey, 'independent']);
});
