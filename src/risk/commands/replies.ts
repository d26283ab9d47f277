/** Which of the messages from a gateway is the reply to a command, and whether it is believed. Pure but for the crypto. */
import { hex } from '../../base/bytes.ts';
import type { EvidenceCrypto } from '../../evidence/crypto.ts';
import type { Vkey } from '../../evidence/log/note.ts';
import { parseOrigin } from '../../evidence/log/origin.ts';
import type { TrustPolicy } from '../../evidence/verify/policy.ts';
import { believedLogs } from '../../evidence/verify/trust.ts';
import { type Reply, verifyReply } from '../../evidence/wire/command.ts';
import { type Envelope, parseEnvelope } from '../../evidence/wire/envelope.ts';
import { parseEnrolment } from '../../evidence/wire/messages.ts';

/** Keys whose replies are believed: those of the policy, and what they vouch for in the gateway's retained statements. */
export class ReplyTrust {
  readonly #crypto: EvidenceCrypto;
  readonly #policy: TrustPolicy;
  readonly #gateway: string;
  #statements: readonly Envelope[] = [];

  constructor(crypto: EvidenceCrypto, policy: TrustPolicy, gateway: string) {
    this.#crypto = crypto;
    this.#policy = policy;
    this.#gateway = gateway;
  }

  /** The gateway's retained `enrolment`; what does not parse changes nothing. */
  enrolment(payload: Uint8Array): void {
    const parsed = parseEnrolment(payload);
    if (parsed.ok) this.#statements = parsed.value.successors;
  }

  /** Of this gateway; a log whose key was revoked, or whose successor is disputed, says nothing any more. */
  vkeys(): readonly Vkey[] {
    const { logs } = believedLogs(this.#crypto, this.#policy, { statements: this.#statements });
    return [...logs.values()]
      .filter(({ revokedAt, disputed }) => revokedAt === undefined && disputed === undefined)
      .map(({ vkey }) => vkey)
      .filter(({ name }) => {
        const origin = parseOrigin(name);
        return origin.ok && origin.value.gateway === this.#gateway;
      });
  }

  /** The reply, when it is one to the command of that id and hash, signed by a log that is believed. */
  replyTo(message: Uint8Array, id: string, hash: string): Reply | undefined {
    const envelope = parseEnvelope(message);
    if (!envelope.ok) return undefined;
    const keyId = envelope.value.signatures[0]?.keyid;
    const vkey = this.vkeys().find((each) => hex(each.keyId) === keyId);
    const reply = vkey && verifyReply(this.#crypto, envelope.value, vkey);
    if (reply?.ok !== true) return undefined;
    const { gateway, id: named, command } = reply.value;
    return gateway === this.#gateway && named === id && command === hash ? reply.value : undefined;
  }
}
