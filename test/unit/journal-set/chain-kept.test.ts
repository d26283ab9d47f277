/** The chain of successors outside, when this disk has lost the keys that prove its older links. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Box } from './box.ts';

let box: Box;
beforeEach(() => {
  box = new Box();
});
afterEach(() => box.end());

/** `old -> new` of every statement that the broker keeps. */
function links(): readonly (readonly [string, string])[] {
  const text = Buffer.from(box.broker.get('enrolment') ?? Buffer.from('{"successors":[]}')).toString();
  const { successors } = JSON.parse(text) as { readonly successors: readonly { readonly payload: string }[] };
  return successors.map(({ payload }) => {
    const { old, new: next } = JSON.parse(Buffer.from(payload, 'base64').toString()) as { old: string; new: string };
    return [old, next.split('+')[0] ?? ''] as const;
  });
}

test('a lost database does not take older statements from the broker, so that an older copy makes no second successor', async () => {
  await box.start();
  await box.compare();
  await box.record(3);
  await box.send();
  const first = box.journal.origin();
  const copy = box.snapshot('before the rotation');
  await box.journal.rotate();
  await box.record(1);
  await box.send();
  const second = box.journal.origin();
  expect(links()).toEqual([[first, second]]);
  await box.stop();
  box.loseDatabases();
  await box.start();
  await box.compare();
  await box.send();
  const third = box.journal.origin();
  // The key of the first log is long destroyed: nothing here can prove its statement any more.
  expect(links()).toEqual([
    [first, second],
    [second, third],
  ]);
  await box.stop();
  box.restore(copy);
  await box.start();
  expect(box.journal.origin()).toBe(first);
  expect(await box.compare()).toEqual({ kind: 'breached', origins: [first] });
  await box.send();
  expect(links().filter(([old]) => old === first)).toEqual([[first, second]]);
  expect(box.journal.origin().split('/')[2]).toMatch(/^4-/);
  expect(box.consumer.violations).toEqual([]);
});

test('a statement by a known key that is not its own is not passed on', async () => {
  await box.start();
  await box.compare();
  await box.record(1);
  await box.send();
  await box.journal.rotate();
  await box.send();
  const before = box.broker.get('enrolment');
  const text = Buffer.from(before ?? []).toString();
  const forged = JSON.parse(text) as { successors: { signatures: { sig: string }[] }[] };
  for (const { signatures } of forged.successors) {
    for (const each of signatures) each.sig = Buffer.alloc(64, 1).toString('base64');
  }
  await box.restart();
  box.broker.set('enrolment', Buffer.from(JSON.stringify(forged)));
  await box.compare();
  expect(Buffer.from((await box.journal.outbox.enrolment()) ?? []).toString()).toBe(text);
});
