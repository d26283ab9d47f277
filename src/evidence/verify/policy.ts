/**
 * The trust policy: what a verifier believes (FORMAT.md section 10). A JSON file that a person writes, so all its
 * problems are found at once, each with path, what was found and what was expected.
 */
import { equalBytes, unbase64, unbase64url, utf8Text } from '../../base/bytes.ts';
import { type EvidenceCrypto, isP256Spki } from '../crypto.ts';
import { isSoundVkey, parseVkey, type Vkey } from '../log/note.ts';
import { isOperatorDomain, parseOrigin, tagOf } from '../log/origin.ts';
import { HASH_BYTES } from '../log/tree.ts';
import { type Envelope, envelopeOf } from '../wire/envelope.ts';
import { repeatedMembers } from './repeated-members.ts';

export const POLICY_BYTES_MAX = 1_048_576;
const LOGS_MAX = 10_000;

export const LEVELS = ['A0', 'A1', 'A2', 'A3'] as const;
export type Level = (typeof LEVELS)[number];

/** `store`: everything below is durably stored. `advisory`: received and verified. `independent`: another operator's. */
export const WITNESS_ROLES = ['store', 'advisory', 'independent'] as const;
export type WitnessRole = (typeof WITNESS_ROLES)[number];

/** A chip's or a firmware's TPM; or one that can be copied like any file (swtpm, a virtual machine's). */
export const POLICY_CLASSES = ['hardware', 'emulated'] as const;
export type TpmClass = (typeof POLICY_CLASSES)[number];

export interface CheckpointRef {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface PolicyLog {
  readonly vkey: Vkey;
  /** The key counts only for trees that agree with this one, and for no entry above it. */
  readonly revokedAt?: CheckpointRef;
  /** SHA-256 of the enrolment record, the AK's SubjectPublicKeyInfo (91 bytes) and the counter's Name. */
  readonly enrolment?: Uint8Array;
  readonly ak?: Uint8Array;
  readonly counter?: string;
  /** What the enrolment record says of the TPM; `emulated` stays A0. */
  readonly tpmClass?: TpmClass;
}

export interface PolicyWitness {
  readonly vkey: Vkey;
  readonly roles: readonly WitnessRole[];
}

/** An enrolment service, or a maker of bundles: its word about logs of these operator domains is believed. */
export interface PolicyService {
  readonly vkey: Vkey;
  readonly domains: readonly string[];
}

export interface TrustPolicy {
  /** By origin. */
  readonly logs: ReadonlyMap<string, PolicyLog>;
  readonly witnesses: readonly PolicyWitness[];
  /** Successor statements that the operator believes to be all that there are; each is verified before it counts. */
  readonly successors: readonly Envelope[];
  readonly leastLevel: Level;
  /** Absent: no record is believed. */
  readonly services?: readonly PolicyService[];
  /** Who makes bundles about logs of these domains: then one counts only with a seal of theirs. */
  readonly makers?: readonly PolicyService[];
}

export interface PolicyProblem {
  /** `logs[0].vkey`, or `the file`. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
}

export type PolicyResult =
  | { readonly ok: true; readonly value: TrustPolicy }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** The policy that believes one log by its key. Undefined when the text is not the sound vkey of a log. */
export function policyOfVkey(crypto: EvidenceCrypto, text: string): TrustPolicy | undefined {
  const vkey = parseVkey(text);
  if (!vkey.ok || !isLogVkey(crypto, vkey.value)) return undefined;
  return { logs: new Map([[vkey.value.name, { vkey: vkey.value }]]), witnesses: [], successors: [], leastLevel: 'A0' };
}

export function parsePolicy(crypto: EvidenceCrypto, bytes: Uint8Array): PolicyResult {
  const reader = new PolicyReader(crypto);
  const text = bytes.length > POLICY_BYTES_MAX ? undefined : utf8Text(bytes);
  const value = text === undefined ? undefined : jsonOf(text);
  if (text === undefined || value === undefined) {
    return {
      ok: false,
      problems: [
        { path: 'the file', found: `${bytes.length} bytes`, expected: 'one JSON object in UTF-8, at most 1 MiB' },
      ],
    };
  }
  reader.repeated(text);
  const policy = reader.policy(value);
  return reader.problems.length === 0 ? { ok: true, value: policy } : { ok: false, problems: reader.problems };
}

function jsonOf(text: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a vkey is of type 1, has its own key id, and is named by an origin whose tag is its key's. */
export function isLogVkey(crypto: EvidenceCrypto, vkey: Vkey): boolean {
  const origin = parseOrigin(vkey.name);
  const isOwn = origin.ok && origin.value.tag === tagOf(crypto, vkey.publicKey);
  return vkey.type === 1 && isOwn && isSoundVkey(crypto, vkey);
}

type Members = Readonly<Record<string, unknown>>;

/** Reads a policy to its end, whatever is wrong on the way. What it returns counts only when `problems` is empty. */
class PolicyReader {
  readonly problems: PolicyProblem[] = [];
  readonly #crypto: EvidenceCrypto;

  constructor(crypto: EvidenceCrypto) {
    this.#crypto = crypto;
  }

  repeated(text: string): void {
    for (const path of repeatedMembers(text)) {
      this.problems.push({ path, found: 'more than one member of that name', expected: 'each member once' });
    }
  }

  policy(value: Members): TrustPolicy {
    this.#names('', value, ['v', 'logs', 'services', 'makers', 'witnesses', 'successors', 'least_level']);
    if (value['v'] !== 1) this.#problem('v', value['v'], 'the version 1');
    const logs = new Map<string, PolicyLog>();
    for (const [path, item] of this.#list('logs', value['logs'], 0)) {
      const log = this.#log(path, item);
      if (log === undefined) continue;
      if (logs.has(log.vkey.name)) this.#problem(`${path}.vkey`, log.vkey.name, 'each log once');
      logs.set(log.vkey.name, log);
    }
    const witnesses: PolicyWitness[] = [];
    for (const [path, item] of this.#list('witnesses', value['witnesses'] ?? [], 0)) {
      const witness = this.#witness(path, item);
      if (witness === undefined) continue;
      const twice = witnesses.some((other) => other.vkey.name === witness.vkey.name);
      if (twice) this.#problem(`${path}.vkey`, witness.vkey.name, 'each witness once');
      witnesses.push(witness);
    }
    const successors: Envelope[] = [];
    for (const [path, item] of this.#list('successors', value['successors'] ?? [], 0)) {
      const envelope = envelopeOf(item);
      if (envelope === undefined) this.#problem(path, item, 'a DSSE envelope of a successor statement');
      else successors.push(envelope);
    }
    const level = value['least_level'] ?? 'A0';
    const leastLevel = LEVELS.find((each) => each === level);
    if (leastLevel === undefined) this.#problem('least_level', level, '"A0", "A1", "A2" or "A3"');
    const services = this.#services('services', value['services']);
    const makers = this.#services('makers', value['makers']);
    const signers = { ...(services && { services }), ...(makers && { makers }) };
    for (const [i, { vkey }] of (makers ?? []).entries()) {
      // Who makes bundles enrols nobody: a key has one use.
      const isShared = services?.some((service) => equalBytes(service.vkey.publicKey, vkey.publicKey)) === true;
      if (isShared) this.#problem(`makers[${i}].vkey`, vkey.name, "a key of its own, no enrolment service's");
    }
    return { logs, witnesses, successors, leastLevel: leastLevel ?? 'A3', ...signers };
  }

  #services(name: 'services' | 'makers', value: unknown): readonly PolicyService[] | undefined {
    if (value === undefined) return undefined;
    const services: PolicyService[] = [];
    for (const [path, item] of this.#list(name, value, 0)) {
      const service = this.#service(path, item);
      if (service === undefined) continue;
      const twice = services.some((other) => other.vkey.name === service.vkey.name);
      if (twice) this.#problem(`${path}.vkey`, service.vkey.name, 'each of them once');
      services.push(service);
    }
    return services;
  }

  #service(path: string, item: unknown): PolicyService | undefined {
    if (!isMembers(item)) return this.#problem(path, item, 'an object');
    this.#names(path, item, ['vkey', 'domains']);
    const vkey = this.#vkey(`${path}.vkey`, item['vkey']);
    if (vkey !== undefined && (vkey.type !== 1 || parseOrigin(vkey.name).ok || !isSoundVkey(this.#crypto, vkey))) {
      this.#problem(`${path}.vkey`, item['vkey'], "the key of a service (type 01), whose name is no log's");
    }
    const domains: string[] = [];
    for (const [domainPath, domain] of this.#list(`${path}.domains`, item['domains'], 1)) {
      if (typeof domain === 'string' && isOperatorDomain(domain)) domains.push(domain);
      else this.#problem(domainPath, domain, 'an operator domain, as it begins the names of logs');
    }
    return vkey === undefined ? undefined : { vkey, domains };
  }

  #log(path: string, item: unknown): PolicyLog | undefined {
    if (!isMembers(item)) return this.#problem(path, item, 'an object');
    this.#names(path, item, ['vkey', 'revoked', 'enrolment', 'ak', 'counter', 'class']);
    const vkey = this.#vkey(`${path}.vkey`, item['vkey']);
    if (vkey !== undefined && !isLogVkey(this.#crypto, vkey)) {
      return this.#problem(`${path}.vkey`, item['vkey'], "a log's key (type 01) under its own origin");
    }
    const revokedAt = this.#checkpoint(`${path}.revoked`, item['revoked']);
    const enrolment = this.#bytes(`${path}.enrolment`, item['enrolment'], 32, unbase64url);
    const ak = this.#bytes(`${path}.ak`, item['ak'], 91, unbase64);
    if (ak !== undefined && !isP256Spki(ak)) {
      this.#problem(`${path}.ak`, item['ak'], 'the SubjectPublicKeyInfo of an uncompressed P-256 point');
    }
    const counter = item['counter'];
    if (counter !== undefined && !(typeof counter === 'string' && /^[0-9a-f]{68}$/.test(counter))) {
      this.#problem(`${path}.counter`, counter, 'the Name of an NV index: 68 hex digits');
    }
    const tpmClass = POLICY_CLASSES.find((each) => each === item['class']);
    if (item['class'] !== undefined && tpmClass === undefined) {
      this.#problem(`${path}.class`, item['class'], '"hardware" or "emulated"');
    }
    if (vkey === undefined) return undefined;
    return {
      vkey,
      ...(revokedAt !== undefined && { revokedAt }),
      ...(enrolment !== undefined && { enrolment }),
      ...(ak !== undefined && { ak }),
      ...(typeof counter === 'string' && { counter }),
      ...(tpmClass !== undefined && { tpmClass }),
    };
  }

  #witness(path: string, item: unknown): PolicyWitness | undefined {
    if (!isMembers(item)) return this.#problem(path, item, 'an object');
    this.#names(path, item, ['vkey', 'roles']);
    const vkey = this.#vkey(`${path}.vkey`, item['vkey']);
    if (vkey !== undefined && (vkey.type !== 4 || !isSoundVkey(this.#crypto, vkey))) {
      this.#problem(`${path}.vkey`, item['vkey'], "a witness's key (type 04) with its own key id");
    }
    const roles: WitnessRole[] = [];
    for (const [rolePath, role] of this.#list(`${path}.roles`, item['roles'], 1)) {
      const known = WITNESS_ROLES.find((each) => each === role);
      if (known === undefined) this.#problem(rolePath, role, '"store", "advisory" or "independent"');
      else roles.push(known);
    }
    return vkey === undefined ? undefined : { vkey, roles };
  }

  #vkey(path: string, value: unknown): Vkey | undefined {
    const vkey = typeof value === 'string' ? parseVkey(value) : undefined;
    return vkey?.ok ? vkey.value : this.#problem(path, value, 'a verifier key <name>+<8 hex digits>+<base64>');
  }

  #checkpoint(path: string, value: unknown): CheckpointRef | undefined {
    if (value === undefined) return undefined;
    if (!isMembers(value)) return this.#problem(path, value, 'an object with size and root');
    this.#names(path, value, ['size', 'root']);
    const { size } = value;
    const root = this.#bytes(`${path}.root`, value['root'] ?? '', HASH_BYTES, unbase64);
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      return this.#problem(`${path}.size`, size, 'a tree size');
    }
    return root === undefined ? undefined : { size, root };
  }

  #bytes(
    path: string,
    value: unknown,
    size: number,
    decode: (text: string) => Uint8Array | undefined,
  ): Uint8Array | undefined {
    if (value === undefined) return undefined;
    const bytes = typeof value === 'string' ? decode(value) : undefined;
    const spelling = decode === unbase64 ? 'base64' : 'base64url';
    return bytes?.length === size ? bytes : this.#problem(path, value, `${size} bytes in ${spelling}`);
  }

  #list(path: string, value: unknown, least: number): readonly (readonly [string, unknown])[] {
    if (!Array.isArray(value) || value.length < least || value.length > LOGS_MAX) {
      this.#problem(path, value, `a list of ${least} to ${LOGS_MAX}`);
      return [];
    }
    return value.map((item, i) => [`${path}[${i}]`, item] as const);
  }

  #names(path: string, value: Members, known: readonly string[]): void {
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      this.#problem(path === '' ? name : `${path}.${name}`, value[name], 'no such member (is it misspelt?)');
    }
  }

  #problem(path: string, found: unknown, expected: string): undefined {
    const text = shown(found);
    this.problems.push({ path, found: text.length > 80 ? `${text.slice(0, 77)}...` : text, expected });
  }
}

function shown(found: unknown): string {
  if (found === undefined) return 'nothing';
  try {
    return JSON.stringify(found);
  } catch {
    // A text may nest deeper than the stack of whoever prints it.
    return 'a value nested too deep to be shown';
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const vkeySchema = { type: 'string', pattern: '^[^+\\s]+\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}$' } as const;

const signersSchema = {
  type: 'array',
  maxItems: LOGS_MAX,
  items: {
    type: 'object',
    required: ['vkey', 'domains'],
    additionalProperties: false,
    properties: {
      vkey: vkeySchema,
      domains: { type: 'array', minItems: 1, maxItems: LOGS_MAX, items: { type: 'string', maxLength: 107 } },
    },
  },
} as const;

/** JSON Schema (2020-12). What it cannot say (key ids, tags, each log once) `parsePolicy` checks. */
export const POLICY_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Latchkey trust policy',
  type: 'object',
  required: ['v', 'logs'],
  additionalProperties: false,
  properties: {
    v: { const: 1 },
    logs: {
      type: 'array',
      minItems: 0,
      maxItems: LOGS_MAX,
      items: {
        type: 'object',
        required: ['vkey'],
        additionalProperties: false,
        properties: {
          vkey: vkeySchema,
          revoked: {
            type: 'object',
            required: ['size', 'root'],
            additionalProperties: false,
            properties: {
              size: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
              root: { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' },
            },
          },
          enrolment: { type: 'string', pattern: '^[A-Za-z0-9_-]{43}$' },
          ak: { type: 'string', pattern: '^[A-Za-z0-9+/]{122}==$' },
          counter: { type: 'string', pattern: '^[0-9a-f]{68}$' },
          class: { enum: POLICY_CLASSES },
        },
      },
    },
    services: signersSchema,
    makers: signersSchema,
    witnesses: {
      type: 'array',
      maxItems: LOGS_MAX,
      items: {
        type: 'object',
        required: ['vkey', 'roles'],
        additionalProperties: false,
        properties: {
          vkey: vkeySchema,
          roles: { type: 'array', minItems: 1, items: { enum: WITNESS_ROLES } },
        },
      },
    },
    successors: { type: 'array', maxItems: LOGS_MAX, items: { type: 'object' } },
    least_level: { enum: LEVELS },
  },
} as const;
