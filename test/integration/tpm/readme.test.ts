/** The examples of the client's README, run as they stand. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { makeTempDir } from '../../support/temp-dir.ts';
import { expectNothingLoaded, makeTpm } from './support/bench.ts';

const README = resolve(import.meta.dirname, '../../../src/edge/tpm/README.md');

/** One module: the imports of all blocks, then their statements in one function. */
function moduleOf(markdown: string): string {
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
  expect(blocks.length).toBeGreaterThanOrEqual(4);
  const lines = blocks.join('\n').split('\n');
  const isImport = (line: string): boolean => line.startsWith('import ');
  const names = new Set<string>();
  const imports = lines.filter(isImport).map((line) => {
    const [, list = '', from = ''] = /^import \{ (.*) \} from '(.*)';$/.exec(line) ?? [];
    const fresh = list.split(', ').filter((name) => !names.has(name));
    for (const name of fresh) names.add(name);
    return `import { ${fresh.join(', ')} } from ${JSON.stringify(join(dirname(README), from))};`;
  });
  const body = lines.filter((line) => !isImport(line)).join('\n');
  return `${imports.join('\n')}\nexport async function run(address) {\n${body}\nreturn { client, attestation, seed };\n}\n`;
}

test('the examples work on a real TPM', async () => {
  const box = await makeTpm();
  const dir = makeTempDir('tpm-readme');
  try {
    const path = dir.file('example.ts');
    writeFileSync(path, moduleOf(readFileSync(README, 'utf8')));
    const { run } = await import(path);
    const { client, attestation, seed } = await run(box.address);
    expect(attestation.attest).toHaveLength(149);
    expect(new TextDecoder().decode(seed.reveal())).toBe('seed');
    await expectNothingLoaded(client);
    await client.close();
  } finally {
    dir.remove();
  }
});

test('every reason for distrust is named in the README', () => {
  const source = readFileSync(resolve(dirname(README), 'errors.ts'), 'utf8');
  const listed = /type TamperReason =([^;]*);/.exec(source)?.[1] ?? '';
  const reasons = [...listed.matchAll(/'([a-z_]+)'/g)].map((match) => match[1] ?? '');
  expect(reasons.length).toBeGreaterThan(10);
  const text = readFileSync(README, 'utf8');
  expect(reasons.filter((reason) => !text.includes(`\`${reason}\``))).toEqual([]);
});
