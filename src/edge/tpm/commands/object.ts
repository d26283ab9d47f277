/** Objects: make, load, persist, read, unseal (TPM 2.0 Library, Part 3, sections 12, 24, 28). */
import { assert } from '../../../base/assert.ts';
import { equalBytes, hex } from '../../../base/bytes.ts';
import type { Credential } from '../../../tpm2/make-credential.ts';
import { type PcrSelection, writePcrSelections } from '../../../tpm2/pcr.ts';
import { nameOf, parsePublic, type TpmPublic, writePublic } from '../../../tpm2/public.ts';
import { readTicket, type Ticket } from '../../../tpm2/ticket.ts';
import { TpmWriter } from '../../../tpm2/wire.ts';
import type { Entity } from '../entity.ts';
import { NO_AUTH, Secret } from '../secret.ts';
import type { Tpm } from '../unit.ts';

export interface TpmObject extends Entity {
  readonly area: TpmPublic;
}

export interface Creation {
  /** TPMS_CREATION_DATA as it came: `parseCreationData` reads it. */
  readonly data: Uint8Array;
  /** The hash of `data`, checked. */
  readonly hash: Uint8Array;
  readonly ticket: Ticket;
}

export interface CreateOptions {
  /** The new object's authorisation value; empty unless given. */
  readonly auth?: Secret;
  /** What a sealed object holds. */
  readonly data?: Secret;
  /** Bytes that CertifyCreation will vouch for. */
  readonly outsideInfo?: Uint8Array;
  readonly creationPcrs?: readonly PcrSelection[];
}

/** A primary object of a hierarchy. The unit flushes it when it ends. */
export async function CreatePrimary(
  tpm: Tpm,
  hierarchy: Entity,
  template: TpmPublic,
  options: CreateOptions = {},
): Promise<{ readonly object: TpmObject; readonly creation: Creation }> {
  const parameters = createParameters(tpm, template, options);
  const answer = await tpm.call({ command: 'CreatePrimary', handles: [hierarchy], parameters });
  const found = tpm.read('CreatePrimary', answer.parameters, (reader) => ({
    area: reader.sized(),
    data: reader.sized(),
    hash: reader.sized(64),
    ticket: readTicket(reader),
    name: reader.sized(66),
  }));
  assert(answer.handle !== undefined, 'CreatePrimary has a response handle');
  const object = namedObject(tpm, 'CreatePrimary', answer.handle, found.area, found.name);
  checkTemplate(tpm, 'CreatePrimary', object.area, template);
  const { auth } = options;
  return {
    object: auth === undefined ? object : { ...object, auth },
    creation: checkedCreation(tpm, found, object.area),
  };
}

export interface CreatedObject {
  /** TPM2B_PRIVATE's content, encrypted to the parent. */
  readonly privateBlob: Uint8Array;
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
  readonly area: TpmPublic;
  readonly name: Uint8Array;
  readonly creation: Creation;
}

/** A child of a storage key, not loaded. */
export async function Create(
  tpm: Tpm,
  parent: Entity,
  template: TpmPublic,
  options: CreateOptions = {},
): Promise<CreatedObject> {
  const parameters = createParameters(tpm, template, options);
  const answer = await tpm.call({ command: 'Create', handles: [parent], parameters });
  const found = tpm.read('Create', answer.parameters, (reader) => ({
    privateBlob: reader.sized(),
    publicArea: reader.sized(),
    data: reader.sized(),
    hash: reader.sized(64),
    ticket: readTicket(reader),
  }));
  const area = tpm.accepted('Create', parsePublic(found.publicArea));
  checkTemplate(tpm, 'Create', area, template);
  const name = nameOf(tpm.crypto, area.nameAlg, found.publicArea);
  const { privateBlob, publicArea } = found;
  return { privateBlob, publicArea, area, name, creation: checkedCreation(tpm, found, area) };
}

/** Loads a child. Its Name is compared with that of `publicArea`; the unit flushes it when it ends. */
export async function Load(
  tpm: Tpm,
  parent: Entity,
  blob: { readonly privateBlob: Uint8Array; readonly publicArea: Uint8Array },
): Promise<TpmObject> {
  const parameters = new TpmWriter().sized(blob.privateBlob).sized(blob.publicArea).bytes();
  const answer = await tpm.call({ command: 'Load', handles: [parent], parameters });
  const name = tpm.read('Load', answer.parameters, (reader) => reader.sized(66));
  assert(answer.handle !== undefined, 'Load has a response handle');
  return namedObject(tpm, 'Load', answer.handle, blob.publicArea, name);
}

/** Loads a public key from outside, for VerifySignature. */
export async function LoadExternal(tpm: Tpm, area: TpmPublic, hierarchy: number): Promise<TpmObject> {
  const publicArea = writePublic(area);
  const parameters = new TpmWriter().u16(0).sized(publicArea).u32(hierarchy).bytes();
  const answer = await tpm.call({ command: 'LoadExternal', parameters });
  const name = tpm.read('LoadExternal', answer.parameters, (reader) => reader.sized(66));
  assert(answer.handle !== undefined, 'LoadExternal has a response handle');
  return namedObject(tpm, 'LoadExternal', answer.handle, publicArea, name);
}

/** Keeps a loaded object under `persistentHandle`, or removes the persistent object that has it. */
export async function EvictControl(tpm: Tpm, owner: Entity, object: Entity, persistentHandle: number): Promise<void> {
  const parameters = new TpmWriter().u32(persistentHandle).bytes();
  await tpm.call({ command: 'EvictControl', handles: [owner, object], parameters });
}

/**
 * What the TPM says of an object. The Name is computed from the public area, not believed. In a protected unit the TPM
 * is asked again under the session, whose HMAC includes the Name.
 */
export async function ReadPublic(
  tpm: Tpm,
  handle: number,
  expectedName?: Uint8Array,
): Promise<{ readonly object: TpmObject; readonly qualifiedName: Uint8Array }> {
  const bare =
    expectedName === undefined ? await askPublic(tpm, { handle, name: new Uint8Array(0) }, false) : undefined;
  if (bare !== undefined && tpm.session === undefined) return bare;
  const first = expectedName ?? bare?.object.name ?? new Uint8Array(0);
  const found = await askPublic(tpm, { handle, name: first }, true);
  if (!equalBytes(found.object.name, first)) {
    const names = `${hex(found.object.name)}; expected ${hex(first)}`;
    tpm.distrust('response_name', `the object at 0x${handle.toString(16)} has the Name ${names}`);
  }
  return found;
}

async function askPublic(tpm: Tpm, entity: Entity, inSession: boolean) {
  const call = { command: 'ReadPublic', handles: [entity] } as const;
  const answer = inSession ? await tpm.call(call) : await tpm.callBare(call);
  const found = tpm.read('ReadPublic', answer.parameters, (reader) => ({
    area: reader.sized(),
    name: reader.sized(66),
    qualifiedName: reader.sized(66),
  }));
  const object = namedObject(tpm, 'ReadPublic', entity.handle, found.area, found.name);
  return { object, qualifiedName: found.qualifiedName };
}

/** `object` carries the policy session that opens it. The answer is encrypted if there is a salted session. */
export async function Unseal(tpm: Tpm, object: Entity): Promise<Secret> {
  const answer = await tpm.call({ command: 'Unseal', handles: [object] });
  return tpm.read('Unseal', answer.parameters, (reader) => new Secret(reader.sized()));
}

/** Proves that `ak` and the EK are in one TPM: gives back what MakeCredential wrapped. */
export async function ActivateCredential(tpm: Tpm, ak: Entity, ek: Entity, credential: Credential): Promise<Secret> {
  const parameters = new TpmWriter().sized(credential.idObject).sized(credential.encryptedSecret).bytes();
  const answer = await tpm.call({ command: 'ActivateCredential', handles: [ak, ek], parameters });
  return tpm.read('ActivateCredential', answer.parameters, (reader) => new Secret(reader.sized(64)));
}

function createParameters(tpm: Tpm, template: TpmPublic, options: CreateOptions): Uint8Array {
  const { auth = NO_AUTH, data = NO_AUTH, outsideInfo = new Uint8Array(0), creationPcrs = [] } = options;
  tpm.assertEncrypting(auth);
  tpm.assertEncrypting(data);
  const sensitive = new TpmWriter().sized(auth.reveal()).sized(data.reveal()).bytes();
  const writer = new TpmWriter().sized(sensitive).sized(writePublic(template)).sized(outsideInfo);
  return writePcrSelections(writer, creationPcrs).bytes();
}

/** The handle stands outside of every HMAC; the Name does not, and goes into every later command on the handle. */
function namedObject(tpm: Tpm, command: string, handle: number, publicArea: Uint8Array, name: Uint8Array): TpmObject {
  const area = tpm.accepted(command, parsePublic(publicArea));
  if (!equalBytes(nameOf(tpm.crypto, area.nameAlg, publicArea), name)) {
    tpm.distrust('response_name', `${command} gave a Name that is not that of the object's public area`);
  }
  return { handle, name, area };
}

/** The TPM fills in `unique`; all else is as it was asked for. */
function checkTemplate(tpm: Tpm, command: string, area: TpmPublic, template: TpmPublic): void {
  const made = writePublic({ ...area, unique: template.unique } as TpmPublic);
  if (area.type === template.type && equalBytes(made, writePublic(template))) return;
  tpm.distrust('response_name', `${command} made an object that differs from its template`);
}

function checkedCreation(
  tpm: Tpm,
  found: { readonly data: Uint8Array; readonly hash: Uint8Array; readonly ticket: Ticket },
  area: TpmPublic,
): Creation {
  if (!equalBytes(tpm.crypto.hash(area.nameAlg, found.data), found.hash)) {
    tpm.distrust('response_fields', 'the creation hash is not that of the creation data');
  }
  return { data: found.data, hash: found.hash, ticket: found.ticket };
}
