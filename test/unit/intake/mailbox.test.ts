import { expect, test } from 'vitest';
import { Mailbox, Turns } from '../../../src/risk/intake/mailbox.ts';

const TASK_MS = 8;
const TASKS = 12;

/** Work without waits, as verifying is. */
function burn(): void {
  for (const endMs = performance.now() + TASK_MS; performance.now() < endMs; );
}

test('of many mailboxes with a backlog one alone goes on between two looks of the loop at its sockets', async () => {
  const turns = new Turns();
  const names = ['a', 'b', 'c', 'd', 'e'];
  let sinceLook = new Set<string>();
  let most = 0;
  let looks = 0;
  let isDone = false;
  const look = (): void => {
    looks += 1;
    most = Math.max(most, sinceLook.size);
    sinceLook = new Set();
    if (!isDone) setImmediate(look);
  };
  const done = new Map<string, number[]>(names.map((name) => [name, []]));
  const boxes = names.map((name) => {
    const box = new Mailbox(turns);
    for (let i = 0; i < TASKS; i += 1) {
      box.post(async () => {
        burn();
        sinceLook.add(name);
        done.get(name)?.push(i);
      });
    }
    return box;
  });
  // What was handed in at once begins at once; from then on they take turns.
  await new Promise((resolve) => setImmediate(resolve));
  sinceLook = new Set();
  setImmediate(look);
  await Promise.all(boxes.map((box) => box.idle()));
  isDone = true;
  expect(most).toBe(1);
  expect(looks).toBeGreaterThan(names.length);
  for (const name of names) expect(done.get(name)).toEqual(Array.from({ length: TASKS }, (_, i) => i));
});

test('a mailbox with a long backlog does not keep the turn of one that waits', async () => {
  const turns = new Turns();
  const [long, short] = [new Mailbox(turns), new Mailbox(turns)];
  let left = 30;
  for (let i = 0; i < 6; i += 1) short.post(async () => burn());
  for (let i = left; i > 0; i -= 1) {
    long.post(async () => {
      burn();
      left -= 1;
    });
  }
  await short.idle();
  const leftWhenShortWasDone = left;
  await long.idle();
  expect(leftWhenShortWasDone).toBeGreaterThan(0);
  expect(left).toBe(0);
});
