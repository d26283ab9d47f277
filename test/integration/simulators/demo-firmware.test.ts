/** The firmware that takes part in the demo: built where a C compiler is, and missed in one line where none is. */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { demoFirmware } from '../../../simulators/demo/firmware.ts';
import { parsePairingCode } from '../../../src/edge/drivers/latchkey/pair.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

let dir: TempDir;
beforeEach(() => {
  dir = makeTempDir();
});
afterEach(() => {
  vi.unstubAllEnvs();
  dir.remove();
});

test('without a C compiler nobody takes part, and one line says so', async () => {
  vi.stubEnv('PATH', dir.path);
  const said: string[] = [];
  expect(await demoFirmware(dir.file('firmware'), (line) => void said.push(line))).toBeUndefined();
  expect(said).toEqual(['no C compiler (cc) is here, so no firmware of the open wire takes part']);
});

test('with one, it is built, has a line and a label with a sound code', async () => {
  const firmware = await demoFirmware(dir.file('firmware'), () => undefined);
  if (firmware === undefined) throw new Error('expected a C compiler on the machine that tests');
  expect(existsSync(firmware.path)).toBe(true);
  expect(firmware.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(parsePairingCode(readFileSync(firmware.codeFile, 'utf8')).ok).toBe(true);
  await firmware.stop();
});
