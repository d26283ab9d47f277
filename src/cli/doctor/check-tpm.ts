/** The TPM of the settings: whether it answers, whose it is, and whether it refuses authorisations for now. */
import { stat } from 'node:fs/promises';
import { within } from '../../base/abort.ts';
import type { GatewaySettings } from '../../edge/gateway/settings.ts';
import type { GatewayStatus } from '../../edge/gateway/status.ts';
import { showTpm, type TpmShown } from '../../edge/gateway/tpm-acts.ts';
import { vendorCode, vendorOf } from '../../risk/enrolment/vendors.ts';
import { type Check, fault, faultOf, sound } from './check.ts';
import { mayUse, TPM_RULE, thisUser, wayIn } from './may-use.ts';

const LIMIT_MS = 20_000;

export interface TpmSubject {
  readonly keys: GatewaySettings['keys'] | undefined;
  /** The TPM is only asked with settings that are right. */
  readonly whole: GatewaySettings | undefined;
  readonly status: GatewayStatus | undefined;
}

export async function checkTpm({ keys, whole, status }: TpmSubject, signal: AbortSignal): Promise<Check> {
  if (keys === undefined)
    return fault(
      'tpm',
      'not looked at: no settings say where keys live',
      'write "keys: software", or "keys: { tpm: ... }"',
    );
  if (keys === 'software') {
    const advice = 'a TPM 2.0 in "keys.tpm" seals the keys and anchors the log';
    return sound('tpm', 'none is configured: assurance level A0, what is proved rests on this disk', advice);
  }
  if (whole === undefined)
    return fault('tpm', 'not asked while the settings have problems', 'correct the settings first');
  // A simulated TPM serves one client, and the running gateway is it.
  if (keys.tpm.device === undefined && status?.tpm !== undefined) return fromStatus(status.tpm);
  const barred = await checkMayUse(keys.tpm);
  if (barred !== undefined) return barred;
  try {
    return fromTpm(await showTpm(whole, within(LIMIT_MS, signal)), keys.tpm.device === undefined);
  } catch (error) {
    return faultOf('tpm', error);
  }
}

type TpmPlace = Exclude<GatewaySettings['keys'], 'software'>['tpm'];

/** A TPM that is there and is kept from this user is no TPM that is away. */
async function checkMayUse({ device, socket }: TpmPlace): Promise<Check | undefined> {
  const path = device ?? socket;
  const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
  if (path === undefined || found === undefined || (await mayUse(path))) return undefined;
  const what = `${path} is there, but ${thisUser()} may not read and write it`;
  if (device !== undefined) return fault('tpm', what, await wayIn(found, TPM_RULE));
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  const remedy = `start the simulated TPM as the user of the daemon ("latchkey simulate tpm"): its socket is of user ${found.uid}, mode ${mode}`;
  return fault('tpm', what, remedy);
}

function fromStatus(tpm: NonNullable<GatewayStatus['tpm']>): Check {
  const { state, reason } = tpm.anchors;
  const found = `${tpm.target}, emulated (A0), in use by the running gateway; anchors: ${state}`;
  if (state === 'away')
    return fault('tpm', `${found}: ${reason}`, 'start the simulated TPM again ("latchkey simulate tpm")');
  return sound('tpm', found);
}

function fromTpm(shown: TpmShown, simulated: boolean): Check {
  const { properties, permanent, lockout, pinned, enrolment } = shown;
  const vendor = vendorOf(properties.manufacturer);
  const maker = vendor?.name ?? vendorCode(properties.manufacturer);
  const looks = simulated || vendor?.isVirtual === true ? 'emulated' : 'hardware';
  const tpmClass =
    enrolment === undefined ? `${looks} by its looks, not enrolled yet` : `enrolled as ${enrolment.class}`;
  const fails = `${lockout.failures} of ${lockout.failuresMax} wrong authorisations`;
  const found = `${shown.target}: ${maker}, firmware ${properties.firmware}; ${tpmClass}; ${fails}`;
  if (pinned !== undefined && !pinned.agrees) {
    const remedy =
      '"latchkey tpm show" says which part; if the TPM was cleared or changed, enrol this box again ("latchkey enroll")';
    return fault('tpm', `${found}; it does not hold what this box had in it`, remedy);
  }
  if (permanent.inLockout) {
    const remedy = `wait ${lockout.recovery_s} s without an attempt, or end it with the lockout authorisation (tpm2_dictionarylockout)`;
    return fault('tpm', `${found}; LOCKED OUT`, remedy);
  }
  return sound(
    'tpm',
    found,
    enrolment === undefined ? '"latchkey enroll" makes its class known to those who verify' : '',
  );
}
