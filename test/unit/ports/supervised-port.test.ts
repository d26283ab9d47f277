import { describe, expect, test } from 'vitest';
import { LatchkeyError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { MemoryMetrics } from '../../../src/base/metrics.ts';
import type { Link, LinkEvents, LinkOpener } from '../../../src/edge/ports/link.ts';
import { SupervisedPort } from '../../../src/edge/ports/supervised-port.ts';

/** A device that can be plugged, unplugged, held by somebody else and made to stall. */
class FakeDevice implements LinkOpener {
  readonly target = 'fake device';
  there: string | undefined = 'first';
  trouble: 'PORT_BUSY' | 'PORT_UNAVAILABLE' | undefined;
  hangs = false;
  opens = 0;
  openNow = 0;
  openMost = 0;
  events: LinkEvents | undefined;
  readonly writes: Uint8Array[] = [];
  write: () => Promise<void> = async () => undefined;
  close: () => Promise<void> = async () => undefined;

  async identity(): Promise<string | undefined> {
    return this.there ?? 'absent';
  }

  async open(events: LinkEvents, signal: AbortSignal): Promise<Link> {
    this.opens += 1;
    if (this.hangs) {
      return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    if (this.trouble !== undefined) throw new LatchkeyError(this.trouble, `refused as ${this.trouble}`);
    if (this.there === undefined) throw new LatchkeyError('PORT_UNAVAILABLE', 'no such device');
    this.openNow += 1;
    this.openMost = Math.max(this.openMost, this.openNow);
    this.events = events;
    let closed = false;
    return {
      write: async (bytes) => {
        this.writes.push(bytes);
        await this.write();
      },
      close: async () => {
        await this.close();
        if (!closed) this.openNow -= 1;
        closed = true;
      },
    };
  }
}

interface Bench {
  readonly device: FakeDevice;
  readonly port: SupervisedPort;
  readonly scheduler: ManualScheduler;
  readonly metrics: MemoryMetrics;
  readonly states: string[];
  readonly heard: Uint8Array[];
  run(forMs: number): Promise<void>;
}

function bench(backoffMaxMs = 2_000): Bench {
  const device = new FakeDevice();
  const scheduler = new ManualScheduler();
  const metrics = new MemoryMetrics();
  const states: string[] = [];
  const heard: Uint8Array[] = [];
  const random = (): number => 0.99;
  const parts = { name: 'bank', opener: device, backoffMaxMs, scheduler, logger: silentLogger, metrics, random };
  const port = new SupervisedPort(parts);
  return {
    device,
    port,
    scheduler,
    metrics,
    states,
    heard,
    async run(forMs) {
      for (let passed = 0; passed < forMs; passed += 10) {
        scheduler.advance(Math.min(10, forMs - passed));
        for (let turn = 0; turn < 12; turn += 1) await Promise.resolve();
      }
    },
  };
}

function begin(made: Bench): Promise<void> {
  made.port.start({
    bytes: (chunk) => made.heard.push(chunk),
    state: (state, _reason, trouble) => made.states.push(trouble === undefined ? state : `${state} ${trouble}`),
  });
  return made.run(20);
}

const signal = new AbortController().signal;

describe('a supervised port', () => {
  test('opens, hands bytes on, writes, and closes for good', async () => {
    const made = bench();
    await begin(made);
    made.device.events?.bytes(Uint8Array.of(1, 2));
    await made.port.write(Uint8Array.of(3), signal);
    expect([made.port.state, made.heard.length, made.device.writes.length]).toEqual(['open', 1, 1]);
    const closing = made.port.close();
    await made.run(20);
    await closing;
    await made.run(60_000);
    expect(made.states).toEqual(['open', 'closed']);
    expect(made.device.opens).toBe(1);
    expect(made.scheduler.pending).toBe(0);
    made.device.events?.bytes(Uint8Array.of(9));
    expect(made.heard).toHaveLength(1);
  });

  test('says each change once, however often it tries', async () => {
    const made = bench();
    made.device.there = undefined;
    await begin(made);
    await made.run(60_000);
    expect(made.states).toEqual(['lost PORT_UNAVAILABLE']);
    expect(made.device.opens).toBeGreaterThan(20);
    expect(made.metrics.value('port_open_failures', { port: 'bank' })).toBe(made.device.opens);
  });

  test('backs off from a quarter of a second to its cap, and no further', async () => {
    const made = bench(15_000);
    made.device.trouble = 'PORT_UNAVAILABLE';
    const times: number[] = [];
    const open = made.device.open.bind(made.device);
    made.device.open = (events, stop) => {
      times.push(made.scheduler.monotonicMs());
      return open(events, stop);
    };
    await begin(made);
    await made.run(120_000);
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits[0]).toBeLessThanOrEqual(270);
    expect(waits[0]).toBeGreaterThanOrEqual(125);
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_020);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(7_500);
  });

  test('fifty times unplugged and plugged in under a new name: back within two seconds, never two links at once', async () => {
    const made = bench();
    await begin(made);
    for (let round = 0; round < 50; round += 1) {
      made.device.there = undefined;
      // Drivers do not always say so: every other time only the look-out can notice.
      if (round % 2 === 0) made.device.events?.lost('unplugged');
      await made.run(1_500 + 37 * round);
      expect(made.port.state).toBe('lost');
      made.device.there = `device ${round}`;
      await made.run(400);
      expect(made.port.state, `round ${round}`).toBe('open');
    }
    expect(made.states.filter((state) => state === 'open')).toHaveLength(51);
    expect(made.device.openMost).toBe(1);
  });

  test('another device under the same path is another device', async () => {
    const made = bench();
    await begin(made);
    made.device.there = 'second';
    await made.run(2_500);
    expect(made.states).toEqual(['open', 'lost PORT_UNAVAILABLE', 'open']);
  });

  test('a port that another process holds is lost by that name, and tried again', async () => {
    const made = bench();
    made.device.trouble = 'PORT_BUSY';
    await begin(made);
    expect(made.states).toEqual(['lost PORT_BUSY']);
    made.device.trouble = undefined;
    await made.run(2_500);
    expect(made.port.state).toBe('open');
  });

  test('the next attempt waits until the lost link is closed', async () => {
    const made = bench();
    await begin(made);
    let closed: () => void = () => undefined;
    made.device.close = () => new Promise((resolve) => (closed = resolve));
    made.device.events?.lost('unplugged');
    await made.run(2_000);
    expect(made.device.opens).toBe(1);
    closed();
    await made.run(500);
    expect(made.device.opens).toBe(2);
    expect(made.port.state).toBe('open');
  });

  test('a link that never closes is given up after its limit', async () => {
    const made = bench();
    await begin(made);
    made.device.close = () => new Promise(() => undefined);
    made.device.events?.lost('unplugged');
    await made.run(3_600);
    expect(made.device.opens).toBe(2);
  });

  test('reopen closes and opens again; on a lost port it does nothing', async () => {
    const made = bench();
    await begin(made);
    made.port.reopen('no life');
    await made.run(500);
    expect(made.states).toEqual(['open', 'lost PORT_UNAVAILABLE', 'open']);
    made.device.there = undefined;
    made.device.events?.lost('unplugged');
    made.port.reopen('no life');
    await made.run(20);
    expect(made.states.at(-1)).toBe('lost PORT_UNAVAILABLE');
    expect(made.states).toHaveLength(4);
  });

  test('a write that fails or hangs loses the port and rejects', async () => {
    const made = bench();
    await begin(made);
    made.device.write = () => Promise.reject(new Error('EIO'));
    await expect(made.port.write(Uint8Array.of(1), signal)).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE' });
    await made.run(500);
    expect(made.states).toEqual(['open', 'lost PORT_UNAVAILABLE', 'open']);
    made.device.write = () => new Promise(() => undefined);
    const hanging = expect(made.port.write(Uint8Array.of(1), signal)).rejects.toMatchObject({
      code: 'PORT_UNAVAILABLE',
    });
    await made.run(2_100);
    await hanging;
    expect(made.states).toHaveLength(4);
  });

  test('writing to a port that is not open is refused at once', async () => {
    const made = bench();
    made.device.there = undefined;
    await begin(made);
    await expect(made.port.write(Uint8Array.of(1), signal)).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE' });
    expect(made.device.writes).toEqual([]);
  });

  test('closing while an attempt hangs ends it', async () => {
    const made = bench();
    made.device.hangs = true;
    await begin(made);
    const closing = made.port.close();
    await made.run(20);
    await closing;
    expect(made.states).toEqual(['closed']);
    await made.run(60_000);
    expect(made.device.opens).toBe(1);
  });

  test('closing while waiting, and closing twice, is closing', async () => {
    const made = bench();
    made.device.there = undefined;
    await begin(made);
    await Promise.all([made.port.close(), made.port.close()]);
    await made.port.close();
    expect(made.states.at(-1)).toBe('closed');
    expect(made.states).toHaveLength(2);
  });

  test('a server that accepts and hangs up at once is not hammered', async () => {
    const made = bench(15_000);
    await begin(made);
    const lose = async (): Promise<void> => {
      if (made.port.state === 'open') made.device.events?.lost('closed by the other end');
    };
    for (let time = 0; time < 60_000; time += 100) {
      await lose();
      await made.run(100);
    }
    expect(made.device.opens).toBeLessThan(15);
  });
});
