/**
 * Watches the bytes that a broker sends and keeps packets over a limit away from the MQTT library.
 *
 * MQTT 5 brokers obey our Maximum Packet Size; 3.1.1 has no such word, and the library gathers a packet of up to 256 MB
 * before anybody can judge it. An oversize PUBLISH is therefore swallowed byte by byte, here, and acknowledged, so that
 * the broker does not keep it in flight for ever. Fixed header: MQTT 5.0 section 2.1.
 */

export type GuardEvent =
  | { readonly kind: 'pass'; readonly bytes: Uint8Array }
  /** A whole oversize PUBLISH went by. `packetId` when it was QoS 1: answer it with a PUBACK. */
  | { readonly kind: 'oversize'; readonly sizeBytes: number; readonly packetId: number | undefined }
  /** Nothing after this can be believed: end the connection. */
  | { readonly kind: 'broken'; readonly reason: 'length' | 'oversize' | 'qos' };

const PUBLISH = 3;
const LENGTH_BYTES_MAX = 4;

interface Skipped {
  readonly sizeBytes: number;
  readonly qos: number;
  remaining: number;
  /** Bytes of the variable header seen so far, and what they told. */
  at: number;
  topicBytes: number;
  packetId: number;
}

export class PacketGuard {
  readonly #sizeMax: number;
  #header: number[] = [];
  #passing = 0;
  #skipped: Skipped | undefined;
  #broken = false;

  constructor(packetSizeMax: number) {
    this.#sizeMax = packetSizeMax;
  }

  /** In the order of the line. Passed bytes are views of `chunk` wherever possible. After `broken` nothing comes. */
  push(chunk: Uint8Array): GuardEvent[] {
    const events: GuardEvent[] = [];
    let at = 0;
    while (at < chunk.length && !this.#broken) {
      if (this.#passing > 0) at = this.#pass(chunk, at, events);
      else if (this.#skipped !== undefined) at = this.#skip(this.#skipped, chunk, at, events);
      else at = this.#readHeader(chunk, at, events);
    }
    return events;
  }

  #pass(chunk: Uint8Array, at: number, events: GuardEvent[]): number {
    const end = Math.min(chunk.length, at + this.#passing);
    this.#passing -= end - at;
    events.push({ kind: 'pass', bytes: chunk.subarray(at, end) });
    return end;
  }

  #readHeader(chunk: Uint8Array, from: number, events: GuardEvent[]): number {
    let at = from;
    while (at < chunk.length) {
      const byte = chunk[at] ?? 0;
      at += 1;
      this.#header.push(byte);
      if (this.#header.length === 1) continue;
      if (byte < 0x80) {
        this.#judge(events);
        return at;
      }
      if (this.#header.length > LENGTH_BYTES_MAX) {
        this.#break('length', events);
        return at;
      }
    }
    return at;
  }

  #judge(events: GuardEvent[]): void {
    const header = this.#header;
    this.#header = [];
    const first = header[0] ?? 0;
    const remaining = header.slice(1).reduce((sum, byte, index) => sum + (byte & 0x7f) * 128 ** index, 0);
    const sizeBytes = header.length + remaining;
    const isPublish = first >> 4 === PUBLISH;
    const qos = (first >> 1) & 3;
    if (isPublish && qos > 1) this.#break('qos', events);
    else if (sizeBytes <= this.#sizeMax) {
      events.push({ kind: 'pass', bytes: Uint8Array.from(header) });
      this.#passing = remaining;
    } else if (isPublish) this.#skipped = { sizeBytes, qos, remaining, at: 0, topicBytes: 0, packetId: 0 };
    else this.#break('oversize', events);
  }

  #skip(skipped: Skipped, chunk: Uint8Array, from: number, events: GuardEvent[]): number {
    let at = from;
    // Topic length (2 bytes), topic, packet id (2 bytes at QoS 1): only these are looked at, one by one.
    while (at < chunk.length && skipped.remaining > 0 && skipped.at < 4 + skipped.topicBytes) {
      const byte = chunk[at] ?? 0;
      if (skipped.at < 2) skipped.topicBytes = skipped.topicBytes * 256 + byte;
      else if (skipped.at >= 2 + skipped.topicBytes) skipped.packetId = skipped.packetId * 256 + byte;
      skipped.at += 1;
      skipped.remaining -= 1;
      at += 1;
    }
    const rest = Math.min(chunk.length - at, skipped.remaining);
    skipped.remaining -= rest;
    if (skipped.remaining === 0) {
      this.#skipped = undefined;
      const packetId = skipped.qos === 1 && skipped.packetId > 0 ? skipped.packetId : undefined;
      events.push({ kind: 'oversize', sizeBytes: skipped.sizeBytes, packetId });
    }
    return at + rest;
  }

  #break(reason: 'length' | 'oversize' | 'qos', events: GuardEvent[]): void {
    this.#broken = true;
    events.push({ kind: 'broken', reason });
  }
}
