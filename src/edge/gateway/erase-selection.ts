/**
 * What an operator wants erased, as the command line and the control socket spell it: entries by number, a reference as
 * it stands in the log, or the value behind it, looked up under every reference key that is here.
 */
import { utf8 } from '../../base/bytes.ts';
import { LatchkeyError } from '../../base/errors.ts';
import { recogniseCode } from '../../evidence/event/recognise-code.ts';
import { normalise, pseudonym } from '../../evidence/event/reference.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { EraseSelection, IndexRange } from '../journal/erase.ts';
import { loadReferenceKeys, type ReferenceSettings } from './references.ts';

const ACTOR_KINDS = ['courier', 'recipient', 'technician', 'operator', 'service'];
const RANGES_MAX = 1_000;

type Args = Readonly<Record<string, unknown>>;

/** Throws USAGE when it is not one clear selection, and like `loadReferenceKeys`. */
export function eraseSelection(args: Args, settings: ReferenceSettings): EraseSelection {
  const [log, entries] = [text(args, 'log'), text(args, 'entries')];
  const [parcel, actor, ref] = [text(args, 'parcel'), text(args, 'actor'), text(args, 'ref')];
  const given = [entries, parcel, actor, ref].filter((each) => each !== undefined);
  if (given.length !== 1) throw usage('expected one of --entries, --parcel, --actor and --ref');
  if (entries !== undefined) {
    if (log === undefined) throw usage('--entries counts in one log: expected --log ORIGIN with it');
    return { kind: 'entries', origin: log, ranges: rangesOf(entries) };
  }
  if (log !== undefined) throw usage('--log belongs to --entries: a reference is erased in every log');
  const references = ref !== undefined ? [ref] : referencesOf(args, settings, parcel, actor);
  if (references.length === 0) throw usage('the value is empty or too long to be a reference');
  return { kind: 'references', references };
}

function referencesOf(
  args: Args,
  settings: ReferenceSettings,
  parcel: string | undefined,
  actor: string | undefined,
): readonly string[] {
  if (parcel !== undefined) {
    const scheme = text(args, 'scheme');
    const { identifiers } = recogniseCode(utf8(parcel));
    const spelled = identifiers.map((each) => [each.scheme as string, each.value] as const);
    const wanted = scheme === undefined ? [...spelled, ['unknown', parcel] as const] : [[scheme, parcel] as const];
    return [...new Set(wanted.flatMap(([each, value]) => underAllKeys(settings, 'parcel', each, value)))];
  }
  const kind = text(args, 'kind');
  if (kind === undefined || !ACTOR_KINDS.includes(kind)) {
    throw usage(`--actor needs --kind, one of ${ACTOR_KINDS.join(', ')}`);
  }
  return underAllKeys(settings, kind, '-', actor ?? '');
}

function underAllKeys(settings: ReferenceSettings, kind: string, scheme: string, value: string): readonly string[] {
  const normalised = normalise(scheme, value);
  if (normalised === undefined) return [];
  const keys = loadReferenceKeys(settings);
  // Also what was written in clear text before the operator chose pseudonyms.
  return [normalised, ...keys.map((key) => pseudonym(nodeCrypto, key, kind, scheme, normalised))];
}

function rangesOf(spelled: string): readonly IndexRange[] {
  const parts = spelled.split(',');
  if (parts.length > RANGES_MAX) throw usage(`--entries: expected at most ${RANGES_MAX} ranges`);
  return parts.map((part) => {
    const [, from, to] = /^(\d{1,12})(?:-(\d{1,12}))?$/.exec(part.trim()) ?? [];
    const range = { from: Number(from), to: Number(to ?? from) };
    if (from === undefined || range.to < range.from) {
      throw usage(`--entries: expected indices and ranges like 3,7-9, found ${JSON.stringify(part)}`);
    }
    return range;
  });
}

function text(args: Args, name: string): string | undefined {
  const value = args[name];
  if (value === undefined || (typeof value === 'string' && value.length > 0 && value.length <= 4_096)) return value;
  throw usage(`--${name}: expected a text`);
}

function usage(message: string): LatchkeyError {
  return new LatchkeyError('USAGE', message);
}
