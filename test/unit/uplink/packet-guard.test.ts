import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import { concatBytes, hex, unhex } from '../../../src/base/bytes.ts';
import { type GuardEvent, PacketGuard } from '../../../src/platform/mqtt/packet-guard.ts';

const SIZE_MAX = 64;

function run(chunks: readonly Uint8Array[]): { passed: string; others: GuardEvent[] } {
  const guard = new PacketGuard(SIZE_MAX);
  const events = chunks.flatMap((chunk) => guard.push(chunk));
  const passed = events.flatMap((event) => (event.kind === 'pass' ? [event.bytes] : []));
  return { passed: hex(concatBytes(...passed)), others: events.filter((event) => event.kind !== 'pass') };
}

function publish(payloadBytes: number, messageId?: number): Uint8Array {
  const payload = Buffer.alloc(payloadBytes, 0x41);
  const qos = messageId === undefined ? 0 : 1;
  return generate({
    cmd: 'publish',
    qos,
    dup: false,
    retain: false,
    topic: 'a/b',
    payload,
    ...(messageId === undefined ? {} : { messageId }),
  });
}

describe('the packet guard', () => {
  test('passes what fits, byte for byte', () => {
    const line = concatBytes(generate({ cmd: 'pingresp' }), publish(50), publish(20, 7));
    expect(run([line])).toEqual({ passed: hex(line), others: [] });
  });

  test('the limit itself still fits', () => {
    const fits = publish(SIZE_MAX - 7);
    expect(fits).toHaveLength(SIZE_MAX);
    expect(run([fits])).toEqual({ passed: hex(fits), others: [] });
    expect(run([publish(SIZE_MAX - 6)]).others).toEqual([{ kind: 'oversize', sizeBytes: 65, packetId: undefined }]);
  });

  test('swallows an oversize message, says its packet id, and goes on behind it', () => {
    const small = publish(1, 2);
    const line = concatBytes(publish(1, 1), publish(5_000, 0x1234), small);
    const { passed, others } = run([line]);
    expect(passed).toBe(hex(concatBytes(publish(1, 1), small)));
    expect(others).toEqual([{ kind: 'oversize', sizeBytes: 5_010, packetId: 0x1234 }]);
  });

  test.each([
    ['a fifth length byte', '30ffffffffff', 'length'],
    ['an oversize packet that is no PUBLISH', '20ff7f', 'oversize'],
    ['QoS 2', '340a', 'qos'],
    ['QoS 3', '360a', 'qos'],
  ])('%s breaks the line for good', (_name, wire, reason) => {
    const guard = new PacketGuard(SIZE_MAX);
    expect(guard.push(unhex(wire) ?? new Uint8Array()).at(-1)).toEqual({ kind: 'broken', reason });
    expect(guard.push(publish(1))).toEqual([]);
  });

  test('how the line cuts the bytes changes nothing, and nothing oversize passes', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(200), fc.nat(20_000)), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (sizes, cuts) => {
          const packets = sizes.map((size, index) => publish(size, index + 1));
          const line = concatBytes(...packets);
          const edges = [0, ...cuts.map((cut) => cut % line.length).sort((a, b) => a - b), line.length];
          const pieces = edges.slice(1).map((end, index) => line.subarray(edges[index], end));
          const whole = run([line]);
          for (const { kind } of whole.others) seen.add(kind);
          expect(run(pieces)).toEqual(whole);
          expect(whole.passed).toBe(hex(concatBytes(...packets.filter((packet) => packet.length <= SIZE_MAX))));
        },
      ),
      { numRuns: 500 },
    );
    expect([...seen]).toEqual(['oversize']);
  });

  test('no bytes make it throw or pass more than came in', () => {
    const reasons = new Set<string>();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const { passed, others } = run(chunks);
        expect(passed.length / 2).toBeLessThanOrEqual(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
        for (const event of others) reasons.add(event.kind === 'broken' ? event.reason : event.kind);
      }),
      { numRuns: 20_000 },
    );
    expect([...reasons].sort()).toEqual(['length', 'oversize', 'qos']);
  });
});
