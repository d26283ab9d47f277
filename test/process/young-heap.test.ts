/** That the daemon's young heap stays small in a process of its own: V8's flags are the whole process's. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { mainPath } from '../support/child.ts';

const MIB = 1_048_576;

/** Twelve million small objects, of which 40,000 are alive at any time: as a backlog does when it is drained. */
const CHURN = `
let alive = [];
for (let round = 0; round < 300; round += 1) {
  const next = [];
  for (let i = 0; i < 40_000; i += 1) next.push({ i });
  alive = next;
  largest = Math.max(largest, youngHeapBytes());
}
console.log(JSON.stringify({ largest, alive: alive.length }));`;

function largestYoungHeap(first: string, nodeOptions = ''): number {
  const url = pathToFileURL(join(mainPath(), '../../platform/young-heap.js')).href;
  const script = `import { boundYoungHeap, youngHeapBytes } from '${url}';\nlet largest = 0;\n${first}\n${CHURN}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
  });
  expect(stderr).toBe('');
  return (JSON.parse(stdout) as { readonly largest: number }).largest;
}

test('the young heap of the daemon grows to 8 MiB and no further', () => {
  expect(largestYoungHeap('boundYoungHeap();')).toBe(8 * MIB);
  // Or the objects were too few for it to want more.
  expect(largestYoungHeap('')).toBeGreaterThan(8 * MIB);
});

test('a size that the operator chose stands', () => {
  expect(largestYoungHeap('boundYoungHeap();', '--max-semi-space-size=8')).toBe(16 * MIB);
});
