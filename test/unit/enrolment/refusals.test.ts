import { describe, expect, test } from 'vitest';
import { base64 } from '../../../src/base/bytes.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import type { EnrolRefusal } from '../../../src/risk/enrolment/reasons.ts';
import { TPMA_NV, TPMA_OBJECT } from '../../../src/tpm2/algorithms.ts';
import { writeCreationData } from '../../../src/tpm2/creation.ts';
import { writeNvPublic } from '../../../src/tpm2/nv-public.ts';
import { writePublic } from '../../../src/tpm2/public.ts';
import { signerTemplate } from '../../../src/tpm2/templates.ts';
import { type Members, TestBox, testLogKey } from '../../support/test-box.ts';
import { makeBench } from './bench.ts';
import { refusing } from './refusing.ts';

const shared = refusing();
const { isRefused, soundBox, allReached } = shared;

async function begun(box: TestBox, request: unknown = box.request()) {
  return shared.bench.begin(await shared.bench.token(box.gateway), request);
}

describe('a request is refused', () => {
  test('with a wrong token, another gateway, or none', async () => {
    const box = soundBox();
    isRefused(await shared.bench.begin(undefined, box.request()), 'token_missing');
    isRefused(await shared.bench.begin('A'.repeat(43), box.request()), 'token_wrong');
    isRefused(await shared.bench.begin('../../../etc/passwd', box.request()), 'token_wrong');
    isRefused(await shared.bench.begin(await shared.bench.token(box.gateway, 0), box.request()), 'token_expired');
    isRefused(await shared.bench.begin(await shared.bench.token('gw-other'), box.request()), 'token_gateway');
  });

  test('when the token was used, or tried too often', async () => {
    const box = soundBox();
    const token = await shared.bench.token(box.gateway);
    expect((await shared.bench.answer(box, await shared.bench.challenge(box, token))).ok).toBe(true);
    box.log = testLogKey(box.gateway, 2);
    isRefused(await shared.bench.begin(token, box.request()), 'token_used');
    const other = await shared.bench.token(box.gateway);
    for (let i = 0; i < 10; i += 1) expect((await shared.bench.begin(other, {})).ok).toBe(false);
    isRefused(await shared.bench.begin(other, box.request()), 'too_many_attempts');
  });

  test('when it is no request', async () => {
    const box = soundBox();
    const sound = box.request() as { tpm: Members } & Members;
    const { srk_name: _srk, ...less } = sound.tpm;
    const bad: unknown[] = [[], null, 'x', { ...sound, v: 2 }, { ...sound, more: 1 }, { ...sound, tpm: less }];
    bad.push(
      { ...sound, log: 'x' },
      { ...sound, tpm: { ...sound.tpm, ek_cert: 'AB==' } },
      { ...sound, keys: 'software' },
    );
    for (const each of bad) isRefused(await begun(box, each), 'body');
    const { parseRequest } = await import('../../../src/risk/enrolment/messages.ts');
    isRefused(parseRequest(new Uint8Array(40_000)), 'too_large');
  });

  test('for a log of another gateway, of a foreign operator, or under a wrong tag', async () => {
    const box = soundBox();
    for (const key of [testLogKey('gw-x'), testLogKey(box.gateway, 1, 'elsewhere.example')]) {
      isRefused(await begun(box, box.request({}, { log: formatVkey(key.vkey) })), 'log');
    }
    const name = box.log.vkey.name.replace(/.$/, (c) => (c === '0' ? '1' : '0'));
    const { logVkey } = await import('../../../src/evidence/log/note.ts');
    const wrong = logVkey(nodeCrypto, name, box.log.vkey.publicKey);
    isRefused(await begun(box, box.request({}, { log: formatVkey(wrong) })), 'log');
  });

  test('for a log that is enrolled', async () => {
    const box = soundBox();
    await shared.bench.enrol(box);
    isRefused(await begun(box), 'log_known');
  });

  test('for a class that is not enrolled here', async () => {
    const strict = await makeBench(shared.vendors, { rules: { classes: ['hardware'] } });
    const box = shared.vendors.certified(new TestBox('gw-0001'), shared.vendors.emulatedRoot);
    isRefused(await strict.begin(await strict.token('gw-0001'), box.request()), 'class_not_allowed');
    isRefused(await strict.begin(await strict.token('gw-0001'), box.softwareRequest()), 'class_not_allowed');
    expect((await strict.begin(await strict.token('gw-0001'), shared.vendors.certified(box).request())).ok).toBe(true);
  });

  test('when too many challenges wait', async () => {
    const small = await makeBench(shared.vendors, { rules: { challengesMax: 1 } });
    expect((await small.begin(await small.token('gw-a'), new TestBox('gw-a').softwareRequest())).ok).toBe(true);
    isRefused(await small.begin(await small.token('gw-b'), new TestBox('gw-b').softwareRequest()), 'busy');
  });

  const without = (attributes: number, bit: number) => attributes & ~bit;

  test.each<[EnrolRefusal, string, (box: TestBox) => Members]>([
    ['ak_public', 'an AK that is cut', (box) => ({ ak_public: base64(writePublic(box.akPublic).slice(0, 50)) })],
    ...(['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'restricted', 'sign'] as const).map(
      (name): [EnrolRefusal, string, (box: TestBox) => Members] => [
        'ak_attributes',
        `an AK without ${name}`,
        (box) => ({
          ak_public: base64(
            writePublic({ ...box.akPublic, attributes: without(box.akPublic.attributes, TPMA_OBJECT[name]) }),
          ),
        }),
      ],
    ),
    [
      'ak_attributes',
      'an AK that decrypts',
      (box) => ({
        ak_public: base64(writePublic({ ...box.akPublic, attributes: box.akPublic.attributes | TPMA_OBJECT.decrypt })),
      }),
    ],
    [
      'ak_attributes',
      'an AK with a policy, whose Name verifiers do not know',
      (box) => ({ ak_public: base64(writePublic({ ...box.akPublic, authPolicy: new Uint8Array(32) })) }),
    ],
    [
      'ak_attributes',
      'an AK off the curve',
      (box) => ({ ak_public: base64(writePublic({ ...box.akPublic, unique: { x: box.ak.x, y: box.ak.x } })) }),
    ],
    ['login_public', 'no login key', () => ({ login_public: 'AAAA' })],
    ['login_attributes', 'a restricted login key', (box) => ({ login_public: base64(writePublic(box.akPublic)) })],
    [
      'login_attributes',
      'a login key of elsewhere',
      (box) => ({
        login_public: base64(
          writePublic({
            ...signerTemplate(box.login),
            attributes: without(signerTemplate(box.login).attributes, TPMA_OBJECT.fixedTPM),
          }),
        ),
      }),
    ],
    ['counter_public', 'no counter', () => ({ counter_public: 'AAAA' })],
    [
      'counter_attributes',
      'an orderly counter',
      (box) => ({
        counter_public: base64(
          writeNvPublic({ ...box.counterPublic, attributes: box.counterPublic.attributes | TPMA_NV.ORDERLY }),
        ),
      }),
    ],
    [
      'counter_attributes',
      'a counter never written',
      (box) => ({
        counter_public: base64(
          writeNvPublic({ ...box.counterPublic, attributes: without(box.counterPublic.attributes, TPMA_NV.WRITTEN) }),
        ),
      }),
    ],
    [
      'counter_attributes',
      'an ordinary index',
      (box) => ({
        counter_public: base64(
          writeNvPublic({ ...box.counterPublic, attributes: without(box.counterPublic.attributes, TPMA_NV.COUNTER) }),
        ),
      }),
    ],
    ['sealed_public', 'no sealed object', () => ({ sealed_public: 'AAAA' })],
    [
      'sealed_attributes',
      'an object that its empty password opens',
      (box) => ({
        sealed_public: base64(
          writePublic({ ...box.sealedPublic, attributes: box.sealedPublic.attributes | TPMA_OBJECT.userWithAuth }),
        ),
      }),
    ],
    [
      'sealed_attributes',
      'an object without a policy',
      (box) => ({ sealed_public: base64(writePublic({ ...box.sealedPublic, authPolicy: new Uint8Array(0) })) }),
    ],
    ['sealed_attributes', 'a key', (box) => ({ sealed_public: base64(writePublic(box.akPublic)) })],
    [
      'creation_data',
      'creation data that are cut',
      (box) => ({ creation_data: base64(writeCreationData(box.creation).slice(0, 40)) }),
    ],
    ['creation_parent', 'another parent', () => ({ srk_name: `000b${'00'.repeat(32)}` })],
    [
      'creation_log',
      'another log key',
      (box) => ({ creation_data: base64(writeCreationData({ ...box.creation, outsideInfo: new Uint8Array(32) })) }),
    ],
    [
      'creation_attest',
      'creation data that were not attested',
      (box) => ({ creation_data: base64(writeCreationData({ ...box.creation, locality: 2 })) }),
    ],
    [
      'creation_attest',
      'an attest of another kind',
      (box) => {
        const { attest, signature } = box.counter(new Uint8Array(1));
        return { creation_attest: base64(attest), creation_signature: base64(signature) };
      },
    ],
    [
      'creation_attest',
      'signed bytes that no TPM made',
      (box) => {
        const attest = new Uint8Array(80);
        return { creation_attest: base64(attest), creation_signature: base64(box.akSign(attest)) };
      },
    ],
    [
      'creation_signature',
      'the signature of another AK',
      () => ({ creation_signature: base64(new TestBox('gw-x').creationAttest().signature) }),
    ],
  ])('%s: for %s', async (reason, _what, change) => {
    const box = soundBox();
    isRefused(await begun(box, box.request(change(box))), reason);
  });
});

test('every other reason of requests was reached', () => {
  const elsewhere =
    /^(certificate|chain|crl|ek|secret|possession|quote|counter_(attest|signature|name|value)|attests|properties|firmware|escrow|challenge|successor|history|too_many_requests)/;
  allReached((reason) => !elsewhere.test(reason), 20);
});
