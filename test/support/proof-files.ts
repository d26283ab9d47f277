/** Files as they are given to the verifier's page: a refund's bundle, an export, their policies, and hostile texts in them. */
import { hex, utf8, utf8Text } from '../../src/base/bytes.ts';
import { pae } from '../../src/evidence/batch/pae.ts';
import type { JsonObject } from '../../src/evidence/event/event.ts';
import { canonicalJson } from '../../src/evidence/event/json.ts';
import { subtreesOf } from '../../src/evidence/log/proofs.ts';
import { type Bundle, type BundleDecision, formatBundle } from '../../src/evidence/verify/bundle.ts';
import { BUNDLE_SEAL_TYPE, sealed, sealPayload } from '../../src/evidence/verify/bundle-seal.ts';
import { bundleLog } from '../../src/evidence/verify/bundle-source.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { AnchoredLog, independent, store, vkeyText } from './anchored-log.ts';
import { TestEnroller } from './test-enrolments.ts';
import { noteText } from './test-log.ts';
import { policyText, witnessMember } from './test-trust.ts';

/** Were any of it markup or script, `window.pwned` would be set. */
export const HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';

const PARCEL = { scheme: 'dpd', ref: 'p1.Jx2rQe0b1MZb8kzG3n5w7A' };

/** Entries 0 to 13: a courier's deposit, a collection, and a scan of a strange text, hostile unless told; anchored over 12. */
export function lockerLog(seed = 'proof page', strange = HOSTILE): AnchoredLog {
  const log = new AnchoredLog(seed).opened();
  const at = { compartment: 'A07', device: 'board-1' };
  const parcel = { ...at, parcel: PARCEL };
  log.add('device.found', { reason: 'answered' }, { device: 'scanner-1' });
  log.add('code.scanned', { size_bytes: 71, text: strange }, { device: 'scanner-1' });
  log.add(
    'access.granted',
    { method: 'code', attempts: 0 },
    { ...at, actor: { kind: 'courier', ref: strange.slice(0, 36) } },
  );
  log.add('door.opened', { reads: 3 }, at);
  log.add('occupancy.changed', { occupied: true, door: 'open' }, at);
  log.add('door.closed', { reads: 3 }, at);
  log.add('parcel.deposited', { closed_by: 'door_shut', item_before: false, item_after: true }, parcel);
  log.add('tamper.raised', { input: 'lid', detail: strange }, { device: 'board-1' });
  log.add('door.opened', { reads: 3 }, { ...at, at: '2026-11-22T09:12:41.000Z' });
  log.add('door.closed', { reads: 3 }, { ...at, at: '2026-11-22T09:13:05.000Z' });
  const taken = { closed_by: 'door_shut', item_before: true, item_after: false };
  log.add('parcel.collected', taken, { ...parcel, at: '2026-11-22T09:13:05.200Z' });
  return log.anchor().add('device.lost', { reason: 'silent' }, { device: 'scanner-1', at: '2026-11-22T10:00:00.000Z' });
}

export const MAKER = new TestEnroller('refunds.lockers.example');

export function proofPolicy(log: AnchoredLog, more: object = {}): Uint8Array {
  const witnesses = [witnessMember(store, 'store'), witnessMember(independent, 'independent')];
  const logs = [{ vkey: vkeyText(log), ...log.tpm.policy }];
  return utf8(policyText([], { logs, witnesses, makers: [MAKER.row()], ...more }));
}

/** `level`: for what its facts count those entries. */
export function refundDecision(
  log: AnchoredLog,
  indices: readonly number[],
  strange = HOSTILE,
  level?: string,
): BundleDecision {
  const events = indices.map((n) => `${log.origin}#${n}`);
  const signals = level === undefined ? {} : { signals: events.map((event) => ({ event, level })) };
  const facts = canonicalJson({ parcels: [{ forward: { events, ...signals } }] } as JsonObject);
  const parameters = '{}';
  const digest = (text: string): string => hex(nodeCrypto.sha256(utf8(text)));
  const ruleset = `v1-${digest(parameters).slice(0, 12)}`;
  const facts_hash = digest(facts);
  const answer = JSON.stringify({
    decision_id: `d-${digest(canonicalJson({ facts: facts_hash, ruleset })).slice(0, 32)}`,
    refund_id: 'r-2041',
    outcome: 'REVIEW',
    approvals: 1,
    facts_hash,
    ruleset,
    reasons: [
      { code: 'C4', text: 'The parcel was collected with a valid code', events: events.slice(1) },
      { code: 'C1', text: `It was deposited and never returned ${strange}`.trimEnd(), events: events.slice(0, 1) },
    ],
    counterfactuals: [{ outcome: 'PAY', text: 'if the compartment had been seen empty before the collection' }],
  });
  return { answer, facts, parameters };
}

/** Cosigned by both witnesses, so that it reaches A3. */
export function refundBundle(log: AnchoredLog, strange = HOSTILE): Uint8Array {
  return bundleOf(log, strange, [2, 3, 4, 6, 7, 8, 9, 10, 11], refundDecision(log, [7, 11], strange));
}

/** Its newest entry is anchored by nothing, and the decision counts it as A2 all the same. */
export function mixedBundle(log: AnchoredLog): Uint8Array {
  return bundleOf(log, '', [7, 11, 13], refundDecision(log, [7, 13], '', 'A2'));
}

function bundleOf(log: AnchoredLog, strange: string, indices: readonly number[], decision: BundleDecision): Uint8Array {
  const cosigned = (size: number): string =>
    noteText(independent.cosign(store.cosign(log.note(size), 1_795_340_000), 1_795_340_060));
  const section = bundleLog(nodeCrypto, {
    origin: log.origin,
    searched: { first: 0, end: log.size },
    checkpoints: [6, 12, log.size].map((size) => ({ size, note: size === 6 ? noteText(log.note(6)) : cosigned(size) })),
    entries: indices.map((index) => ({ index, leaf: log.leaves[index] ?? utf8('') })),
    subtree: subtreesOf(nodeCrypto, log.leafHashes),
  });
  const bundle: Bundle = {
    question: `Was the parcel of refund r-2041 collected? ${strange}`.trimEnd(),
    logs: [section],
    successors: [],
    enrolments: [],
    decisions: [decision],
  };
  const payload = sealPayload(nodeCrypto, bundle, '2026-11-22T12:00:00.000Z');
  return formatBundle(sealed(bundle, payload, MAKER.vkey, MAKER.key.sign(pae(BUNDLE_SEAL_TYPE, payload))));
}

/** Entries 3, below no anchor of its part, and 8, in two parts of the log. */
export function bundleInParts(log: AnchoredLog): Uint8Array {
  const part = (first: number, end: number, index: number, sizes: readonly number[]) =>
    bundleLog(nodeCrypto, {
      origin: log.origin,
      searched: { first, end },
      checkpoints: sizes.map((size) => ({ size, note: noteText(log.note(size)) })),
      entries: [{ index, leaf: log.leaves[index] ?? utf8('') }],
      subtree: subtreesOf(nodeCrypto, log.leafHashes),
    });
  const logs = [part(0, 6, 3, [6]), part(6, 14, 8, [12, 14])];
  return formatBundle({ question: 'q', logs, successors: [], enrolments: [], decisions: [] });
}

/** With the first base64 digit of an inclusion proof changed: the seal would notice too, so it is left out. */
export function flippedBundle(bundle: Uint8Array): Uint8Array {
  const { seal: _seal, ...value }: { seal: string; logs: { entries: { proof: string }[] }[] } = JSON.parse(
    utf8Text(bundle) ?? '',
  );
  const entry = value.logs[0]?.entries[4];
  if (entry === undefined) throw new Error('a fifth entry');
  entry.proof = entry.proof.replace(/(index \d+\n)(.)/, (_all, line: string, digit: string) => {
    return `${line}${digit === 'A' ? 'B' : 'A'}`;
  });
  return utf8(canonicalJson(value as unknown as JsonObject));
}
