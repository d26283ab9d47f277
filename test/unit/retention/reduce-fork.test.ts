/** What is left of a fork's two sides once a person is erased from them. */
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { leafHash } from '../../../src/evidence/log/tree.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { reduceFork } from '../../../src/risk/retention/reduce-fork.ts';
import { PERSON, story } from '../../integration/risk/erasable.ts';

test('a fork without a person’s lines proves what it proved, and nothing else of it changes', () => {
  const log = story();
  const bytes = log.batch(0, 6);
  const reduced = Buffer.from(reduceFork(nodeCrypto, bytes, PERSON.ref))
    .toString()
    .split('\n');
  const lines = Buffer.from(bytes).toString().split('\n');
  expect(reduced).toHaveLength(lines.length);
  for (const [i, line] of lines.entries()) {
    const hash = Buffer.from(leafHash(nodeCrypto, utf8(line))).toString('base64');
    expect(reduced[i]).toBe(line.includes(PERSON.ref) ? `{"#":"withheld","leaf_hash":"${hash}"}` : line);
  }
});
