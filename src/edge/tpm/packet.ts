/**
 * Commands to bytes and bytes to responses (TPM 2.0 Library, Part 1, section 18): header, handles, parameters,
 * authorisation area. Pure; what the parts mean is somebody else's question.
 */
import { accept, type Result, refuse } from '../../base/result.ts';
import { TPM_ST } from '../../tpm2/algorithms.ts';
import { TpmReader, TpmWriter } from '../../tpm2/wire.ts';
import type { TamperReason } from './errors.ts';
import { HEADER_BYTES, PACKET_BYTES_MAX } from './transport.ts';

/** TPMA_SESSION, Part 2 section 8.4. */
export const TPMA_SESSION = {
  continueSession: 0x01,
  auditExclusive: 0x02,
  decrypt: 0x20,
  encrypt: 0x40,
  audit: 0x80,
} as const;

/** TPMS_AUTH_COMMAND. */
export interface AuthCommand {
  readonly sessionHandle: number;
  readonly nonceCaller: Uint8Array;
  readonly attributes: number;
  readonly hmac: Uint8Array;
}

/** TPMS_AUTH_RESPONSE. */
export interface AuthResponse {
  readonly nonceTpm: Uint8Array;
  readonly attributes: number;
  readonly hmac: Uint8Array;
}

export function writeCommand(
  commandCode: number,
  handles: readonly number[],
  auths: readonly AuthCommand[],
  parameters: Uint8Array,
): Uint8Array {
  const body = new TpmWriter();
  for (const handle of handles) body.u32(handle);
  if (auths.length > 0) {
    const area = new TpmWriter();
    for (const auth of auths) {
      area.u32(auth.sessionHandle).sized(auth.nonceCaller).u8(auth.attributes).sized(auth.hmac);
    }
    const bytes = area.bytes();
    body.u32(bytes.length).raw(bytes);
  }
  const rest = body.raw(parameters).bytes();
  return new TpmWriter()
    .u16(auths.length > 0 ? TPM_ST.SESSIONS : TPM_ST.NO_SESSIONS)
    .u32(HEADER_BYTES + rest.length)
    .u32(commandCode)
    .raw(rest)
    .bytes();
}

export interface ResponseShape {
  /** Sessions of the command; each has an entry in the response. */
  readonly sessions: number;
  readonly handle: boolean;
}

export type TpmResponse =
  | { readonly kind: 'refused'; readonly code: number }
  | {
      readonly kind: 'done';
      readonly handle: number | undefined;
      readonly parameters: Uint8Array;
      readonly auths: readonly AuthResponse[];
    };

/** Longer than any digest. */
const NONCE_BYTES_MAX = 64;

export function parseResponse(bytes: Uint8Array, shape: ResponseShape): Result<TpmResponse, TamperReason> {
  if (bytes.length < HEADER_BYTES) return refuse('response_short', `a response of ${bytes.length} bytes; expected 10`);
  if (bytes.length > PACKET_BYTES_MAX) return refuse('response_long', `a response of ${bytes.length} bytes`);
  const reader = new TpmReader(bytes);
  const tag = reader.u16();
  const size = reader.u32();
  const code = reader.u32();
  if (size !== bytes.length) return refuse('response_size', `a response of ${bytes.length} bytes claims ${size}`);
  const wanted = code === 0 && shape.sessions > 0 ? TPM_ST.SESSIONS : TPM_ST.NO_SESSIONS;
  if (tag !== wanted) {
    return refuse('response_tag', `the tag is 0x${tag.toString(16)}; expected 0x${wanted.toString(16)}`);
  }
  if (code !== 0) {
    if (reader.left > 0) return refuse('response_failure_body', `${reader.left} bytes follow a failure's header`);
    return accept({ kind: 'refused', code });
  }
  return readBody(reader, shape);
}

function readBody(reader: TpmReader, shape: ResponseShape): Result<TpmResponse, TamperReason> {
  if (shape.handle && reader.left < 4) return refuse('response_handle', 'the response ends before its handle');
  const handle = shape.handle ? reader.u32() : undefined;
  if (shape.sessions === 0) return accept({ kind: 'done', handle, parameters: reader.rest(), auths: [] });
  const size = reader.u32();
  if (reader.overrun || size > reader.left) {
    return refuse('response_parameter_size', `parameters of ${size} bytes, of which ${reader.left} are there`);
  }
  const parameters = reader.raw(size);
  const auths: AuthResponse[] = [];
  for (let i = 0; i < shape.sessions; i += 1) {
    auths.push({
      nonceTpm: reader.sized(NONCE_BYTES_MAX),
      attributes: reader.u8(),
      hmac: reader.sized(NONCE_BYTES_MAX),
    });
  }
  if (!reader.ended) return refuse('response_sessions', `the response does not end after ${shape.sessions} sessions`);
  return accept({ kind: 'done', handle, parameters, auths });
}
