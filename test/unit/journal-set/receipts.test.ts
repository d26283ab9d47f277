/** What prunes nothing: forged, foreign and older receipts, and those of another log. Retained lies as well. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Box, receiptName } from './box.ts';
import { Witness } from './consumer.ts';

let box: Box;
let origin: string;
beforeEach(async () => {
  box = new Box();
  await box.start();
  await box.compare();
  await box.record(3);
  await box.send({ receipts: false });
  origin = box.journal.origin();
});
afterEach(() => box.end());

const note = (): string => box.consumer.notes.get(origin) ?? '';
const bytes = (text: string): Uint8Array => Buffer.from(text);
const receipted = (): number => box.journal.outbox.logs()[0]?.receiptedSize ?? -1;
const name = (witness = box.store): string => receiptName(origin, witness);

test('a sound receipt counts once, durably', async () => {
  expect(await box.hear(name(), bytes(box.store.cosign(note())))).toBe('progress');
  expect(receipted()).toBe(4);
  expect(await box.hear(name(), bytes(box.store.cosign(note())))).toBe('known');
  await box.restart();
  expect(receipted()).toBe(4);
});

test('one of an unknown key, of a key under another name, or cosigned by nobody, is refused and counted by reason', async () => {
  const stranger = new Witness('stranger.example/x');
  expect(await box.hear(name(stranger), bytes(stranger.cosign(note())))).toBe('refused');
  expect(await box.hear(name(), bytes(stranger.cosign(note())))).toBe('refused');
  expect(await box.hear(name(), bytes(note()))).toBe('refused');
  const namesake = new Witness(box.store.name);
  expect(await box.hear(name(), bytes(namesake.cosign(note())))).toBe('refused');
  expect(receipted()).toBe(0);
  expect(box.metrics.value('journal_receipts_refused', { reason: 'key' })).toBe(1);
  expect(box.metrics.value('journal_receipts_refused', { reason: 'cosignature' })).toBe(3);
});

test('a forged note, a broken signature, another size or root under ours, are refused: nobody breaches a log without its key', async () => {
  const sound = box.store.cosign(note());
  const [, size = '', root = ''] = note().split('\n');
  const forgeries = [
    sound.replace(`\n${size}\n`, '\n3\n'),
    sound.replace(`\n${size}\n`, '\n400\n'),
    sound.replace(root, Buffer.alloc(32, 7).toString('base64')),
    sound.replace('\u2014 ', '\u2014 x'),
    sound.slice(0, -1),
    `${sound}\u0000`,
    '',
  ];
  for (const forged of forgeries) expect([forged, await box.hear(name(), bytes(forged))]).toEqual([forged, 'refused']);
  expect(await box.hear(name(), new Uint8Array(70_000))).toBe('refused');
  expect(receipted()).toBe(0);
  expect(box.journal.status().logs).toHaveLength(1);
  expect(box.metrics.value('journal_receipts_refused', { reason: 'note' })).toBe(forgeries.length + 1);
});

test('a receipt under the name of another log, and one of another gateway’s log, is refused', async () => {
  const sound = bytes(box.store.cosign(note()));
  await box.journal.rotate();
  const next = box.journal.origin();
  expect(await box.hear(receiptName(next, box.store), sound)).toBe('refused');
  expect(await box.hear('receipt/9-00000000/00000000', sound)).toBe('refused');
  expect(await box.hear('receipt', sound)).toBe('refused');
  const other = new Box({ gatewayId: 'gw-0002' });
  await other.start();
  await other.compare();
  await other.record(9);
  await other.send();
  const foreign = other.consumer.notes.get(other.journal.origin()) ?? '';
  expect(await box.hear(name(), bytes(box.store.cosign(foreign)))).toBe('refused');
  await other.end();
  expect(box.journal.outbox.logs().map(({ receiptedSize }) => receiptedSize)).toEqual([0, 0]);
});

test('an older receipt, also one heard late or retained, takes nothing back', async () => {
  const older = bytes(box.store.cosign(note()));
  await box.record(2);
  await box.send();
  expect(receipted()).toBe(6);
  expect(await box.hear(name(), older)).toBe('known');
  expect(receipted()).toBe(6);
  box.broker.set(name(), older);
  await box.restart();
  expect(await box.compare()).toEqual({ kind: 'agreed' });
  expect(receipted()).toBe(6);
});

test('retained rubbish, notes of unknown keys and unsigned chains breach nothing and are counted', async () => {
  const other = new Box({ gatewayId: 'gw-0001' });
  await other.start();
  await other.compare();
  await other.record(20);
  await other.journal.rotate();
  await other.send();
  const lie = [...other.broker].map(([key, payload]) => [key, payload] as const);
  await other.end();
  await box.restart();
  for (const [key, payload] of lie) box.broker.set(key, payload);
  box.broker.set(`checkpoint/${origin.split('/')[2]}`, Buffer.from('nothing'));
  box.broker.set('checkpoint/3-12345678', Buffer.from(note()));
  box.broker.set('receipt/x', Buffer.from('y'));
  const before = box.metrics.value('journal_memory_refused');
  const verdict = await box.compare();
  // Our own checkpoint is not among them, so that memory is lost; nothing else is believed.
  expect(verdict).toEqual({ kind: 'memory_lost', origins: [origin] });
  expect(box.metrics.value('journal_memory_refused')).toBeGreaterThan(before + 3);
  expect(box.journal.origin()).toBe(origin);
  expect(await box.journal.outbox.enrolment()).toBeUndefined();
  await box.send();
  expect(box.consumer.size(origin)).toBe(4);
});

test('nothing leaves before the comparison', async () => {
  await box.restart();
  await box.record(1);
  expect(box.journal.outbox.checkpoint(origin)).toBeUndefined();
  expect(await box.journal.outbox.batch(origin, 0, false)).toBeUndefined();
  expect(await box.journal.outbox.enrolment()).toBeUndefined();
  await box.compare();
  expect(box.journal.outbox.checkpoint(origin)?.size).toBe(5);
  expect(await box.journal.outbox.batch(origin, 0, false)).toBeDefined();
});
