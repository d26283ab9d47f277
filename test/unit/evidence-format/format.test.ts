import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { hex, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { parseBatch } from '../../../src/evidence/batch/batch.ts';
import { EVENT_TYPES } from '../../../src/evidence/event/vocabulary.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { SCHEMA_FILES, schemaText } from '../../../src/evidence/schemas.ts';
import { formatBundle } from '../../../src/evidence/verify/bundle.ts';
import { policyOfVkey } from '../../../src/evidence/verify/policy.ts';
import { VERIFY_REASONS } from '../../../src/evidence/verify/reasons.ts';
import { verifyBytes } from '../../../src/evidence/verify/verify-file.ts';
import { formatEnrolment, formatRequest, formatStatus } from '../../../src/evidence/wire/messages.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { exampleBatches, exampleLog, exampleReceipt, exampleText } from '../../support/format-example.ts';
import { expectFile } from '../../support/generated.ts';
import { Random } from '../../support/mutate.ts';
import { strangerVerifies } from '../../support/stranger.ts';
import { fill } from '../../support/test-events.ts';
import { TestLog } from '../../support/test-log.ts';
import { statement } from '../../support/test-trust.ts';
import { bundleOf, source } from '../../support/verdict-bench.ts';
import { bodyOf, eventOf as sampleEvent } from '../evidence-event/samples.ts';

const root = join(import.meta.dirname, '../../..');
const path = join(root, 'src/evidence/FORMAT.md');
const format = (): string => readFileSync(path, 'utf8');
const MARKS = /(<!-- example: begin [^\n]*-->\n)[\s\S]*(<!-- example: end -->)/;

/** The fenced blocks of section 13, as a reader sees them. */
function blocks(): readonly string[] {
  const example = MARKS.exec(format())?.[0] ?? '';
  return [...example.matchAll(/```\n([\s\S]*?)\n```/g)].map((match) => match[1] ?? '');
}

describe('FORMAT.md', () => {
  test('prints the numbers that the code produces', () => {
    const text = format().replace(MARKS, (_all, begin: string, end: string) => `${begin}\n${exampleText()}\n\n${end}`);
    expectFile(path, text);
  });

  test('names every reason for which a verifier refuses', () => {
    const text = format();
    const unsaid = Object.keys(VERIFY_REASONS).filter((name) => !text.includes(`\`${name}\``));
    expect(unsaid).toEqual([]);
  });

  test('names each prefix that a key may sign with its right length', () => {
    for (const [, length, type] of format().matchAll(/`DSSEv1 (\d+) (\S+) `/g))
      expect(type).toHaveLength(Number(length));
    expect([...format().matchAll(/`DSSEv1 \d+ /g)]).toHaveLength(9);
  });

  test('is enough: a stranger verifies the batch that it prints, and the export', () => {
    const all = blocks();
    const vkey = /log vkey +(\S+)/.exec(all.join('\n'))?.[1] ?? '';
    const payload = all.find((block) => /^[0-9a-f\n]{900,}$/.test(block)) ?? '';
    const line = all.find((block) => block.startsWith('{"kid":"') && !block.includes('\n')) ?? '';
    const batch = Buffer.concat([Buffer.from(payload.replaceAll('\n', ''), 'hex'), Buffer.from(`${line}\n`)]);
    const second = all.find((block) => block.includes('"left":[') && block.includes('"kid"')) ?? '';
    const tree = strangerVerifies(batch, vkey);
    expect(tree.size).toBe(3);
    expect(format()).toContain(`size 3 \`${tree.root}\``);
    const whole = strangerVerifies(Buffer.concat([batch, Buffer.from(`${second}\n`)]), vkey);
    expect(whole.size).toBe(5);
    expect(format()).toContain(`size 5 \`${whole.root}\``);
    expect(strangerVerifies(Buffer.from(`${second}\n`), vkey)).toEqual(whole);
    expect(hex(batch)).toBe(hex(exampleBatches()[0]));
  });
});

describe('a stranger who read only FORMAT.md', () => {
  const log = fill(new TestLog('for a stranger'), 60);
  const vkey = formatVkey(log.vkey);

  test('comes to the same tree as the verifier, for exports of any cut', () => {
    for (const each of [1, 7, 60]) {
      expect(strangerVerifies(Buffer.from(log.export(each)), vkey)).toEqual({
        size: 60,
        root: Buffer.from(log.checkpoint().root).toString('base64'),
      });
    }
    expect(strangerVerifies(Buffer.from(log.export(9, 13)), vkey).size).toBe(60);
  });

  test('refuses what the verifier refuses', () => {
    const bytes = log.export(20);
    const random = new Random(61);
    const trust = { cryptos: [nodeCrypto], policy: policyOfVkey(nodeCrypto, vkey), single: true };
    for (let i = 0; i < 200; i += 1) {
      const changed = Buffer.from(bytes);
      const at = random.below(bytes.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      expect(() => strangerVerifies(changed, vkey)).toThrow();
      expect(verifyBytes(new Uint8Array(changed), trust).exitCode).toBe(1);
    }
    expect(() => strangerVerifies(Buffer.from(bytes), formatVkey(new TestLog('other').vkey))).toThrow('refused');
  });
});

describe('the published schemas', () => {
  test.each(SCHEMA_FILES)('config/%s is the text that the code generates', (file) => {
    expectFile(join(root, 'config', file), schemaText(file));
  });

  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(JSON.parse(schemaText('wire.schema.json')), 'wire');
  const accepts = (name: string, value: unknown): boolean => ajv.validate(`wire#/$defs/${name}`, value) === true;
  const json = (bytes: Uint8Array): unknown => JSON.parse(utf8Text(bytes) ?? '');

  test('take what the code writes, and no further member', () => {
    const log = exampleLog();
    const [first, second] = exampleBatches(log);
    const envelope = statement(log, new TestLog('next', 'gw-0001', 2).vkey, { size: 5 });
    const samples: readonly (readonly [string, unknown])[] = [
      ['batch_header', json(first.subarray(0, first.indexOf(0x0a)))],
      ['batch_header', json(second.subarray(0, second.indexOf(0x0a)))],
      ['batch_signature', json(first.subarray(first.lastIndexOf(0x0a, first.length - 2) + 1))],
      ['batch_signature', { kid: '', sig: '' }],
      ['status', json(formatStatus({ boot: 1, state: 'online' }))],
      ['request', json(formatRequest({ origin: log.origin, first: 3 }))],
      ['enrolment', json(formatEnrolment({ successors: [envelope] }))],
      ['successor', json(envelope.payload)],
      ['bundle', json(formatBundle(bundleOf(source(fill(new TestLog('schema'), 40)))))],
    ];
    for (const [name, value] of samples) {
      expect(accepts(name, value), name).toBe(true);
      expect(accepts(name, { ...(value as object), zz: 1 }), name).toBe(false);
      for (const member of Object.keys(value as object)) {
        const { [member]: _gone, ...rest } = value as Record<string, unknown>;
        if (member !== 'left') expect(accepts(name, rest), `${name} without ${member}`).toBe(false);
      }
    }
  });

  test('take every leaf of the example and a sample of every type, each only as its own type', () => {
    const validate = ajv.compile(JSON.parse(schemaText('event.schema.json')));
    for (const type of EVENT_TYPES) {
      const sample = sampleEvent(bodyOf(type));
      expect(validate(sample), `${type} ${JSON.stringify(validate.errors?.slice(0, 2))}`).toBe(true);
      expect(validate({ ...sample, data: { zz: 1 } }), type).toBe(false);
      expect(validate({ ...sample, zz: 1 }), type).toBe(false);
    }
    for (const leaf of exampleLog().leaves) {
      expect(validate(json(leaf)), JSON.stringify(validate.errors?.slice(0, 2))).toBe(true);
      expect(validate({ ...(json(leaf) as object), type: 'robot.danced' })).toBe(false);
    }
  });
});

test('the example is used as it should be: all accepted, and receipted by its witness', () => {
  const log = exampleLog();
  const [first, second] = exampleBatches(log);
  const { note, vkey } = exampleReceipt(log);
  const policy = policyOfVkey(nodeCrypto, formatVkey(log.vkey));
  if (policy === undefined) throw new Error('a policy');
  const verdict = verifyBytes(new Uint8Array(Buffer.concat([first, second])), {
    cryptos: [nodeCrypto],
    policy: { ...policy, witnesses: [{ vkey, roles: ['store'] }] },
    receipts: [note],
  });
  expect(verdict).toMatchObject({ outcome: 'verified', kind: 'export' });
  expect(verdict.logs[0]).toMatchObject({ receiptedSize: 5, entries: { accepted: 5, opaque: 0, withheld: 0 } });
  expect(parseBatch(utf8('x')).ok).toBe(false);
});
