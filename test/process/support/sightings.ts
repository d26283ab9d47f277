/** What a traced process told the world: every MQTT message that it wrote to a socket, and when its first byte left. */
import { parser } from 'mqtt-packet';
import type { Syscall } from '../../support/strace.ts';

/** The calls that a trace for this reader must record. */
export const SOCKET_CALLS = ['write', 'writev', 'sendto', 'sendmsg', 'sendmmsg', 'sendfile'] as const;

export interface TracedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** Lines of the trace at which the calls begin that carry its first and its last byte. */
  readonly firstLine: number;
  readonly lastLine: number;
}

interface Stream {
  readonly frames: ReturnType<typeof parser>;
  held: Buffer;
  /** Where in `held` the bytes of each call begin. */
  starts: readonly { readonly at: number; readonly line: number }[];
  lastLine: number;
  firstLine: number;
}

/** What an MQTT client sends: CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, by the upper half of the first byte. */
const PACKETS: readonly number[] = [1, 3, 4, 8, 12];

/** All PUBLISH packets that are whole, in the order in which they left. */
export function tracedMessages(calls: readonly Syscall[]): readonly TracedMessage[] {
  const streams = new Map<string, Stream>();
  const found: TracedMessage[] = [];
  for (const call of calls) {
    const socket = call.args[0]?.path ?? '';
    const isOutput = (SOCKET_CALLS as readonly string[]).includes(call.name) && socket.startsWith('socket:');
    if (!isOutput || call.error !== undefined) continue;
    const bytes = Buffer.concat(call.args[1]?.buffers ?? []);
    const sent = bytes.subarray(0, call.result ?? bytes.length);
    if (sent.length < (call.result ?? 0)) throw new Error(`the trace cuts a ${call.name} to a socket short`);
    const known = streams.get(socket);
    // The control socket speaks JSON. A trace of a running process begins between packets.
    if (known === undefined && !PACKETS.includes((sent[0] ?? 0) >> 4)) continue;
    const stream = known ?? newStream(found);
    streams.set(socket, stream);
    push(stream, sent, call.startLine);
  }
  return found;
}

function newStream(found: TracedMessage[]): Stream {
  const stream: Stream = { frames: parser(), held: Buffer.alloc(0), starts: [], lastLine: 0, firstLine: 0 };
  stream.frames.on('packet', (packet) => {
    if (packet.cmd !== 'publish') return;
    const { topic, retain } = packet;
    const payload = Uint8Array.from(Buffer.from(packet.payload));
    found.push({ topic, payload, retain, firstLine: stream.firstLine, lastLine: stream.lastLine });
  });
  return stream;
}

function push(stream: Stream, bytes: Buffer, line: number): void {
  stream.starts = current([...stream.starts, { at: stream.held.length, line }]);
  stream.held = Buffer.concat([stream.held, bytes]);
  for (let length = packetLength(stream.held); length !== undefined; length = packetLength(stream.held)) {
    stream.firstLine = stream.starts[0]?.line ?? line;
    stream.lastLine = line;
    stream.frames.parse(stream.held.subarray(0, length));
    const taken = length;
    stream.held = stream.held.subarray(taken);
    stream.starts = current(stream.starts.map((start) => ({ at: start.at - taken, line: start.line })));
  }
}

/** The call that holds the next packet's first byte stands in front. */
function current(starts: Stream['starts']): Stream['starts'] {
  return starts.filter((_, i) => (starts[i + 1]?.at ?? 1) > 0);
}

/** MQTT 5.0 section 2.1.4: the length of a packet is a varint after its first byte. */
function packetLength(bytes: Buffer): number | undefined {
  let length = 0;
  for (let i = 1; i <= 4 && i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    length += (byte & 0x7f) * 128 ** (i - 1);
    if ((byte & 0x80) === 0) return i + 1 + length <= bytes.length ? i + 1 + length : undefined;
  }
  return undefined;
}
