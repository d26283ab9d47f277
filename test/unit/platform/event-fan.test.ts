/** Server-sent events to many readers: a slow one gets the newest and holds up nobody, and memory stays bounded. */
import { expect, test } from 'vitest';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { EventFan } from '../../../src/platform/http/event-fan.ts';

const LIMITS = { streams: 3, streamsPerPerson: 2, notesMax: 5, pingMs: 1_000 };

type Reader = ReadableStreamDefaultReader<Uint8Array>;

async function read(reader: Reader | undefined): Promise<string> {
  const next = await reader?.read();
  return next?.done === false ? new TextDecoder().decode(next.value) : '(end)';
}

/** What can be read without anything further being sent. */
async function readAll(reader: Reader | undefined, until: RegExp): Promise<string> {
  let all = '';
  while (!until.test(all) && !all.endsWith('(end)')) all += await read(reader);
  return all;
}

test('a reader that was slow gets the newest state, and the newest notes, once', async () => {
  const fan = new EventFan(LIMITS, new ManualScheduler(0), () => undefined);
  const reader = fan.open('a', {})?.getReader();
  for (let n = 0; n < 1_000; n += 1) {
    fan.sendState('view', { n });
    fan.sendNote('entry', { n });
  }
  const all = await readAll(reader, /view/);
  expect(all.match(/event: view/g)).toHaveLength(1);
  expect(all).toContain('data: {"n":999}');
  expect(
    all
      .match(/event: entry\ndata: \{"n":(\d+)\}/g)
      ?.map((each) => Number(/\d+/.exec(each.split('data')[1] ?? '')?.[0])),
  ).toEqual([995, 996, 997, 998, 999]);
  fan.close();
});

test('whoever comes later begins with the newest state', async () => {
  const fan = new EventFan(LIMITS, new ManualScheduler(0), () => undefined);
  fan.sendState('view', { n: 7 });
  expect(await readAll(fan.open('a', {})?.getReader(), /view/)).toContain('{"n":7}');
  fan.close();
});

test('so many of one person, so many in all; whoever leaves makes room, and is counted out', async () => {
  const counts: number[] = [];
  const fan = new EventFan(LIMITS, new ManualScheduler(0), (readers) => counts.push(readers));
  const first = fan.open('a', {});
  expect(fan.open('a', {})).toBeDefined();
  expect(fan.open('a', {})).toBeUndefined();
  expect(fan.open('b', {})).toBeDefined();
  expect(fan.open('c', {})).toBeUndefined();
  await first?.cancel();
  expect(fan.open('c', {})).toBeDefined();
  expect(counts).toEqual([1, 2, 3, 2, 3]);
  fan.close();
});

test('the end of one owner ends his streams after a last word, and nobody else', async () => {
  const fan = new EventFan(LIMITS, new ManualScheduler(0), () => undefined);
  const [mine, other] = [{}, {}];
  const ended = fan.open('a', mine)?.getReader();
  const staying = fan.open('b', other)?.getReader();
  fan.end(mine, 'ended');
  expect(await readAll(ended, /\(end\)/)).toMatch(/event: ended\ndata: \{\}\n\n\(end\)$/);
  fan.sendNote('entry', { n: 1 });
  expect(await readAll(staying, /entry/)).toContain('{"n":1}');
  fan.close();
});

test('a quiet stream says something now and then, and no timer stays when all have left', async () => {
  const scheduler = new ManualScheduler(0);
  const fan = new EventFan(LIMITS, scheduler, () => undefined);
  const reader = fan.open('a', {})?.getReader();
  expect(await read(reader)).toBe(': \n\n');
  const next = read(reader);
  scheduler.advance(1_000);
  expect(await next).toBe(': \n\n');
  await reader?.cancel();
  expect(fan.readers).toBe(0);
});
