/** The client's parts without a TPM: packets, pieces of responses, turns, secrets. */
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { concatBytes, hex, unhex, utf8 } from '../../../src/base/bytes.ts';
import { explain } from '../../../src/base/errors.ts';
import { TpmRefusedError, TpmTamperedError } from '../../../src/edge/tpm/errors.ts';
import { parseResponse, writeCommand } from '../../../src/edge/tpm/packet.ts';
import { ResponseCutter } from '../../../src/edge/tpm/response-cutter.ts';
import { Secret } from '../../../src/edge/tpm/secret.ts';
import { TpmSession } from '../../../src/edge/tpm/session.ts';
import { Turnstile } from '../../../src/edge/tpm/turnstile.ts';
import { nodeTpmCrypto } from '../../../src/platform/tpm-crypto.ts';
import { TPM_ALG, TPM_CC } from '../../../src/tpm2/algorithms.ts';
import { writePublic } from '../../../src/tpm2/public.ts';
import { decodeResponseCode } from '../../../src/tpm2/response-code.ts';
import { SRK_P256 } from '../../../src/tpm2/templates.ts';
import { TpmWriter } from '../../../src/tpm2/wire.ts';

const bytes = (text: string): Uint8Array => unhex(text.replaceAll(/\s/g, '')) ?? new Uint8Array();

describe('packets', () => {
  test('commands have the bytes of Part 1', () => {
    expect(hex(writeCommand(TPM_CC.Startup, [], [], bytes('0000')))).toBe('80010000000c000001440000');
    const empty = new Uint8Array(0);
    const password = { sessionHandle: 0x4000_0009, nonceCaller: empty, attributes: 1, hmac: empty };
    const clear = writeCommand(TPM_CC.Clear, [0x4000_000a], [password], empty);
    expect(hex(clear)).toBe(hex(bytes('8002 0000001b 00000126 4000000a 00000009 40000009 0000 01 0000')));
  });

  test('CreatePrimary of the SRK is 131 bytes long', () => {
    const empty = new Uint8Array(0);
    const password = { sessionHandle: 0x4000_0009, nonceCaller: empty, attributes: 0, hmac: empty };
    const parameters = new TpmWriter().sized(bytes('00000000')).sized(writePublic(SRK_P256)).u16(0).u32(0).bytes();
    expect(writeCommand(TPM_CC.CreatePrimary, [0x4000_0001], [password], parameters)).toHaveLength(131);
  });

  test.each([
    ['response_short', '8001 0000000a 000000', 0],
    ['response_size', '8001 0000000b 00000000', 0],
    ['response_tag', '8002 0000000a 00000000', 0],
    ['response_tag', '8001 0000000a 00000000', 1],
    ['response_tag', '8002 0000000a 00000100', 1],
    ['response_failure_body', '8001 0000000b 00000100 00', 0],
    ['response_parameter_size', '8002 0000000e 00000000 00000001', 1],
    ['response_sessions', '8002 0000000e 00000000 00000000', 1],
    ['response_sessions', '8002 00000014 00000000 00000000 0000 01 0000 00', 1],
  ])('%s is said of %s', (reason, text, sessions) => {
    expect(parseResponse(bytes(text), { sessions, handle: false })).toMatchObject({ ok: false, reason });
  });

  test('a handle that is missing, and a response beyond every size, are refused', () => {
    const short = bytes('8001 0000000c 00000000 8000');
    expect(parseResponse(short, { sessions: 0, handle: true })).toMatchObject({ reason: 'response_handle' });
    const long = parseResponse(new Uint8Array(4097), { sessions: 0, handle: false });
    expect(long).toMatchObject({ reason: 'response_long' });
  });

  test('handle, parameters and sessions are found in their places', () => {
    const response = bytes('8002 0000001f 00000000 80000001 00000002 abcd 0002 1122 01 0004 55667788');
    expect(parseResponse(response, { sessions: 1, handle: true })).toEqual({
      ok: true,
      value: {
        kind: 'done',
        handle: 0x8000_0001,
        parameters: bytes('abcd'),
        auths: [{ nonceTpm: bytes('1122'), attributes: 1, hmac: bytes('55667788') }],
      },
    });
  });
});

test('how a stream cuts a response changes nothing', () => {
  const response = concatBytes(bytes('8001 00000014 00000000'), utf8('0123456789'));
  for (let at = 0; at <= response.length; at += 1) {
    const cutter = new ResponseCutter();
    const first = cutter.push(response.subarray(0, at));
    const whole = at === response.length ? first : (cutter.push(response.subarray(at)) ?? new Uint8Array());
    expect(at === response.length || first === undefined).toBe(true);
    expect(hex(whole ?? new Uint8Array())).toBe(hex(response));
  }
});

describe('turns', () => {
  test('come in the order of arrival, also after failures', async () => {
    const turnstile = new Turnstile('works', 10);
    const order: number[] = [];
    const works = [0, 1, 2, 3].map((i) =>
      turnstile.pass(async () => {
        await Promise.resolve();
        order.push(i);
        if (i === 1) throw new Error('failed');
      }),
    );
    await Promise.allSettled(works);
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test('an aborted wait gives its place up, and the rest go on', async () => {
    const turnstile = new Turnstile('works', 2);
    let open = (): void => undefined;
    const first = turnstile.pass(() => new Promise<void>((resolve) => (open = resolve)));
    const stop = new AbortController();
    const second = turnstile.pass(async () => 'second', stop.signal);
    const third = turnstile.pass(async () => 'third');
    await expect(turnstile.pass(async () => 'fourth')).rejects.toMatchObject({ code: 'TPM_BUSY' });
    stop.abort(new Error('no longer'));
    await expect(second).rejects.toThrow('no longer');
    open();
    await first;
    expect(await third).toBe('third');
    expect(await turnstile.pass(async () => 'later')).toBe('later');
  });
});

test('a secret shows itself to nobody who prints it', () => {
  const secret = new Secret(utf8('hush'));
  const session = new TpmSession(nodeTpmCrypto, {
    type: 'hmac',
    handle: 0x0200_0000,
    authHash: TPM_ALG.SHA256,
    encryptionBits: 128,
    key: secret,
    nonceTpm: new Uint8Array(32),
  });
  const shown = [secret, { secret }, [secret], session, { session }].flatMap((value) => [
    inspect(value, { depth: 10, showHidden: true }),
    JSON.stringify(value),
    String(value),
  ]);
  const spellings = ['hush', hex(utf8('hush')), '68, 117', '104, 117', '104,117', '0x68'];
  for (const text of shown) for (const spelling of spellings) expect(text).not.toContain(spelling);
  expect(new TextDecoder().decode(secret.reveal())).toBe('hush');
  secret.wipe();
  expect(hex(secret.reveal())).toBe('00000000');
});

test('a refusal says what the TPM refused and what to do', () => {
  const lockout = new TpmRefusedError('Unseal', decodeResponseCode(0x921));
  expect(explain(lockout)).toMatch(/^the TPM refused Unseal: LOCKOUT \(0x921\)\. .* \(TPM_LOCKOUT\)$/);
  const lie = new TpmTamperedError('response_hmac', 'the answer to Sign: the HMAC does not fit');
  expect(explain(lie)).toMatch(/\[response_hmac\]\. .* \(TPM_TAMPERED\)$/);
  expect([lockout.action, lie.action]).toEqual(['retry', 'stop']);
});
