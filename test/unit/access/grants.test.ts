/** The verbs of access: what a service sends ahead, sealed to this box. */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { base64url, utf8 } from '../../../src/base/bytes.ts';
import { SecretText } from '../../../src/base/secret-text.ts';
import { AccessStore } from '../../../src/edge/access/access-store.ts';
import { openBoxSecret } from '../../../src/edge/access/box-secret.ts';
import { type Desk, deskVerbs } from '../../../src/edge/access/desk-verbs.ts';
import { grantVerbs } from '../../../src/edge/access/grants.ts';
import { codeVerifier } from '../../../src/edge/access/verifier.ts';
import type { VerbAnswer, Verbs } from '../../../src/edge/contracts/verb.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { grantContext } from '../../../src/evidence/wire/access-args.ts';
import { seal } from '../../../src/platform/sealed-box.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir('grants');
afterAll(() => dir.remove());

/** RFC 8410: SubjectPublicKeyInfo of an X25519 key, up to the key itself. */
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const ID = base64url(new Uint8Array(16).fill(7));
const OTHER_ID = base64url(new Uint8Array(16).fill(8));

interface Box {
  readonly verbs: Verbs;
  readonly store: AccessStore;
  readonly sealed: (code: string, credential?: string, gateway?: string) => string;
  readonly opens: (code: string) => Promise<string | undefined>;
}

const NOW = '2026-11-22T00:00:00.000Z';
const LATER = '2026-11-22T00:00:00.001Z';

async function box(clock: { readonly wallMs?: number } = { wallMs: Date.parse(NOW) }): Promise<Box> {
  const folder = makeTempDir('grants');
  const secret = await openBoxSecret(join(folder.path, 'keys', 'access.key'), 'gw-0001');
  const verifier = codeVerifier(secret.pepper, { cost: 16, blockSize: 1 });
  const store = new AccessStore({
    path: join(folder.path, 'credentials.db'),
    credentialsMax: 10,
    now: () => ({ upMs: 0, wallMs: clock.wallMs }),
  });
  const verbs = grantVerbs({
    gateway: 'gw-0001',
    secret,
    store,
    verifier,
    settings: { code_length_min: 6 },
    compartments: new Set(['A01']),
  });
  const recipient = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, secret.publicKey]),
    format: 'der',
    type: 'spki',
  });
  return {
    verbs,
    store,
    sealed: (code, credential = ID, gateway = 'gw-0001') =>
      base64url(seal(recipient, grantContext(gateway, credential), utf8(code))),
    opens: async (code) => store.find(await verifier.of(new SecretText(code)))?.id,
  };
}

function args(sealed: string, more: JsonObject = {}): JsonObject {
  return { actor: { kind: 'recipient', ref: 'r-1' }, credential: ID, lives_s: 3_600, sealed, uses: 1, ...more };
}

function run(verbs: Verbs, verb: string, given: JsonObject): Promise<VerbAnswer> {
  const made = verbs[verb];
  if (made?.check(given).ok !== true) throw new Error(`${verb} does not take ${Object.keys(given).join()}`);
  const actor = { kind: 'service', ref: 's' } as const;
  return made.run({ id: randomBytes(16), args: given, actor, untilUpMs: 1 }, AbortSignal.timeout(1_000));
}

describe('grant', () => {
  test('takes a code that was sealed for this box and this credential', async () => {
    const { opens, sealed, verbs } = await box();
    const answer = await run(verbs, 'grant', args(sealed('48151623'), { compartments: ['A01'] }));
    expect(answer).toMatchObject({ outcome: 'executed', result: 'granted', data: { credentials: 1, live: 1 } });
    expect(await opens('48151623')).toBe(ID);
  });

  test.each([
    ['not_sealed_for_this_box', (made: Box) => args(made.sealed('48151623', OTHER_ID))],
    ['not_sealed_for_this_box', (made: Box) => args(made.sealed('48151623', ID, 'gw-0002'))],
    ['not_sealed_for_this_box', () => args(base64url(randomBytes(80)))],
    ['code_form', (made: Box) => args(made.sealed('4815 1623'))],
    ['code_form', (made: Box) => args(made.sealed('123'))],
    ['code_too_short', (made: Box) => args(made.sealed('48151'))],
    ['unknown_compartment', (made: Box) => args(made.sealed('48151623'), { compartments: ['Z99'] })],
    ['already_over', (made: Box) => args(made.sealed('48151623'), { until: NOW })],
    ['from_after_until', (made: Box) => args(made.sealed('48151623'), { from: LATER, until: LATER })],
  ] as const)('is refused as %s', async (reason, make) => {
    const made = await box();
    expect(await run(made.verbs, 'grant', make(made))).toMatchObject({ outcome: 'refused', result: reason });
    expect(made.store.counts().credentials).toBe(0);
  });

  test('that ends a moment later is taken, and one whose end nobody can show to be past', async () => {
    const known = await box();
    const soon = args(known.sealed('48151623'), { from: NOW, until: LATER });
    expect(await run(known.verbs, 'grant', soon)).toMatchObject({ result: 'granted' });
    const unset = await box({});
    expect(await run(unset.verbs, 'grant', args(unset.sealed('48151623'), { until: NOW }))).toMatchObject({
      result: 'granted',
    });
  });

  test('of an id that is known, or of a code that is in use, is refused', async () => {
    const { sealed, verbs } = await box();
    await run(verbs, 'grant', args(sealed('48151623')));
    expect(await run(verbs, 'grant', args(sealed('11111111')))).toMatchObject({ result: 'credential_known' });
    const other = args(sealed('48151623', OTHER_ID), { credential: OTHER_ID });
    expect(await run(verbs, 'grant', other)).toMatchObject({ result: 'code_taken' });
    expect(await run(verbs, 'revoke', { credential: ID })).toMatchObject({ result: 'revoked' });
    expect(await run(verbs, 'grant', other)).toMatchObject({ result: 'granted' });
  });

  test('arguments of another form are refused, and nothing of them is repeated', async () => {
    const { sealed, verbs } = await box();
    for (const wrong of [
      args('*'),
      args(sealed('48151623'), { lives_s: 0 }),
      args(sealed('48151623'), { until: 'tomorrow' }),
      args(sealed('48151623'), { until: '2027-02-31T09:00:00.000Z' }),
      args(sealed('48151623'), { from: '2027-02-29T09:00:00.000Z' }),
      args(sealed('48151623'), { code: '48151623' }),
      { credential: ID },
    ]) {
      const checked = verbs['grant']?.check(wrong);
      expect(checked?.ok).toBe(false);
      expect(JSON.stringify(checked)).not.toContain('48151623');
    }
  });
});

describe('the secret of a box', () => {
  test('is the same after a restart, and another box’s file is refused', async () => {
    const path = dir.file('keys', 'access.key');
    const first = await openBoxSecret(path, 'gw-0001');
    const again = await openBoxSecret(path, 'gw-0001');
    expect(again.publicKey).toEqual(first.publicKey);
    expect(again.pepper).toEqual(first.pepper);
    expect(createPublicKey(createPrivateKey(again.privateKey.export({ format: 'pem', type: 'pkcs8' })))).toBeDefined();
    await expect(openBoxSecret(path, 'gw-0002')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('the verifier', () => {
  test('is scrypt as RFC 7914 has it: its third vector, with the salt for a pepper', async () => {
    // RFC 7914 section 12: scrypt (P="pleaseletmein", S="SodiumChloride", N=16384, r=8, p=1), first 32 bytes.
    const expected = '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2';
    const { index, proof } = await codeVerifier(utf8('SodiumChloride'), { cost: 16_384, blockSize: 8 }).of(
      new SecretText('pleaseletmein'),
    );
    expect(Buffer.concat([index, proof]).toString('hex')).toBe(expected);
  });
});

describe('assign, unassign and maintain', () => {
  const asked: unknown[] = [];
  const desk: Desk = {
    assign: (wanted) => {
      asked.push(wanted);
      return { ok: true, value: undefined };
    },
    unassign: (id) => id === ID,
    openWindow: (wanted) => {
      asked.push(wanted);
      return { ok: false, reason: 'windows_full', detail: '' };
    },
    closeWindow: (id) => id === ID,
  };
  const verbs = deskVerbs(desk, new Set(['A01']));
  const assignment = {
    actor: { kind: 'courier' },
    assignment: ID,
    compartment: 'A01',
    kind: 'deposit',
    lives_s: 60,
    parcel: { ref: '2026-11.AbCdEfGhIjKlMnOpQrStUg', scheme: 'sscc' },
    until: '2026-11-22T09:00:00.000Z',
  };

  test('reach custody as they were asked for', async () => {
    expect(await run(verbs, 'assign', assignment)).toMatchObject({ result: 'assigned', compartment: 'A01' });
    expect(asked.pop()).toMatchObject({
      id: ID,
      kind: 'deposit',
      actorKind: 'courier',
      end: { livesMs: 60_000, untilMs: Date.UTC(2026, 10, 22, 9) },
    });
    expect(await run(verbs, 'unassign', { assignment: ID })).toMatchObject({ result: 'unassigned' });
    expect(await run(verbs, 'unassign', { assignment: OTHER_ID })).toMatchObject({ result: 'unknown_assignment' });
    const window = { actor: { kind: 'technician', ref: 't-1' }, lives_s: 60, window: ID };
    expect(await run(verbs, 'maintain', window)).toMatchObject({ outcome: 'refused', result: 'windows_full' });
    expect(await run(verbs, 'maintain', { end: 'now', window: ID })).toMatchObject({ result: 'closed' });
    expect(await run(verbs, 'maintain', { end: 'now', window: OTHER_ID })).toMatchObject({ result: 'unknown_window' });
  });

  test('a compartment that is not here is refused', async () => {
    const elsewhere = { ...assignment, compartment: 'Z99' };
    expect(await run(verbs, 'assign', elsewhere)).toMatchObject({ result: 'unknown_compartment' });
    expect(verbs['maintain']?.check({ window: ID }).ok).toBe(false);
  });

  test('an end on a day that no calendar has is refused', () => {
    const until = '2027-02-31T09:00:00.000Z';
    const window = { actor: { kind: 'technician', ref: 't-1' }, lives_s: 60, window: ID };
    expect(verbs['maintain']?.check(window).ok).toBe(true);
    expect(verbs['maintain']?.check({ ...window, until }).ok).toBe(false);
    expect(verbs['assign']?.check(assignment).ok).toBe(true);
    expect(verbs['assign']?.check({ ...assignment, until }).ok).toBe(false);
  });
});
