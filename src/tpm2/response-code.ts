/**
 * TPM_RC (TPM 2.0 Library, Part 2, section 6.6): what a response code says, and what the caller may do about it.
 *
 * Format 1 (bit 7) blames a handle, a parameter or a session by its number. Format 0 is an error of its own (0x100) or
 * a warning (bit 11), which says that the same command may succeed later. Above bit 15 stands the layer that made the
 * code: 0 is the TPM, 0x0B the kernel's resource manager.
 */

/**
 * `retry`: send the same bytes again after a while · `resource`: flush or load again, then try again · `lockout`: wait,
 * or reset the dictionary attack counter · `startup`: the TPM was reset and awaits TPM2_Startup · `gone`: what the
 * command names is not there · `fix`: the command is wrong here.
 */
export type Remedy = 'retry' | 'resource' | 'lockout' | 'startup' | 'gone' | 'fix';

export interface ResponseCode {
  readonly code: number;
  /** 0: the TPM. */
  readonly layer: number;
  readonly name: string;
  readonly about: { readonly kind: 'handle' | 'parameter' | 'session'; readonly number: number } | undefined;
  readonly remedy: Remedy;
}

/** Format 1, bits 0 to 5. */
const FORMAT_ONE: Readonly<Record<number, string>> = {
  1: 'ASYMMETRIC',
  2: 'ATTRIBUTES',
  3: 'HASH',
  4: 'VALUE',
  5: 'HIERARCHY',
  7: 'KEY_SIZE',
  8: 'MGF',
  9: 'MODE',
  10: 'TYPE',
  11: 'HANDLE',
  12: 'KDF',
  13: 'RANGE',
  14: 'AUTH_FAIL',
  15: 'NONCE',
  16: 'PP',
  18: 'SCHEME',
  21: 'SIZE',
  22: 'SYMMETRIC',
  23: 'TAG',
  24: 'SELECTOR',
  26: 'INSUFFICIENT',
  27: 'SIGNATURE',
  28: 'KEY',
  29: 'POLICY_FAIL',
  31: 'INTEGRITY',
  32: 'TICKET',
  33: 'RESERVED_BITS',
  34: 'BAD_AUTH',
  35: 'EXPIRED',
  36: 'POLICY_CC',
  37: 'BINDING',
  38: 'CURVE',
  39: 'ECC_POINT',
};

/** Format 0 with bit 8: errors. */
const ERROR: Readonly<Record<number, string>> = {
  0: 'INITIALIZE',
  1: 'FAILURE',
  3: 'SEQUENCE',
  11: 'PRIVATE',
  25: 'HMAC',
  32: 'DISABLED',
  33: 'EXCLUSIVE',
  36: 'AUTH_TYPE',
  37: 'AUTH_MISSING',
  38: 'POLICY',
  39: 'PCR',
  40: 'PCR_CHANGED',
  45: 'UPGRADE',
  46: 'TOO_MANY_CONTEXTS',
  47: 'AUTH_UNAVAILABLE',
  48: 'REBOOT',
  49: 'UNBALANCED',
  66: 'COMMAND_SIZE',
  67: 'COMMAND_CODE',
  68: 'AUTHSIZE',
  69: 'AUTH_CONTEXT',
  70: 'NV_RANGE',
  71: 'NV_SIZE',
  72: 'NV_LOCKED',
  73: 'NV_AUTHORIZATION',
  74: 'NV_UNINITIALIZED',
  75: 'NV_SPACE',
  76: 'NV_DEFINED',
  80: 'BAD_CONTEXT',
  81: 'CPHASH',
  82: 'PARENT',
  83: 'NEEDS_TEST',
  84: 'NO_RESULT',
  85: 'SENSITIVE',
};

/** Reading a counter that was never incremented, as reading one that is not there, finds nothing. */
const ERROR_REMEDY: Readonly<Record<string, Remedy>> = { INITIALIZE: 'startup', NV_UNINITIALIZED: 'gone' };

/** Format 0 with bits 8 and 11: warnings. */
const WARNING: Readonly<Record<number, readonly [name: string, remedy: Remedy]>> = {
  1: ['CONTEXT_GAP', 'resource'],
  2: ['OBJECT_MEMORY', 'resource'],
  3: ['SESSION_MEMORY', 'resource'],
  4: ['MEMORY', 'resource'],
  5: ['SESSION_HANDLES', 'resource'],
  6: ['OBJECT_HANDLES', 'resource'],
  7: ['LOCALITY', 'fix'],
  8: ['YIELDED', 'retry'],
  9: ['CANCELED', 'retry'],
  10: ['TESTING', 'retry'],
  32: ['NV_RATE', 'retry'],
  33: ['LOCKOUT', 'lockout'],
  34: ['RETRY', 'retry'],
  35: ['NV_UNAVAILABLE', 'retry'],
};

export function decodeResponseCode(code: number): ResponseCode {
  const layer = Math.floor(code / 0x1_0000);
  const low = code % 0x1_0000;
  const base = { code, layer, about: undefined } as const;
  if ((low & 0x80) !== 0) return formatOne(code, layer, low);
  const number = low & 0x7f;
  if ((low & 0xf00) === 0x900) {
    const row = WARNING[number] ?? referenceRow(number);
    if (row !== undefined) return { ...base, name: row[0], remedy: row[1] };
  }
  if ((low & 0xf00) === 0x100) {
    const name = ERROR[number];
    if (name !== undefined) return { ...base, name, remedy: ERROR_REMEDY[name] ?? 'fix' };
  }
  return { ...base, name: unknown(low), remedy: 'fix' };
}

/** Bit 6: a parameter, numbered in bits 8 to 11. Otherwise bit 11: a session, else a handle, numbered in bits 8 to 10. */
function formatOne(code: number, layer: number, low: number): ResponseCode {
  const name = FORMAT_ONE[low & 0x3f] ?? unknown(low);
  const parameter = (low & 0x40) !== 0;
  const session = !parameter && (low & 0x800) !== 0;
  const number = (low >> 8) & (parameter ? 0xf : 0x7);
  const kind = parameter ? 'parameter' : session ? 'session' : 'handle';
  const missing = kind === 'handle' && (name === 'HANDLE' || name === 'VALUE');
  return { code, layer, name, about: number === 0 ? undefined : { kind, number }, remedy: missing ? 'gone' : 'fix' };
}

/** REFERENCE_H0 to H6 and S0 to S6: an object or session of the command is not loaded; after a reset none is. */
function referenceRow(number: number): readonly [string, Remedy] | undefined {
  if (number >= 0x10 && number <= 0x16) return [`REFERENCE_H${number - 0x10}`, 'resource'];
  if (number >= 0x18 && number <= 0x1e) return [`REFERENCE_S${number - 0x18}`, 'resource'];
  return undefined;
}

function unknown(low: number): string {
  return `unknown code 0x${low.toString(16).padStart(3, '0')}`;
}

/** `AUTH_FAIL, session 1 (0x98e)`. */
export function responseCodeText(rc: ResponseCode): string {
  const about = rc.about === undefined ? '' : `, ${rc.about.kind} ${rc.about.number}`;
  const layer = rc.layer === 0 ? '' : rc.layer === 0x0b ? ', from the resource manager' : `, from layer ${rc.layer}`;
  return `${rc.name}${about}${layer} (0x${rc.code.toString(16)})`;
}
