/** `latchkey journal rotate`: ends the open log in good order and opens the next, with a key of its own. */
import { rotateOffline } from '../../edge/gateway/journal-acts.ts';
import type { Rotation } from '../../edge/journal/journal.ts';
import type { CommandRun } from '../command.ts';
import { askGateway, gatewaySettings, whenNoGateway } from '../locate.ts';
import { peopleLogger } from '../people-logger.ts';
import { packageVersion } from '../version.ts';

export const journalRotateCommand: CommandRun = async (args, io) => {
  // Whatever this process writes is for its user alone, as the daemon writes it.
  process.umask(0o077);
  const settings = gatewaySettings(args);
  const ask = askGateway(settings, io, { verb: 'rotate' }) as Promise<Rotation>;
  const parts = { settings, version: packageVersion(), logger: peopleLogger(io), signal: io.signal };
  const rotation = await whenNoGateway(ask, () => rotateOffline(parts));
  if (args.flag('json')) io.out(JSON.stringify(rotation));
  else for (const line of describeRotation(rotation)) io.out(line);
  return 0;
};

export function describeRotation({ old, next, isVouched }: Rotation): readonly string[] {
  const statement = isVouched
    ? 'The old key has signed a successor statement for the new one'
    : 'The old key signs a successor statement for the new one when the gateway next meets its broker';
  return [
    `ended   ${old.origin} at size ${old.size}; what waits in it goes on being sent`,
    `        ${old.vkey}`,
    `opened  ${next.origin}`,
    `        ${next.vkey}`,
    `${statement}: a consumer that believes the old log follows by itself.`,
    "Where trust is kept by name (a policy's logs, verify --vkey), add the new key there.",
  ];
}
