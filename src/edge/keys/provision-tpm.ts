/**
 * Makes what a box needs in its TPM, once, and pins it: SRK, AK and login key as persistent objects, the anchor counter.
 *
 * Each step finds what an earlier, interrupted run made, so it may be repeated. What lies in the way and is something
 * else is named and left alone: it may be another software's.
 */
import { equalBytes } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { TPM_HT, TPM_RH } from '../../tpm2/algorithms.ts';
import { counterNvPublic, nvName, writeNvPublic, writtenNvPublic } from '../../tpm2/nv-public.ts';
import { type EccPublic, type TpmPublic, writePublic } from '../../tpm2/public.ts';
import { SRK_P256 } from '../../tpm2/templates.ts';
import type { TpmClient } from '../tpm/client.ts';
import { getHandles, getPermanent } from '../tpm/commands/capability.ts';
import { NV_DefineSpace, NV_Increment, NV_ReadPublic, nvReadCounter } from '../tpm/commands/nv.ts';
import { CreatePrimary, EvictControl, ReadPublic } from '../tpm/commands/object.ts';
import { protect } from '../tpm/commands/session.ts';
import { permanent } from '../tpm/entity.ts';
import type { Tpm } from '../tpm/unit.ts';
import {
  AK_HANDLE,
  AK_TEMPLATE,
  COUNTER_INDEX,
  LOGIN_HANDLE,
  LOGIN_TEMPLATE,
  type PinnedKey,
  readIdentity,
  SRK_HANDLE,
  type TpmIdentity,
  writeIdentity,
} from './tpm-identity.ts';

const OWNER = permanent(TPM_RH.OWNER);
const ENDORSEMENT = permanent(TPM_RH.ENDORSEMENT);

/**
 * The identity of this box, made and stored at `path` when it is not there. Rejects with TPM_UNAVAILABLE and the like,
 * and with TPM_REFUSED when a handle or index is taken by something else.
 */
export async function provisionTpm(client: TpmClient, path: string, signal: AbortSignal): Promise<TpmIdentity> {
  const known = await client.run(async (tpm) => readIdentity(path, tpm.crypto), { signal });
  if (known !== undefined) return known;
  const identity = await makeIdentity(client, signal);
  await writeIdentity(path, identity);
  return identity;
}

/** The same without a file. Rejects like `provisionTpm`. */
export async function makeIdentity(client: TpmClient, signal: AbortSignal): Promise<TpmIdentity> {
  const options = { signal };
  const srk = await client.run((tpm) => persistent(tpm, 'the SRK', SRK_HANDLE, OWNER, SRK_P256), options);
  const salt = { handle: SRK_HANDLE, area: srk.area, pinnedName: srk.name };
  const inSession = <T>(work: (tpm: Tpm) => Promise<T>): Promise<T> =>
    client.run(async (tpm) => {
      await protect(tpm, salt);
      return await work(tpm);
    }, options);
  const ak = await inSession((tpm) => persistent(tpm, 'the AK', AK_HANDLE, ENDORSEMENT, AK_TEMPLATE));
  const login = await inSession((tpm) => persistent(tpm, 'the login key', LOGIN_HANDLE, ENDORSEMENT, LOGIN_TEMPLATE));
  const counter = await inSession(definedCounter);
  return { srk, ak, login, counter };
}

async function persistent(
  tpm: Tpm,
  what: string,
  handle: number,
  hierarchy: typeof OWNER,
  template: EccPublic,
): Promise<PinnedKey> {
  if (hierarchy === OWNER && (await getPermanent(tpm)).ownerAuthSet) return existing(tpm, what, handle, template);
  const { object } = await CreatePrimary(tpm, hierarchy, template);
  if (!(await getHandles(tpm, TPM_HT.PERSISTENT)).includes(handle)) await EvictControl(tpm, OWNER, object, handle);
  const found = (await ReadPublic(tpm, handle)).object;
  await tpm.flush(object.handle);
  if (!equalBytes(found.name, object.name)) throw taken(what, handle, found.area);
  if (object.area.type !== 'ecc') throw taken(what, handle, object.area);
  return { area: object.area, name: object.name };
}

/** After an enrolment nobody here has the owner's authorisation: what it made is there, and is known by its template. */
async function existing(tpm: Tpm, what: string, handle: number, template: EccPublic): Promise<PinnedKey> {
  if (!(await getHandles(tpm, TPM_HT.PERSISTENT)).includes(handle)) {
    const message = `expected ${what} at 0x${handle.toString(16)} of the TPM; found nothing, and its owner has an authorisation`;
    throw new LatchkeyError('TPM_MISSING', `${message}: open the escrow of its last enrolment, or clear the TPM`);
  }
  const { area, name } = (await ReadPublic(tpm, handle)).object;
  if (area.type !== 'ecc') throw taken(what, handle, area);
  const made = writePublic({ ...area, unique: template.unique });
  if (!equalBytes(made, writePublic(template))) throw taken(what, handle, area);
  return { area, name };
}

async function definedCounter(tpm: Tpm): Promise<TpmIdentity['counter']> {
  const wanted = counterNvPublic(COUNTER_INDEX);
  const written = writtenNvPublic(wanted);
  const isDefined = (await getHandles(tpm, TPM_HT.NV_INDEX)).includes(COUNTER_INDEX);
  if (!isDefined) await NV_DefineSpace(tpm, OWNER, wanted);
  const found = await NV_ReadPublic(tpm, COUNTER_INDEX);
  const bytes = writeNvPublic(found.area);
  if (!equalBytes(bytes, writeNvPublic(wanted)) && !equalBytes(bytes, writeNvPublic(written))) {
    throw taken('the anchor counter', COUNTER_INDEX, undefined);
  }
  // Before its first increment a counter can neither be read nor certified, and has another Name.
  if (equalBytes(bytes, writeNvPublic(wanted))) await NV_Increment(tpm, found, found);
  const index = await NV_ReadPublic(tpm, COUNTER_INDEX);
  const first = Number(await nvReadCounter(tpm, index, index));
  return { index: COUNTER_INDEX, publicArea: writeNvPublic(written), name: nvName(tpm.crypto, written), first };
}

function taken(what: string, handle: number, area: TpmPublic | undefined): LatchkeyError {
  const found = area === undefined ? 'something else' : `an object of ${writePublic(area).length} bytes that is not it`;
  const place = `0x${handle.toString(16)}`;
  return new LatchkeyError('TPM_REFUSED', `expected ${what} at ${place} of the TPM, or nothing; found ${found}`);
}
