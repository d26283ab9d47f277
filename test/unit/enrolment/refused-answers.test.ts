import { describe, expect, test } from 'vitest';
import { base64, unbase64 } from '../../../src/base/bytes.ts';
import type { Challenge } from '../../../src/risk/enrolment/messages.ts';
import type { EnrolRefusal } from '../../../src/risk/enrolment/reasons.ts';
import type { Attest } from '../../../src/tpm2/attest.ts';
import { type Members, TestBox } from '../../support/test-box.ts';
import { makeBench } from './bench.ts';
import { refusing } from './refusing.ts';

const shared = refusing();
const { isRefused, soundBox, allReached } = shared;

describe('an answer is refused', () => {
  test('without a challenge, after its time, or twice', async () => {
    const box = soundBox();
    const challenge = await shared.bench.challenge(box);
    const answer = box.answer(challenge);
    isRefused(await shared.bench.answer(box, { ...challenge, id: 'A'.repeat(22) }, answer), 'challenge_unknown');
    isRefused(await shared.bench.answer(new TestBox('gw-x'), challenge, answer), 'challenge_unknown');
    expect((await shared.bench.answer(box, challenge, answer)).ok).toBe(true);
    isRefused(await shared.bench.answer(box, challenge, answer), 'challenge_used');
    const late = soundBox();
    const slow = await shared.bench.challenge(late);
    shared.bench.clock.advance(60_000);
    isRefused(await shared.bench.answer(late, slow), 'challenge_expired');
  });

  test('that was wrong once cannot be mended', async () => {
    const box = soundBox();
    const challenge = await shared.bench.challenge(box);
    isRefused(
      await shared.bench.answer(box, challenge, box.answer(challenge, { proof: base64(new Uint8Array(32)) })),
      'secret',
    );
    isRefused(await shared.bench.answer(box, challenge), 'challenge_used');
  });

  const encoded = ({ attest, signature }: { attest: Uint8Array; signature: Uint8Array }) => {
    return { attest: base64(attest), signature: base64(signature) };
  };
  type Change = (box: TestBox, statement: Uint8Array, challenge: Challenge) => { tpm?: Members; head?: Members };
  const quoteOf =
    (change: Partial<Attest>): Change =>
    (box, statement) => ({ tpm: { quote: encoded(box.quote(statement, change)) } });
  const counterOf =
    (change: Partial<Attest>): Change =>
    (box, statement) => ({ tpm: { counter: encoded(box.counter(statement, change)) } });

  test.each<[EnrolRefusal, string, Change]>([
    ['body', 'a member too much', () => ({ head: { more: 1 } })],
    ['body', 'no TPM where there was one', () => ({ head: { tpm: undefined } })],
    ['escrow', 'authorisations that nobody asked for', () => ({ head: { escrow: base64(new Uint8Array(64)) } })],
    ['secret', 'the secret itself', (box, _s, challenge) => ({ tpm: { proof: base64(box.activate(challenge)) } })],
    [
      'possession',
      'another log key',
      (_box, statement) => ({ head: { possession: base64(new TestBox('gw-y').possession(statement)) } }),
    ],
    [
      'possession',
      'a statement of another nonce',
      (box, _s, challenge) => ({
        head: { possession: base64(box.possession(box.statement({ ...challenge, nonce: 'A'.repeat(43) }))) },
      }),
    ],
    ['quote_attest', 'a quote over something else', quoteOf({ extraData: new Uint8Array(32) })],
    [
      'quote_attest',
      'a quote without PCRs',
      quoteOf({
        body: { kind: 'quote', selections: [{ hash: 11, bitmap: new Uint8Array(3) }], pcrDigest: new Uint8Array(32) },
      }),
    ],
    [
      'quote_attest',
      'a quote of a SHA-1 bank',
      quoteOf({
        body: {
          kind: 'quote',
          selections: [{ hash: 4, bitmap: Uint8Array.of(1, 0, 0) }],
          pcrDigest: new Uint8Array(32),
        },
      }),
    ],
    [
      'quote_attest',
      'the counter for a quote',
      (box, statement) => ({ tpm: { quote: encoded(box.counter(statement)) } }),
    ],
    ['quote_hierarchy', 'an AK of the owner', quoteOf({ qualifiedSigner: new Uint8Array(34) })],
    [
      'quote_signature',
      'another AK',
      (_box, statement) => ({ tpm: { quote: encoded(new TestBox('gw-y').quote(statement)) } }),
    ],
    ['counter_attest', 'a counter over something else', counterOf({ extraData: new Uint8Array(32) })],
    [
      'counter_attest',
      'the quote for a counter',
      (box, statement) => ({ tpm: { counter: encoded(box.quote(statement)) } }),
    ],
    ['counter_attest', 'a counter by an AK of the owner', counterOf({ qualifiedSigner: new Uint8Array(34) })],
    [
      'counter_signature',
      'a counter by another AK',
      (_box, statement) => ({ tpm: { counter: encoded(new TestBox('gw-y').counter(statement)) } }),
    ],
    [
      'counter_name',
      'another index',
      counterOf({ body: { kind: 'nv', indexName: new Uint8Array(34), offset: 0, contents: new Uint8Array(8) } }),
    ],
    [
      'attests_disagree',
      'two starts of the TPM',
      counterOf({ clockInfo: { clock: 1n, resetCount: 5, restartCount: 0, safe: true } }),
    ],
    ['attests_disagree', 'two firmwares', counterOf({ firmwareVersion: 1n })],
  ])('%s: for %s', async (reason, _what, change) => {
    const box = soundBox();
    const challenge = await shared.bench.challenge(box);
    const { tpm, head } = change(box, box.statement(challenge), challenge);
    isRefused(await shared.bench.answer(box, challenge, box.answer(challenge, tpm, head)), reason);
  });

  test('for a part of a counter, or a value that is none', async () => {
    for (const [value, reason] of [
      [0n, 'counter_value'],
      [1n << 40n, 'counter_value'],
    ] as const) {
      const box = soundBox();
      const challenge = await shared.bench.challenge(box);
      box.counterValue = value;
      isRefused(await shared.bench.answer(box, challenge), reason);
    }
    const box = soundBox();
    const challenge = await shared.bench.challenge(box);
    const { body } = {
      body: { kind: 'nv', indexName: new Uint8Array(34), offset: 1, contents: new Uint8Array(8) } as const,
    };
    const cut = encoded(box.counter(box.statement(challenge), { body }));
    isRefused(await shared.bench.answer(box, challenge, box.answer(challenge, { counter: cut })), 'counter_attest');
  });

  test('when the TPM is another than it says', async () => {
    for (const properties of [
      { manufacturer: '49465800', firmware: '0000000000000001', vendor: '' },
      { manufacturer: '4e544300', firmware: '0007005500000000', vendor: '' },
    ]) {
      const box = soundBox();
      const challenge = await shared.bench.begin(await shared.bench.token(box.gateway), box.request({ properties }));
      if (!challenge.ok) throw new Error(challenge.reason);
      isRefused(await shared.bench.answer(box, challenge.value), 'properties');
    }
  });

  test('when its firmware is on the deny list', async () => {
    const row = { manufacturer: 'IFX', from: '0007005500000000', to: '00070055ffffffff' };
    const strict = await makeBench(shared.vendors, { deny: { firmware: [row] } });
    const box = shared.vendors.certified(new TestBox('gw-0001'));
    isRefused(await strict.answer(box, await strict.challenge(box)), 'firmware_denied');
    const other = await makeBench(shared.vendors, { deny: { firmware: [{ ...row, manufacturer: 'STM' }] } });
    expect((await other.answer(box, await other.challenge(box))).ok).toBe(true);
  });

  test('when its token or its log was taken meanwhile', async () => {
    const box = soundBox();
    const token = await shared.bench.token(box.gateway);
    const challenge = await shared.bench.challenge(box, token);
    shared.bench.store.beforeAppend = async () => {
      // Another process of this service was faster with the same token.
      const twin = await makeBench(shared.vendors);
      await twin.enrol(box);
      const [text = ''] = await twin.store.read(box.gateway);
      await shared.bench.store.append(box.gateway, 0, text);
    };
    isRefused(await shared.bench.answer(box, challenge), 'log_known');
    expect(await shared.bench.store.read(box.gateway)).toHaveLength(1);
  });
});

describe('no other bytes are accepted', () => {
  test('each byte of what a box sends counts', async () => {
    const whole = soundBox();
    const sound = whole.request() as { tpm: Record<string, string> };
    const names = Object.keys(sound.tpm).filter((name) => !['properties', 'srk_name'].includes(name));
    let tried = 0;
    // Attempts per token are counted: a service of its own, and a token for each.
    for (const name of names) {
      const bytes = unbase64(sound.tpm[name] ?? '') ?? new Uint8Array(0);
      const places = [0, Math.floor(bytes.length / 3), Math.floor(bytes.length / 2), bytes.length - 1];
      const mutants = [
        ...places.map((at) => Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 0x10 : byte))),
        bytes.slice(0, -1),
        Uint8Array.from([...bytes, 0]),
      ];
      for (const mutant of mutants) {
        tried += 1;
        const begun = await shared.bench.begin(
          await shared.bench.token(whole.gateway),
          whole.request({ [name]: base64(mutant) }),
        );
        // What only the second step covers (the login key, the counter) is refused there: its Name is in the statement.
        const last = begun.ok ? await shared.bench.answer(whole, begun.value) : begun;
        expect({ name, ok: last.ok }).toEqual({ name, ok: false });
      }
    }
    expect(tried).toBe(6 * names.length);
    expect((await shared.bench.answer(whole, await shared.bench.challenge(whole))).ok).toBe(true);
  });

  test('parts of two boxes make no third', async () => {
    const [one, two] = [soundBox(), soundBox()];
    const theirs = (two.request() as { tpm: Members }).tpm;
    for (const name of [
      'ek_cert',
      'ek_public',
      'ak_public',
      'sealed_public',
      'creation_data',
      'creation_attest',
      'creation_signature',
    ]) {
      const begun = await shared.bench.begin(
        await shared.bench.token(one.gateway),
        one.request({ [name]: theirs[name] }),
      );
      expect({ name, ok: begun.ok }).toEqual({ name, ok: false });
    }
    // Another box's endorsement key, with its certificate: the credential is made for a TPM that this AK is not in.
    const begun = await shared.bench.begin(
      await shared.bench.token(one.gateway),
      one.request({ ek_cert: theirs['ek_cert'], ek_public: theirs['ek_public'] }),
    );
    if (!begun.ok) throw new Error(begun.reason);
    expect(() => two.activate(begun.value)).toThrow('TPM_RC_INTEGRITY');
  });
});

test('every reason of answers was reached', () => {
  const own =
    /^(secret|possession|quote|counter_(attest|signature|name|value)|attests|properties|firmware|escrow|challenge)/;
  allReached((reason) => own.test(reason), 5);
});
