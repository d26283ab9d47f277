/** Signatures of webhooks against vectors of other hands, and the files in which secrets lie. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { openSource } from '../../../src/risk/sources/authenticate.ts';
import { readStandardSecret, readTextSecret } from '../../../src/risk/sources/secret-file.ts';
import { sourcesSchema } from '../../../src/risk/sources/settings.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('sources');
afterAll(() => dir.remove());

function secretFile(name: string, text: string): string {
  const path = dir.file(name);
  writeFileSync(path, `${text}\n`);
  chmodSync(path, 0o600);
  return path;
}

describe('signatures by another hand', () => {
  test('Standard Webhooks’ own example, OpenSSL’s Ed25519 and a published HMAC are taken, and nothing near them', async () => {
    // The vector of the Standard Webhooks reference libraries.
    const file = secretFile('svix', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    const [standard, slack] = sourcesSchema.parse([
      { name: 'a', kind: 'carrier', auth: { type: 'standard', secret_files: [file] } },
      {
        name: 'b',
        kind: 'carrier',
        auth: {
          type: 'hmac',
          secret_files: [secretFile('slack', '8f742231b10e8888abcd99yyyzzz85a5')],
          signature_header: 'x-slack-signature',
          timestamp_header: 'x-slack-request-timestamp',
          prefix: 'v0=',
          before: 'v0:',
          separator: ':',
        },
      },
    ]);
    if (standard === undefined || slack === undefined) throw new Error('two sources');
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const body = utf8('{"test": 2432232314}');
    const { check } = await openSource(standard, nodeCrypto);
    expect(check(new Headers(headers), body)).toMatchObject({ ok: true, value: { signedAtMs: 1_614_265_330_000 } });
    expect(check(new Headers(headers), utf8('{"test": 2432232315}'))).toMatchObject({ reason: 'bad_signature' });
    // "Verifying requests from Slack", the worked example of its documentation.
    const published = utf8(
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    );
    const named = new Headers({
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    });
    const { check: checkNamed } = await openSource(slack, nodeCrypto);
    expect(checkNamed(named, published)).toMatchObject({ ok: true });
    expect(checkNamed(named, published.slice(1))).toMatchObject({ reason: 'bad_signature' });

    const pem = execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519']).toString();
    const spki = execFileSync('openssl', ['pkey', '-pubout', '-outform', 'DER'], { input: pem });
    const [asymmetric] = sourcesSchema.parse([
      {
        name: 'c',
        kind: 'carrier',
        auth: { type: 'standard_ed25519', public_keys: [`whpk_${spki.subarray(-32).toString('base64')}`] },
      },
    ]);
    if (asymmetric === undefined) throw new Error('a source');
    const message = Buffer.concat([Buffer.from('msg_1.1614265330.'), body]);
    const signature = sign(null, message, createPrivateKey(pem)).toString('base64');
    const { check: checkKey } = await openSource(asymmetric, nodeCrypto);
    const of = (text: string) =>
      new Headers({ 'webhook-id': 'msg_1', 'webhook-timestamp': '1614265330', 'webhook-signature': text });
    expect(checkKey(of(`v1,AAAA v1a,${signature}`), body)).toMatchObject({ ok: true });
    expect(checkKey(of(`v1,${signature}`), body)).toMatchObject({ reason: 'bad_signature' });
  });

  test('a secret that others may read, a short one and a missing one are told by their file', async () => {
    const open = secretFile('open', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    chmodSync(open, 0o644);
    await expect(readStandardSecret(open)).rejects.toMatchObject({ code: 'KEY_PERMISSIONS' });
    const short = secretFile('short', 'whsec_AAAA');
    await expect(readStandardSecret(short)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(readTextSecret(short)).rejects.not.toThrow(/AAAA/);
    await expect(readTextSecret(join(dir.path, 'none'))).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' });
  });
});
