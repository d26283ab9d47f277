/** A password that was changed, or taken away, ends what was signed in with the one before. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashPassword } from '../../../src/platform/http/password.ts';
import { type Page, WebBench } from '../../support/console-web.ts';

let bench: WebBench;
beforeAll(() => {
  bench = new WebBench();
});
afterAll(() => bench.close());

async function statusOf({ cookie }: Page): Promise<number> {
  return (await bench.ask('/api/session', { headers: { cookie } })).status;
}

test('sessions of a person end soon after its password was changed, and those of others go on', async () => {
  const [tech, other, viewer] = [await bench.page('tech-1'), await bench.page('tech-1'), await bench.page('viewer-1')];
  const stream = await bench.ask('/api/live', { headers: { cookie: tech.cookie } });
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  bench.scheduler.advance(60_000);
  expect([await statusOf(tech), await statusOf(other), await statusOf(viewer)]).toEqual([200, 200, 200]);

  const { text } = hashPassword('another password', { ln: 14, r: 8, p: 1 });
  writeFileSync(bench.dir.file('tech-1.password'), `${text}\n`, { mode: 0o600 });
  bench.scheduler.advance(6_000);
  expect([await statusOf(tech), await statusOf(other), await statusOf(viewer)]).toEqual([401, 401, 200]);
  // Its page hears so, too.
  let heard = '';
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) heard += next.value;
  expect(heard).toContain('event: ended');

  rmSync(bench.dir.file('viewer-1.password'));
  bench.scheduler.advance(6_000);
  expect(await statusOf(viewer)).toBe(401);
});
