/**
 * The service that grants codes: signed commands over the broker, through the product's own command line. A code leaves
 * this process sealed for the gateway.
 */
import { randomBytes } from 'node:crypto';
import { present } from '../../src/base/assert.ts';
import { base64url, concatBytes, unbase64url, utf8 } from '../../src/base/bytes.ts';
import type { Actor, ParcelRef } from '../../src/evidence/event/event.ts';
import { type AssignArgs, type GrantArgs, grantContext } from '../../src/evidence/wire/access-args.ts';
import { seal, sealedBoxKey } from '../../src/platform/sealed-box.ts';
import { GATEWAY_ID } from './configs.ts';
import { latchkeyDone } from './product.ts';

/** RFC 8410: SubjectPublicKeyInfo of an X25519 key, up to the key itself. */
const SPKI_PREFIX = Uint8Array.from(Buffer.from('302a300506032b656e032100', 'hex'));
const LIVES_S = 3_600;

export class Service {
  readonly #config: string;
  readonly #reference: (sscc: string) => ParcelRef;

  /** `reference`: how the service, which holds the keys of the pseudonyms, names a parcel. */
  constructor(config: string, reference: (sscc: string) => ParcelRef) {
    this.#config = config;
    this.#reference = reference;
  }

  /** A code for one opening of one compartment. `accessKey` as `gateway.started` says it. */
  async grant(code: string, actor: Actor, compartment: string, accessKey: string): Promise<void> {
    const credential = newId();
    const raw = present(unbase64url(accessKey), 'the access key of the gateway');
    const key = present(sealedBoxKey(concatBytes(SPKI_PREFIX, raw)), 'an X25519 key');
    const sealed = base64url(seal(key, grantContext(GATEWAY_ID, credential), utf8(code)));
    const args: GrantArgs = { actor, compartments: [compartment], credential, lives_s: LIVES_S, sealed, uses: 1 };
    await this.#send('grant', args);
  }

  async assign(sscc: string, kind: AssignArgs['kind'], actor: Actor, compartment: string): Promise<void> {
    const parcel = this.#reference(sscc);
    await this.#send('assign', { actor, assignment: newId(), compartment, kind, lives_s: LIVES_S, parcel });
  }

  /** The parcel's reference as it stands in events. */
  nameOf(sscc: string): string {
    return this.#reference(sscc).ref;
  }

  async #send(verb: string, args: GrantArgs | AssignArgs): Promise<void> {
    const pairs = Object.entries(args).map(([name, value]) => `${name}:=${JSON.stringify(value)}`);
    const by = ['--by', 'service:demo', '--config', this.#config];
    await latchkeyDone(['command', 'send', GATEWAY_ID, verb, ...pairs, ...by]);
  }
}

function newId(): string {
  return base64url(Uint8Array.from(randomBytes(16)));
}
