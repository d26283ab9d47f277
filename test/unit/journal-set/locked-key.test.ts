/** A key store that refuses for a while, as a TPM in its lockout does, and answers again. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { until } from '../../support/until.ts';
import { Box } from './box.ts';

let box: Box;
beforeEach(async () => {
  box = new Box();
  await box.start();
});
afterEach(async () => {
  box.locked = false;
  await box.end();
});

const successors = async (): Promise<readonly unknown[]> => {
  const payload = await box.journal.outbox.enrolment();
  const text = payload === undefined ? '{"successors":[]}' : Buffer.from(payload).toString();
  return (JSON.parse(text) as { readonly successors: readonly unknown[] }).successors;
};

test('a statement that a locked key could not sign is made when the key is back, without anybody asking', async () => {
  await box.record(3);
  await box.journal.rotate();
  const second = box.journal.origin();
  await box.record(1);
  box.locked = true;
  // From here on the new log may be published as soon as its predecessor's key has vouched for it, and not before.
  await box.compare();
  expect(box.journal.outbox.checkpoint(second)).toBeUndefined();
  for (let i = 0; i < 5; i += 1) {
    box.scheduler.advance(50);
    await box.journal.settled();
  }
  expect(box.journal.outbox.checkpoint(second)).toBeUndefined();
  box.locked = false;
  await until('the statement', () => {
    box.scheduler.advance(50);
    return box.journal.outbox.checkpoint(second) !== undefined;
  });
  expect(await successors()).toHaveLength(1);
  await box.send();
  expect(box.consumer.violations).toEqual([]);
  expect(box.consumer.used.size).toBe(4);
});

test('nothing is tried any more when all statements are made', async () => {
  await box.record(1);
  await box.journal.rotate();
  await box.compare();
  const pending = box.scheduler.pending;
  await successors();
  expect(box.scheduler.pending).toBe(pending);
  await box.stop();
  expect(box.scheduler.pending).toBe(0);
});

test('asking for the enrolment does not wait for a step that waits for the disk or a key', async () => {
  await box.record(1);
  vi.spyOn(box.journal.log().database, 'commit').mockImplementation(() => {
    throw new LatchkeyError('JOURNAL_DAMAGED', 'as a bad page would');
  });
  box.locked = true;
  box.append();
  // The next log cannot be opened while the key store refuses to make its key.
  await until('the log is set aside', () => {
    box.scheduler.advance(1);
    return box.journal.openOrigin() === undefined;
  });
  let isAnswered = false;
  const asked = [box.journal.outbox.enrolment(), box.journal.outbox.enrolment()].map((each) =>
    each.then((payload) => {
      isAnswered = true;
      return payload;
    }),
  );
  await until('the answer', () => {
    box.scheduler.advance(500);
    return isAnswered;
  });
  expect(await Promise.all(asked)).toEqual([undefined, undefined]);
  expect(box.journal.openOrigin()).toBeUndefined();
  box.locked = false;
  await until('the next log', () => {
    box.scheduler.advance(50);
    return box.journal.openOrigin() !== undefined;
  });
});

test('a key that is lost while it should vouch leaves nobody to wait for', async () => {
  await box.record(1);
  const first = box.journal.log();
  await box.journal.rotate();
  const second = box.journal.origin();
  first.signer = {
    origin: first.origin,
    publicKey: first.vkey.publicKey,
    signCheckpoint: () => Promise.reject(new LatchkeyError('KEY_LOST', 'gone')),
    signEnvelope: () => Promise.reject(new LatchkeyError('KEY_LOST', 'gone')),
  };
  await box.compare();
  expect(box.journal.outbox.checkpoint(second)).toBeDefined();
  expect(await successors()).toEqual([]);
});
