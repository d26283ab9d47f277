/** What the commands of the enrolment service share. */
import { LatchkeyError } from '../base/errors.ts';
import { systemScheduler } from '../base/system-scheduler.ts';
import { loadSettings } from '../platform/settings.ts';
import type { Decider } from '../risk/enrolment/decisions.ts';
import { FileEnrolmentStore } from '../risk/enrolment/file-store.ts';
import { type EnrolmentSettings, enrolmentSettingsSchema } from '../risk/enrolment/settings.ts';
import type { CommandArgs } from './command.ts';

const ENROLMENTS_CONFIG_DEFAULT = '/etc/latchkey/enrolments.yaml';

export function enrolmentSettings(args: CommandArgs): EnrolmentSettings {
  // Whatever this process writes is for its user alone.
  process.umask(0o077);
  return loadSettings(args.text('config') ?? ENROLMENTS_CONFIG_DEFAULT, enrolmentSettingsSchema);
}

export function enrolmentStore(settings: EnrolmentSettings): Promise<FileEnrolmentStore> {
  return FileEnrolmentStore.open(settings.data_dir);
}

export async function deciderOf(args: CommandArgs, settings: EnrolmentSettings): Promise<Decider> {
  const by = args.required('by');
  const why = args.text('why') ?? '';
  if (by === '' || by.length > 120 || why.length > 400) {
    throw new LatchkeyError('USAGE', 'option --by takes 1 to 120 characters, --why at most 400');
  }
  return { store: await enrolmentStore(settings), clock: systemScheduler(), by, why };
}

/** A gateway id from the command line. */
export function gatewayOf(text: string | undefined): string {
  if (text !== undefined && /^[a-z0-9-]{1,64}$/.test(text)) return text;
  throw new LatchkeyError('USAGE', 'expected a gateway id of 1 to 64 of a-z, 0-9 and "-"');
}
