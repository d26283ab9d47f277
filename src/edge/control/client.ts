/** The command line's end of the control socket. */
import { connect } from 'node:net';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { LineCutter } from './lines.ts';
import { type ControlFrame, type ControlRequest, FRAME_BYTES_MAX, formatRequest, parseFrame } from './protocol.ts';

export interface ControlCall extends ControlRequest {
  readonly socketPath: string;
  /** Longest silence of the daemon before the call is given up; 0 waits as long as the connection stands. */
  readonly silenceMaxMs: number;
  readonly signal?: AbortSignal;
  readonly onItem?: (value: unknown) => void;
  readonly onProgress?: (value: unknown) => void;
  /** A promise that it returns holds the daemon back until the piece is written. */
  readonly onData?: (bytes: Uint8Array) => void | Promise<void>;
}

/**
 * The `done` value, or a LatchkeyError: SOCKET_REFUSED when nobody serves the socket or the answer was cut. What `onData`
 * rejects with comes out as it is.
 */
export async function callControl(call: ControlCall): Promise<unknown> {
  const socket = connect(call.socketPath);
  const abort = (): void => void socket.destroy();
  call.signal?.addEventListener('abort', abort, { once: true });
  socket.setTimeout(call.silenceMaxMs, () =>
    socket.destroy(new LatchkeyError('TIMED_OUT', `the daemon said nothing for ${call.silenceMaxMs} ms`)),
  );
  try {
    socket.write(formatRequest(call));
    const lines = new LineCutter(FRAME_BYTES_MAX);
    for await (const chunk of socket) {
      const whole = lines.push(chunk as Uint8Array);
      if (whole === undefined) throw new LatchkeyError('SOCKET_REFUSED', 'the daemon sent a frame beyond the limit');
      for (const line of whole) {
        const end = await take(line, call);
        if (end !== undefined) return end.done;
      }
    }
  } catch (error) {
    if (error instanceof TakerFailed) throw error.cause;
    if (error instanceof LatchkeyError) throw error;
    throw new LatchkeyError('SOCKET_REFUSED', `no answer on ${call.socketPath}: ${messageOf(error)}`, { cause: error });
  } finally {
    call.signal?.removeEventListener('abort', abort);
    socket.destroy();
  }
  throw new LatchkeyError('SOCKET_REFUSED', 'the daemon closed the connection before its answer was whole');
}

async function take(line: string, call: ControlCall): Promise<{ readonly done: unknown } | undefined> {
  const parsed = parseFrame(line);
  if (!parsed.ok) throw new LatchkeyError('SOCKET_REFUSED', `the daemon sent no frame: ${parsed.detail}`);
  const frame: ControlFrame = parsed.value;
  if ('done' in frame) return frame;
  if ('error' in frame) throw new LatchkeyError(frame.error.code, frame.error.message);
  if ('item' in frame) call.onItem?.(frame.item);
  else if ('progress' in frame) call.onProgress?.(frame.progress);
  else await hand(call, Buffer.from(frame.data, 'base64'));
  return undefined;
}

/** Whoever takes the data failed (a full disk, a closed pipe): that says nothing about the daemon. */
class TakerFailed extends Error {}

async function hand(call: ControlCall, bytes: Uint8Array): Promise<void> {
  try {
    await call.onData?.(bytes);
  } catch (error) {
    throw new TakerFailed('the data found no taker', { cause: error });
  }
}
