/** What is judged of a message on `command`: every reason, and thousands of damaged and edited ones. */
import { afterAll, describe, expect, test } from 'vitest';
import { base64url, utf8, utf8Text } from '../../../src/base/bytes.ts';
import { accept, refuse } from '../../../src/base/result.ts';
import {
  type Here,
  type Judgement,
  type JudgeParts,
  judgeCommand,
  LIFE_MAX_MS,
} from '../../../src/edge/commands/judge.ts';
import { commandsSettingsSchema, grantedKeys } from '../../../src/edge/commands/settings.ts';
import type { Verbs } from '../../../src/edge/contracts/verb.ts';
import { pae } from '../../../src/evidence/batch/pae.ts';
import type { JsonObject } from '../../../src/evidence/event/event.ts';
import { canonicalJson } from '../../../src/evidence/event/json.ts';
import { formatVkey } from '../../../src/evidence/log/note.ts';
import {
  COMMAND_TYPE,
  type Command,
  commandEnvelope,
  commandPayload,
  REPLY_TYPE,
  replyEnvelope,
} from '../../../src/evidence/wire/command.ts';
import { envelopeBytes } from '../../../src/evidence/wire/envelope.ts';
import { nodeCrypto } from '../../../src/platform/node-crypto.ts';
import { mutate, Random } from '../../support/mutate.ts';
import { Commander } from '../../support/opening-bench.ts';

const LOG = 'lockers.example/gw-0001/1-56475aa7';
const START = base64url(Uint8Array.from({ length: 16 }, (_, i) => i));
const here: Here = { gateway: 'gw-0001', log: LOG, start: START, upMs: 100_000, wallMs: Date.UTC(2026, 10, 22, 9) };
/** `Date.parse` reads it as the 3rd of March. */
const NO_DAY = '2026-02-31T09:00:00.000Z';
const inMarch: Here = { ...here, wallMs: Date.UTC(2026, 2, 1) };
const ops = new Commander('ops');
const stranger = new Commander('stranger');
const keys = grantedKeys(
  commandsSettingsSchema.parse({ keys: [{ vkey: formatVkey(ops.vkey), verbs: ['open', 'recount', 'fetch'] }] }),
);
const run = async () => ({ outcome: 'executed', result: 'done' }) as const;
const verbs: Verbs = {
  open: { check: (args) => ('compartment' in args ? accept(args) : refuse('args', 'none')), run },
  recount: { check: accept, run },
  stop_pick: { check: accept, run },
};
const USED = base64url(new Uint8Array(16).fill(9));
const parts: JudgeParts = { crypto: nodeCrypto, keys, verbs, isUsed: (id) => id === USED };

const sound: Command = {
  gateway: 'gw-0001',
  log: LOG,
  start: START,
  id: base64url(new Uint8Array(16).fill(7)),
  until_up_ms: 160_000,
  not_after: '2026-11-22T09:01:00.000Z',
  verb: 'open',
  args: { compartment: 'A07' },
  by: { kind: 'operator', ref: 'desk-7' },
};

const word = (judgement: Judgement): string =>
  judgement.kind === 'accepted' ? 'accepted' : `${judgement.kind} ${judgement.reason}`;
const judged = (more: Partial<Command>, at: Here = here): string =>
  word(judgeCommand(ops.sign({ ...sound, ...more }).bytes, at, parts));

function signedPayload(payload: Uint8Array): Uint8Array {
  return envelopeBytes(commandEnvelope(payload, ops.vkey.keyId, ops.key.sign(pae(COMMAND_TYPE, payload))));
}

/** Signed by a granted key, and not what a command is. */
function signedObject(object: JsonObject): Uint8Array {
  return signedPayload(utf8(canonicalJson(object)));
}

const asObject: JsonObject = { ...sound, by: { ...sound.by }, v: 1 } as unknown as JsonObject;
const otherLog = LOG.replace('gw-0001', 'gw-0002');

describe('a message on `command`', () => {
  const reached = new Set<string>();
  const note = (judgement: string): string => {
    reached.add(judgement);
    return judgement;
  };

  test.each<[string, string]>([
    ['accepted', judged({})],
    ['accepted', judged({ until_up_ms: here.upMs })],
    ['accepted', judged({ until_up_ms: here.upMs + LIFE_MAX_MS })],
    ['refused gateway', judged({ gateway: 'gw-0002', log: otherLog })],
    ['refused start', judged({ start: base64url(new Uint8Array(16)) })],
    ['refused log', judged({ log: LOG.replace('/1-', '/2-') })],
    ['refused log', judged({}, { ...here, log: undefined })],
    ['refused repeated', judged({ id: USED })],
    ['refused expired', judged({ until_up_ms: here.upMs - 1 })],
    ['refused expired', judged({ not_after: '2026-11-22T08:59:59.999Z' })],
    ['accepted', judged({ not_after: '2026-03-03T09:00:00.000Z' }, inMarch)],
    ['refused too_far', judged({ until_up_ms: here.upMs + LIFE_MAX_MS + 1 })],
    ['refused verb', judged({ verb: 'stop_pick' })],
    ['refused verb', judged({ verb: 'fetch' })],
    ['refused verb', judged({ verb: 'constructor' })],
    ['refused args', judged({ args: {} })],
    ['strange unknown_key', word(judgeCommand(stranger.sign(sound).bytes, here, parts))],
    ['strange form', word(judgeCommand(utf8('open A07'), here, parts))],
    ['unreadable form', word(judgeCommand(signedObject({ ...asObject, by: 'me' }), here, parts))],
    ['unreadable form', word(judgeCommand(signedObject({ ...asObject, not_after: NO_DAY }), inMarch, parts))],
    ['unreadable form', word(judgeCommand(signedObject({ ...asObject, log: otherLog }), here, parts))],
    ['unreadable form', word(judgeCommand(signedPayload(utf8('{"v":1')), here, parts))],
    ['unreadable unknown_version', word(judgeCommand(signedObject({ ...asObject, v: 2 }), here, parts))],
    ['unreadable unknown_version', word(judgeCommand(signedObject({ ...asObject, soon: true }), here, parts))],
  ])('%s', (expected, found) => expect(note(found)).toBe(expected));

  test('without a clock that can be trusted the monotonic limit stands alone', () => {
    const { wallMs: _wallMs, ...timeless } = here;
    expect(judged({ not_after: '1999-01-01T00:00:00.000Z' }, timeless)).toBe('accepted');
  });

  test('of two reasons the first of FORMAT.md is said', () => {
    const all = { start: base64url(new Uint8Array(16)), id: USED, until_up_ms: 0, verb: 'nothing', args: {} };
    expect(judged(all)).toBe('refused start');
    expect(judged({ ...all, start: START })).toBe('refused repeated');
    expect(judged({ ...all, start: START, id: sound.id })).toBe('refused expired');
    expect(judged({ ...all, start: START, id: sound.id, until_up_ms: 160_000 })).toBe('refused verb');
  });

  test('a signature over one thing is none over another', () => {
    const payload = commandPayload(sound);
    const asReply = replyEnvelope(payload, ops.vkey.keyId, ops.key.sign(pae(REPLY_TYPE, payload)));
    expect(word(judgeCommand(envelopeBytes(asReply), here, parts))).toBe('strange form');
    const bare = commandEnvelope(payload, ops.vkey.keyId, ops.key.sign(payload));
    expect(word(judgeCommand(envelopeBytes(bare), here, parts))).toBe('strange signature');
    const replyBytes = ops.key.sign(pae(REPLY_TYPE, payload));
    const crossed = commandEnvelope(payload, ops.vkey.keyId, replyBytes);
    expect(word(judgeCommand(envelopeBytes(crossed), here, parts))).toBe('strange signature');
    // Two signatures, one of them granted: nobody says which one counts.
    const [mine] = commandEnvelope(payload, ops.vkey.keyId, ops.key.sign(pae(COMMAND_TYPE, payload))).signatures;
    const other = { keyid: 'ffffffff', sig: new Uint8Array(64) };
    const two = { payloadType: COMMAND_TYPE, payload, signatures: mine === undefined ? [] : [mine, other] };
    expect(word(judgeCommand(envelopeBytes(two), here, parts))).toBe('strange form');
  });

  test('10,000 damaged ones are never accepted and never throw', () => {
    const random = new Random(4);
    const original = ops.sign(sound).bytes;
    const others = [stranger.sign(sound).bytes];
    const text = utf8Text(original);
    for (let i = 0; i < 10_000; i += 1) {
      const damaged = mutate(random, original, others);
      if (utf8Text(damaged) === text) continue;
      const judgement = note(word(judgeCommand(damaged, here, parts)));
      expect(judgement).toMatch(/^strange /);
    }
  });

  test('3,000 edited and signed ones: only what is sound in every member is accepted', () => {
    const random = new Random(5);
    const payload = commandPayload(sound);
    const others = [commandPayload({ ...sound, start: base64url(new Uint8Array(16)), verb: 'stop_pick' })];
    let accepted = 0;
    for (let i = 0; i < 3_000; i += 1) {
      const edited = i % 50 === 0 ? payload : mutate(random, payload, others);
      const judgement = judgeCommand(signedPayload(edited), here, parts);
      note(word(judgement));
      if (judgement.kind !== 'accepted') continue;
      accepted += 1;
      const { command } = judgement;
      expect(command).toMatchObject({ gateway: here.gateway, log: here.log, start: here.start, verb: 'open' });
      expect(command.until_up_ms).toBeGreaterThanOrEqual(here.upMs);
      expect(utf8Text(commandPayload(command))).toBe(utf8Text(edited));
    }
    expect(accepted).toBeGreaterThan(50);
  });

  afterAll(() => {
    const wanted = ['accepted', 'strange form', 'strange unknown_key', 'strange signature', 'unreadable form'];
    wanted.push('unreadable unknown_version');
    for (const reason of ['gateway', 'start', 'log', 'repeated', 'expired', 'too_far', 'verb', 'args']) {
      wanted.push(`refused ${reason}`);
    }
    expect([...reached].sort()).toEqual(wanted.sort());
  });
});
