/** Response codes that swtpm was seen to answer, and a few of the kernel's and of Part 2's tables. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { decodeResponseCode, type Remedy, responseCodeText } from '../../../src/tpm2/response-code.ts';

const TABLE: readonly (readonly [code: number, text: string, remedy: Remedy])[] = [
  [0x100, 'INITIALIZE', 'startup'],
  [0x142, 'COMMAND_SIZE', 'fix'],
  [0x124, 'AUTH_TYPE', 'fix'],
  [0x12f, 'AUTH_UNAVAILABLE', 'fix'],
  [0x14a, 'NV_UNINITIALIZED', 'gone'],
  [0x184, 'VALUE, handle 1', 'gone'],
  [0x18b, 'HANDLE, handle 1', 'gone'],
  [0x98e, 'AUTH_FAIL, session 1', 'fix'],
  [0x9a2, 'BAD_AUTH, session 1', 'fix'],
  [0x99d, 'POLICY_FAIL, session 1', 'fix'],
  [0xa9d, 'POLICY_FAIL, session 2', 'fix'],
  [0x1c4, 'VALUE, parameter 1', 'fix'],
  [0x1df, 'INTEGRITY, parameter 1', 'fix'],
  [0x3e0, 'TICKET, parameter 3', 'fix'],
  [0x901, 'CONTEXT_GAP', 'resource'],
  [0x902, 'OBJECT_MEMORY', 'resource'],
  [0x903, 'SESSION_MEMORY', 'resource'],
  [0x907, 'LOCALITY', 'fix'],
  [0x908, 'YIELDED', 'retry'],
  [0x909, 'CANCELED', 'retry'],
  [0x90a, 'TESTING', 'retry'],
  [0x910, 'REFERENCE_H0', 'resource'],
  [0x918, 'REFERENCE_S0', 'resource'],
  [0x920, 'NV_RATE', 'retry'],
  [0x921, 'LOCKOUT', 'lockout'],
  [0x922, 'RETRY', 'retry'],
  [0x923, 'NV_UNAVAILABLE', 'retry'],
  [0x000b_0143, 'COMMAND_CODE, from the resource manager', 'fix'],
];

test.each(TABLE)('0x%s is %s', (code, text, remedy) => {
  const rc = decodeResponseCode(code);
  expect(responseCodeText(rc)).toBe(`${text} (0x${code.toString(16)})`);
  expect(rc.remedy).toBe(remedy);
});

test('tpm2_rc_decode blames the same handle, parameter or session', () => {
  for (const [code] of TABLE.filter(([code]) => code < 0x1_0000)) {
    const rc = decodeResponseCode(code);
    const said = execFileSync('tpm2_rc_decode', [`0x${code.toString(16)}`]).toString();
    const spoken = said.toLowerCase();
    if (rc.about !== undefined) expect(spoken).toContain(`${rc.about.kind}(${rc.about.number})`);
    else expect(spoken).toMatch(/^tpm:(warn|error)/);
  }
});

test('a code of no table keeps its number', () => {
  for (let code = 1; code < 0x1_0000; code += 1) {
    const rc = decodeResponseCode(code);
    expect(rc.code).toBe(code);
    expect(rc.name.length).toBeGreaterThan(0);
  }
  expect(decodeResponseCode(0x955).name).toBe('unknown code 0x955');
});
