/**
 * The gateway's side of a session with one device, as a pure machine (PROTOCOL.md section 4): who speaks is proved by both,
 * one request is open at a time, and nothing of a frame is used before its tag. Time is an input: `timeout` says that the
 * time for an answer is over.
 */
import { get16, get32, join, put16, same } from './bytes.ts';
import { checkBody } from './check-body.ts';
import { deviceMac, gatewayMac, nonceOf, type SessionKeys, sessionKeys, type WireCrypto } from './crypto.ts';
import { type Frame, lineOf, type OpenFrame, openContent, type SealedFrame, sealedHead, TAG_BYTES } from './frame.ts';
import { readReady } from './messages.ts';
import { answerTo, OPEN_TYPES, SEALED_TYPES } from './types.ts';

const VERSION = 1;
export const TRIES_MAX = 4;
/** A session ends before its numbers do. */
const NUMBER_MAX = 0xffff_fffe;

export interface WireKey {
  readonly number: number;
  readonly key: Uint8Array;
}

export interface Peer {
  readonly address: number;
  /** As paired. */
  readonly identity: Uint8Array;
}

export interface Session {
  readonly keys: SessionKeys;
  readonly keyNumber: number;
  readonly boot: number;
  /** Of the last request. */
  readonly number: number;
  /** How often that request was sent: only a repeated one may be answered twice. */
  readonly tries: number;
  /** The same of the request before: its second answer may cross the next request. */
  readonly triesBefore: number;
}

/** Why no session comes about, or why one ended. */
export type SessionFailure = 'no_reply' | 'swapped' | 'malformed' | 'unknown_key' | 'no_version' | 'spent';

/** What was refused, by the names of PROTOCOL.md section 9. */
export type Refusal =
  | 'echoes'
  | 'reflected'
  | 'unasked'
  | 'forged'
  | 'replayed'
  | 'repeated'
  | 'malformed'
  | 'foreign'
  | 'downgraded'
  | 'refused'
  | 'swapped'
  | 'timeouts';

interface Sent {
  readonly line: Uint8Array;
  readonly tries: number;
}

export type SessionState =
  | { readonly phase: 'idle' }
  | {
      readonly phase: 'greeted';
      readonly sent: Sent;
      readonly key: WireKey;
      readonly hello: Uint8Array;
      readonly refusedBy?: number;
    }
  | {
      readonly phase: 'proving';
      readonly sent: Sent;
      readonly keyNumber: number;
      readonly boot: number;
      readonly keys: SessionKeys;
    }
  | { readonly phase: 'ready'; readonly session: Session; readonly last: Uint8Array }
  | { readonly phase: 'asking'; readonly session: Session; readonly sent: Sent; readonly type: number };

export type SessionInput =
  | { readonly kind: 'open'; readonly key: WireKey; readonly random: Uint8Array }
  | { readonly kind: 'ask'; readonly type: number; readonly body: Uint8Array }
  | { readonly kind: 'frame'; readonly frame: Frame; readonly line: Uint8Array }
  | { readonly kind: 'timeout' };

export type SessionOutput =
  | { readonly kind: 'send'; readonly line: Uint8Array; readonly again: boolean }
  | {
      readonly kind: 'opened';
      readonly session: Session;
      readonly boot: number;
      readonly uptimeMs: number;
      readonly nextEvent: number;
    }
  | { readonly kind: 'answer'; readonly request: number; readonly type: number; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly what: Refusal }
  | { readonly kind: 'attention' }
  | { readonly kind: 'failed'; readonly reason: SessionFailure };

export interface SessionStep {
  readonly state: SessionState;
  readonly outputs: readonly SessionOutput[];
}

export const NO_SESSION: SessionState = { phase: 'idle' };

export function sessionStep(crypto: WireCrypto, peer: Peer, state: SessionState, input: SessionInput): SessionStep {
  switch (input.kind) {
    case 'open':
      return greet(peer, input.key, input.random);
    case 'ask':
      return ask(crypto, peer, state, input.type, input.body);
    case 'timeout':
      return late(state);
    case 'frame':
      return hear(crypto, peer, state, input.frame, input.line);
  }
}

function greet(peer: Peer, key: WireKey, random: Uint8Array): SessionStep {
  const hello = join(Uint8Array.of(VERSION, VERSION), put16(key.number), random);
  const line = lineOf(openContent(false, peer.address, OPEN_TYPES.HELLO, hello));
  return { state: { phase: 'greeted', sent: { line, tries: 1 }, key, hello }, outputs: [send(line)] };
}

function ask(crypto: WireCrypto, peer: Peer, state: SessionState, type: number, body: Uint8Array): SessionStep {
  // One request at a time: a second one would leave the first without an end.
  if (state.phase !== 'ready') return { state, outputs: [] };
  if (state.session.number >= NUMBER_MAX) return fail('spent');
  const session = { ...state.session, number: state.session.number + 1, tries: 1, triesBefore: state.session.tries };
  const head = sealedHead(false, peer.address, session.number);
  const plain = join(Uint8Array.of(type), body);
  const text = crypto.seal(session.keys.fromGateway, nonceOf(false, session.number), head, plain);
  const line = lineOf(join(head, text));
  return { state: { phase: 'asking', session, sent: { line, tries: 1 }, type }, outputs: [send(line)] };
}

function late(state: SessionState): SessionStep {
  if (state.phase === 'idle' || state.phase === 'ready') return { state, outputs: [] };
  const { line, tries } = state.sent;
  const counted: SessionOutput = { kind: 'refused', what: 'timeouts' };
  if (state.phase === 'greeted' && state.refusedBy !== undefined) {
    const failed = fail(state.refusedBy === 1 ? 'no_version' : 'unknown_key');
    return { ...failed, outputs: [{ kind: 'refused', what: 'refused' }, ...failed.outputs] };
  }
  if (tries >= TRIES_MAX) {
    const failed = fail('no_reply');
    return { ...failed, outputs: [counted, ...failed.outputs] };
  }
  const sent = { line, tries: tries + 1 };
  const outputs: readonly SessionOutput[] = [counted, { kind: 'send', line, again: true }];
  if (state.phase !== 'asking') return { state: { ...state, sent }, outputs };
  return { state: { ...state, sent, session: { ...state.session, tries: tries + 1 } }, outputs };
}

function hear(crypto: WireCrypto, peer: Peer, state: SessionState, frame: Frame, line: Uint8Array): SessionStep {
  if (!frame.fromDevice) return refuse(state, same(line, lastSent(state)) ? 'echoes' : 'reflected');
  if (frame.address !== peer.address) return refuse(state, 'foreign');
  if (frame.sealed) return hearSealed(crypto, state, frame);
  if (checkBody(false, true, frame.type, frame.body) !== 'ok') return refuse(state, 'malformed');
  if (frame.type === OPEN_TYPES.ATTENTION) return { state, outputs: [{ kind: 'attention' }] };
  if (state.phase !== 'greeted') return refuse(state, 'unasked');
  if (frame.type === OPEN_TYPES.REFUSED) return { state: { ...state, refusedBy: frame.body[0] ?? 0 }, outputs: [] };
  return frame.type === OPEN_TYPES.CHALLENGE ? challenged(crypto, peer, state, frame) : refuse(state, 'unasked');
}

type Greeted = Extract<SessionState, { phase: 'greeted' }>;

function challenged(crypto: WireCrypto, peer: Peer, state: Greeted, frame: OpenFrame): SessionStep {
  const { body } = frame;
  const { key, hello } = state;
  if (body[0] !== VERSION || get16(body, 1) !== key.number) return refuse(state, 'downgraded');
  const transcript = join(hello, body.subarray(0, 31));
  const mac = body.subarray(31);
  if (!same(deviceMac(crypto, key.key, transcript), mac)) return refuse(state, 'forged');
  if (!same(body.subarray(3, 11), peer.identity)) {
    const failed = fail('swapped');
    return { ...failed, outputs: [{ kind: 'refused', what: 'swapped' }, ...failed.outputs] };
  }
  const prove = gatewayMac(crypto, key.key, transcript, mac);
  const line = lineOf(openContent(false, peer.address, OPEN_TYPES.PROVE, prove));
  const keys = sessionKeys(crypto, key.key, transcript);
  const proving = {
    phase: 'proving',
    sent: { line, tries: 1 },
    keyNumber: key.number,
    boot: get32(body, 11),
    keys,
  } as const;
  return { state: proving, outputs: [send(line)] };
}

function hearSealed(crypto: WireCrypto, state: SessionState, frame: SealedFrame): SessionStep {
  const { keys, number } = expectation(state);
  if (keys === undefined) return refuse(state, 'unasked');
  const nonce = nonceOf(true, frame.number);
  const plain = crypto.open(keys.fromDevice, nonce, frame.head, frame.text, frame.tag);
  if (plain === undefined) return refuse(state, 'forged');
  const [type = 0] = plain;
  const body = plain.subarray(1);
  if (state.phase === 'ready' || frame.number !== number) return refuse(state, strayOf(state, frame.number));
  const isSound = checkBody(true, true, type, body) === 'ok';
  if (state.phase === 'proving') {
    if (!isSound || type !== SEALED_TYPES.READY || readReady(body).boot !== state.boot) return malformed();
    const { keyNumber, boot, sent } = state;
    const session: Session = { keys, keyNumber, boot, number: 0, tries: sent.tries, triesBefore: 1 };
    return {
      state: { phase: 'ready', session, last: sent.line },
      outputs: [{ kind: 'opened', session, ...readReady(body) }],
    };
  }
  if (state.phase !== 'asking') return refuse(state, 'unasked');
  if (!isSound || (type !== answerTo(state.type) && type !== SEALED_TYPES.FAILED)) return malformed();
  const ready: SessionState = { phase: 'ready', session: state.session, last: state.sent.line };
  return { state: ready, outputs: [{ kind: 'answer', request: state.type, type, body: body.slice() }] };
}

function expectation(state: SessionState): { readonly keys?: SessionKeys; readonly number?: number } {
  if (state.phase === 'proving') return { keys: state.keys, number: 0 };
  if (state.phase === 'ready' || state.phase === 'asking') {
    return { keys: state.session.keys, number: state.session.number };
  }
  return {};
}

/** A sound frame of this session that answers nothing that is open. */
function strayOf(state: SessionState, number: number): Refusal {
  if (state.phase !== 'ready' && state.phase !== 'asking') return 'replayed';
  const { session } = state;
  const isSecond =
    state.phase === 'ready'
      ? number === session.number && session.tries > 1
      : number === session.number - 1 && session.triesBefore > 1;
  return isSecond ? 'repeated' : 'replayed';
}

function lastSent(state: SessionState): Uint8Array {
  if (state.phase === 'idle') return new Uint8Array(0);
  return state.phase === 'ready' ? state.last : state.sent.line;
}

function malformed(): SessionStep {
  const failed = fail('malformed');
  return { ...failed, outputs: [{ kind: 'refused', what: 'malformed' }, ...failed.outputs] };
}

function fail(reason: SessionFailure): SessionStep {
  return { state: NO_SESSION, outputs: [{ kind: 'failed', reason }] };
}

function refuse(state: SessionState, what: Refusal): SessionStep {
  return { state, outputs: [{ kind: 'refused', what }] };
}

function send(line: Uint8Array): SessionOutput {
  return { kind: 'send', line, again: false };
}

/** Bytes that a sealed frame adds to its body on the line, with one byte of COBS. */
export const SEALED_OVERHEAD_BYTES = 2 + 1 + 7 + TAG_BYTES + 4;
