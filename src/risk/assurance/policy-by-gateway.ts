/** The part of a policy that speaks of one gateway: a fleet's whole policy is too much to judge for each of its boxes. */

import { parseOrigin } from '../../evidence/log/origin.ts';
import type { PolicyLog } from '../../evidence/verify/policy.ts';
import type { Envelope } from '../../evidence/wire/envelope.ts';
import { parseSuccessor } from '../../evidence/wire/successor.ts';
import type { IntakePolicy } from '../intake/trust.ts';

interface Part {
  readonly logs: Map<string, PolicyLog>;
  readonly successors: Envelope[];
}

export class PolicyByGateway {
  #policy: IntakePolicy | undefined;
  #parts = new Map<string, Part>();

  /** Read through once for each policy that is another object. */
  of(policy: IntakePolicy, gateway: string): IntakePolicy {
    if (this.#policy !== policy) this.#read(policy);
    return { ...policy, ...(this.#parts.get(gateway) ?? { logs: new Map(), successors: [] }) };
  }

  #read(policy: IntakePolicy): void {
    this.#parts = new Map();
    for (const [origin, log] of policy.logs) this.#part(origin)?.logs.set(origin, log);
    for (const envelope of policy.successors) {
      const statement = parseSuccessor(envelope);
      if (statement.ok) this.#part(statement.value.old)?.successors.push(envelope);
    }
    this.#policy = policy;
  }

  /** A statement is about logs of one gateway (FORMAT.md section 7). */
  #part(origin: string): Part | undefined {
    const parsed = parseOrigin(origin);
    if (!parsed.ok) return undefined;
    const { gateway } = parsed.value;
    const known = this.#parts.get(gateway) ?? { logs: new Map(), successors: [] };
    this.#parts.set(gateway, known);
    return known;
  }
}
