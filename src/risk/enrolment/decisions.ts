/** What a person decides, and what comes of it: approve or decline an enrolment, choose a branch, revoke a log. */
import { type Clock, wallText } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { ENROLMENT_RECORD_TYPE, parseEnrolmentRecord } from '../../evidence/wire/enrolment.ts';
import type { GatewayEvent } from './events.ts';
import { extendGateway } from './gateway-book.ts';
import { draftOf, type GatewayState } from './history.ts';
import type { ServiceKey } from './service-key.ts';
import type { EnrolmentStore } from './store.ts';

export interface Decider {
  readonly store: EnrolmentStore;
  readonly clock: Clock;
  readonly by: string;
  readonly why: string;
}

function usage(message: string): LatchkeyError {
  return new LatchkeyError('USAGE', message);
}

function decide(decider: Decider, gateway: string, make: (state: GatewayState) => GatewayEvent): Promise<void> {
  return extendGateway(decider.store, gateway, (state) => ({ event: make(state), result: undefined }));
}

function stamp({ clock, by, why }: Decider) {
  return { at: wallText(clock.wallMs()), by, why };
}

/** Signs the record that waits. USAGE when none of that challenge does. */
export function approve(decider: Decider, key: ServiceKey, gateway: string, challenge: string): Promise<void> {
  return decide(decider, gateway, (state) => {
    const pending = state.pending.get(challenge);
    if (pending === undefined) throw usage(`${gateway} has no enrolment ${challenge} that waits`);
    const payload = draftOf(pending);
    const draft = parseEnrolmentRecord({ payloadType: ENROLMENT_RECORD_TYPE, payload, signatures: [] });
    if (!draft.ok) throw new LatchkeyError('STORE_IO', `the draft of ${challenge} cannot be read: ${draft.detail}`);
    if (state.logs.has(draft.value.log.name))
      throw usage(`${draft.value.log.name} was enrolled meanwhile; decline this one`);
    return { kind: 'approved', challenge, ...key.signRecord(draft.value), ...stamp(decider) };
  });
}

export function decline(decider: Decider, gateway: string, challenge: string): Promise<void> {
  return decide(decider, gateway, (state) => {
    if (!state.pending.has(challenge)) throw usage(`${gateway} has no enrolment ${challenge} that waits`);
    return { kind: 'declined', challenge, ...stamp(decider) };
  });
}

/** Of several successors of one log, the one that counts. */
export function choose(decider: Decider, gateway: string, log: string): Promise<void> {
  return decide(decider, gateway, (state) => {
    const old = state.logs.get(log)?.old;
    if (old === undefined) throw usage(`${log} follows no log of ${gateway} by a successor statement`);
    return { kind: 'chosen', old, log, ...stamp(decider) };
  });
}

/** The log's key counts for no tree beyond that checkpoint. */
export function revoke(
  decider: Decider,
  gateway: string,
  log: string,
  at: { readonly size: number; readonly root: string },
): Promise<void> {
  return decide(decider, gateway, (state) => {
    if (!state.logs.has(log)) throw usage(`${gateway} has no log ${log}`);
    return { kind: 'revoked', log, ...at, ...stamp(decider) };
  });
}
