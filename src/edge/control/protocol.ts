/**
 * The words between the command line and a running daemon: JSON lines over a Unix socket, one request a connection.
 *
 * The client sends one request line. The daemon answers with any number of `item`, `data` and `progress` frames and
 * ends with exactly one `done` or `error`; a connection that ends without one was cut, and its answer is not whole.
 */
import { ERRORS, type ErrorCode } from '../../base/errors.ts';
import { accept, type Result, refuse } from '../../base/result.ts';

export const REQUEST_BYTES_MAX = 64 * 1024;
/** One answer frame. A `data` frame carries at most 64 KiB, base64. */
export const FRAME_BYTES_MAX = 512 * 1024;

export interface ControlRequest {
  readonly verb: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export type ControlFrame =
  | { readonly item: unknown }
  /** base64 of a piece of the answer's bytes. */
  | { readonly data: string }
  | { readonly progress: unknown }
  | { readonly done: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

const VERSION = 1;

export function formatRequest(request: ControlRequest): string {
  return `${JSON.stringify({ v: VERSION, verb: request.verb, args: request.args })}\n`;
}

export type RequestRefusal = 'json' | 'version' | 'shape';

export function parseRequest(line: string): Result<ControlRequest, RequestRefusal> {
  const value = parseObject(line);
  if (value === undefined) return refuse('json', 'expected one JSON object on a line');
  if (value['v'] !== VERSION) return refuse('version', `expected version ${VERSION} of the control protocol`);
  const { verb, args } = value;
  if (typeof verb !== 'string' || !isObject(args))
    return refuse('shape', 'expected members verb (text) and args (object)');
  if (Object.keys(value).length !== 3) return refuse('shape', 'expected the members v, verb and args alone');
  return accept({ verb, args });
}

export function formatFrame(frame: ControlFrame): string {
  return `${JSON.stringify(frame)}\n`;
}

const FRAME_KINDS = ['item', 'data', 'progress', 'done', 'error'] as const;

export function parseFrame(line: string): Result<ControlFrame, 'json' | 'shape'> {
  const value = parseObject(line);
  if (value === undefined) return refuse('json', 'expected one JSON object on a line');
  const kind = FRAME_KINDS.find((name) => Object.hasOwn(value, name));
  if (kind === undefined || Object.keys(value).length !== 1) return refuse('shape', 'expected one frame member');
  if (kind === 'data') {
    const data = value['data'];
    return typeof data === 'string' ? accept({ data }) : refuse('shape', 'expected data as base64 text');
  }
  if (kind === 'error') return errorFrame(value['error']);
  return accept({ [kind]: value[kind] } as ControlFrame);
}

function errorFrame(error: unknown): Result<ControlFrame, 'shape'> {
  if (!isObject(error) || typeof error['message'] !== 'string' || typeof error['code'] !== 'string') {
    return refuse('shape', 'expected an error with code and message');
  }
  const code = Object.hasOwn(ERRORS, error['code']) ? (error['code'] as ErrorCode) : 'INTERNAL';
  return accept({ error: { code, message: error['message'] } });
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
