/** The run without any disturbance, against which runs with faults are held, must not be one with faults itself. */
import { describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { MemoryDisk, MemoryStore } from '../../contract/memory-intake-store.ts';
import { quietRun } from '../../process/support/replica-rig.ts';
import { grow, newLog } from './events.ts';

const logs = ['gw-q001', 'gw-q002', 'gw-q003'].map((name) => grow(newLog(name, name), 20));

async function heldOf(store: MemoryStore): Promise<readonly number[]> {
  const held = await Promise.all(logs.map(({ origin }) => store.leafHashes(origin, 0, 20)));
  return held.map(({ length }) => length);
}

describe('a quiet run', () => {
  test('takes every batch of every log', async () => {
    const store = new MemoryStore(new MemoryDisk());
    await quietRun(store, logs);
    expect(await heldOf(store)).toEqual([20, 20, 20]);
  });

  test('says so when a transaction of it is ended by the server', async () => {
    const store = new MemoryStore(new MemoryDisk());
    const append = store.append.bind(store);
    let groups = 0;
    store.append = (ranges) => {
      groups += 1;
      if (groups === 2) return Promise.reject(new LatchkeyError('STORE_IO', 'idle-in-transaction timeout'));
      return append(ranges);
    };
    await expect(quietRun(store, logs)).rejects.toThrow('idle-in-transaction timeout');
    expect(await heldOf(store)).not.toEqual([20, 20, 20]);
  });

  test('says so when what is held could not be read and a batch was dropped for it', async () => {
    const store = new MemoryStore(new MemoryDisk());
    const load = store.load.bind(store);
    let refused = 0;
    store.load = (gateway) => {
      if (gateway !== 'gw-q002' || refused > 0) return load(gateway);
      refused += 1;
      return Promise.reject(new LatchkeyError('STORE_IO', 'timeout exceeded when trying to connect'));
    };
    await expect(quietRun(store, logs)).rejects.toThrow('8 of 12 batches taken');
  });
});
