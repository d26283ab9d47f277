/** `latchkey tpm show`: this box's TPM as it is now, beside what is pinned. */
import { ERRORS } from '../../base/errors.ts';
import { showTpm, type TpmShown } from '../../edge/gateway/tpm-acts.ts';
import type { CommandRun } from '../command.ts';
import { gatewaySettings } from '../locate.ts';

export const tpmShowCommand: CommandRun = async (args, io) => {
  const shown = await showTpm(gatewaySettings(args), io.signal);
  if (args.flag('json')) io.out(JSON.stringify(shown));
  else for (const line of describeTpm(shown)) io.out(line);
  return shown.pinned !== undefined && !shown.pinned.agrees ? ERRORS.TPM_MISSING.exitCode : 0;
};

export function describeTpm(shown: TpmShown): readonly string[] {
  const { properties, permanent, lockout, clock, pinned, enrolment } = shown;
  const set = (isSet: boolean): string => (isSet ? 'set' : 'empty');
  const clear = permanent.disableClear ? 'forbidden to lockout' : 'allowed to lockout';
  const fails = `${lockout.failures} of ${lockout.failuresMax} wrong authorisations${permanent.inLockout ? ', LOCKED OUT' : ''}`;
  return [
    `TPM        ${shown.target}: ${properties.vendor}, maker ${properties.manufacturer}, firmware ${properties.firmware}`,
    `clock      ${clock.clock_ms} ms powered, ${clock.resets} resets, ${clock.restarts} restarts${clock.safe ? '' : ', not safe'}`,
    `auth       owner ${set(permanent.ownerAuthSet)}, lockout ${set(permanent.lockoutAuthSet)}; Clear ${clear}; ${fails}`,
    ...(pinned === undefined
      ? ['pinned     nothing: this box has nothing in it yet']
      : [
          `pinned     ${pinned.agrees ? 'this TPM' : 'NOT this TPM'}`,
          ...pinned.names.map(
            ({ name, pinned: own, found }) =>
              `${name.padEnd(11)}${own}${found === own ? '' : `; found ${found ?? 'nothing'}`}`,
          ),
          `counter    ${pinned.counter ?? 'cannot be read'} (first ${pinned.first})`,
        ]),
    ...(enrolment === undefined
      ? ['enrolled   no']
      : [`enrolled   ${enrolment.class}, ${enrolment.log}, record ${enrolment.record}`]),
    ...shown.pcrs.map(({ pcr, value }) => `PCR ${String(pcr).padStart(2)}     ${value}`),
  ];
}
