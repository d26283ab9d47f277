import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseSettings } from '../../../src/platform/settings.ts';

const schema = z.strictObject({
  gateway: z.strictObject({ id: z.string().regex(/^[a-z0-9-]{1,64}$/, 'lowercase letters, digits and hyphens') }),
  password_file: z.string().optional(),
  password: z.string().min(100).optional(),
  ports: z.array(z.strictObject({ baud: z.int().min(300) })).min(1),
  mode: z.enum(['a', 'b']),
});

function problems(text: string): readonly string[] {
  const parsed = parseSettings(text, schema);
  return parsed.ok ? [] : parsed.problems.map((problem) => `${problem.path} | ${problem.expected} | ${problem.found}`);
}

describe('settings', () => {
  test('a sound file gives the value', () => {
    expect(parseSettings('gateway: {id: gw-1}\nports: [{baud: 9600}]\nmode: a\n', schema)).toEqual({
      ok: true,
      value: { gateway: { id: 'gw-1' }, ports: [{ baud: 9600 }], mode: 'a' },
    });
  });

  test('all problems come at once, each with path, found and expected', () => {
    const found = problems('gateway: {id: GW 1, colour: red}\nports: [{baud: 9600}, {baud: ten}]\nmode: c\n');
    expect(found).toEqual([
      'gateway.id | lowercase letters, digits and hyphens | "GW 1"',
      'gateway.colour | no such setting (is it misspelt?) | a setting of that name',
      'ports[1].baud | a number | "ten"',
      'mode | "a" or "b" | "c"',
    ]);
  });

  test('a missing member is named', () => {
    expect(problems('ports: []\n')).toEqual([
      'gateway | a mapping | nothing',
      'ports | a list of at least 1 | []',
      'mode | "a" or "b" | nothing',
    ]);
  });

  test('of several settings checked together, the one that is wrong is shown', () => {
    const names = z.array(z.strictObject({ name: z.string() })).superRefine((_, context) => {
      context.addIssue({ code: 'custom', path: [1, 'name'], message: 'a name of its own' });
      context.addIssue({ code: 'custom', path: [7], message: 'eight of them' });
    });
    expect(parseSettings('[{name: a}, {name: b}]', names)).toMatchObject({
      problems: [
        { path: '[1].name', expected: 'a name of its own', found: '"b"' },
        { path: '[7]', expected: 'eight of them', found: 'nothing' },
      ],
    });
  });

  test('where one of several shapes or values is meant, all of them are told', () => {
    const either = z.strictObject({
      link: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('serial') }),
        z.strictObject({ kind: z.literal('tcp') }),
      ]),
      channels: z.union([z.literal(12), z.literal(16)]),
    });
    expect(parseSettings('link: {kind: usb, path: /dev/x}\nchannels: 17\n', either)).toMatchObject({
      problems: [
        { path: 'link.kind', expected: '"serial" or "tcp"', found: '"usb"' },
        { path: 'channels', expected: '12 or 16', found: '17' },
      ],
    });
  });

  test('where a value or a mapping may stand, both are told, and of a mapping what is wrong in it', () => {
    const keys = z.strictObject({ tpm: z.strictObject({ device: z.string().startsWith('/', 'an absolute path') }) });
    const said = z.union([z.literal('software'), keys], { error: '"software" or {tpm: {device: ...}}' });
    const either = z.strictObject({ keys: said, store: z.union([z.literal('files'), keys, z.array(z.string())]) });
    const found = (text: string): readonly string[] => {
      const parsed = parseSettings(text, either);
      return parsed.ok ? [] : parsed.problems.map(({ path, expected }) => `${path} | ${expected}`);
    };
    expect(found('keys: {tpm: {device: /dev/tpmrm0}}\nstore: files\n')).toEqual([]);
    expect(found('keys: tpm\nstore: 7\n')).toEqual([
      'keys | "software" or {tpm: {device: ...}}',
      'store | "files" or a mapping or a list',
    ]);
    expect(found('keys: {tmp: {device: /dev/tpmrm0}}\nstore: {tpm: {device: tpmrm0}}\n')).toEqual([
      'keys.tpm | a mapping',
      'keys.tmp | no such setting (is it misspelt?)',
      'store.tpm.device | an absolute path',
    ]);
    expect(found('keys: {tpm: {device: tpmrm0, colour: red}}\nstore: [1]\n')).toEqual([
      'keys.tpm.device | an absolute path',
      'keys.tpm.colour | no such setting (is it misspelt?)',
      'store[0] | a string',
    ]);
  });

  test('text that is not YAML, and a doubled key, name their line', () => {
    expect(problems('a: [1,\nb: }')[0]).toMatch(/^line \d+ \| YAML 1.2 \|/);
    expect(problems('mode: a\nmode: b\n')[0]).toMatch(/^line 2 \| YAML 1.2 \| .*unique/i);
  });

  test('a secret in the wrong place is not repeated', () => {
    const parsed = parseSettings('gateway: {id: a}\nports: [{baud: 9600}]\nmode: a\npassword: hunter2\n', schema);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('hunter2');
    expect(JSON.stringify(parsed)).toContain('not shown');
  });

  test('nor is one in an address, or below what is wrong', () => {
    const found = problems(
      'gateway: {id: "mqtt://me:hunter2@host"}\nports: {password: hunter3, passwd: hunter4}\nmode: [{token: hunter5}]\n',
    );
    expect(found).toHaveLength(3);
    expect(found.join()).not.toContain('hunter');
    expect(found[0]).toContain('//(a value that is not shown here)@host');
  });

  test('a billion laughs are refused and do not eat the memory', () => {
    let text = 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n';
    for (let i = 1; i < 12; i += 1) text += `a${i}: &a${i} [${`*a${i - 1},`.repeat(10)}]\n`;
    expect(problems(text).length).toBeGreaterThan(0);
  });
});
