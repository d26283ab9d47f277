/** What is asked of a gateway, as the command line spells it. */
import { randomBytes } from 'node:crypto';
import { base64url } from '../base/bytes.ts';
import { LatchkeyError } from '../base/errors.ts';
import { systemScheduler } from '../base/system-scheduler.ts';
import type { Actor, Json, JsonObject } from '../evidence/event/event.ts';
import { actorField, codeField } from '../evidence/event/event-fields.ts';
import { isGatewayId } from '../evidence/wire/topics.ts';
import { loadSettings } from '../platform/settings.ts';
import { checkTimes } from '../risk/commands/check-request.ts';
import type { CommandRequest } from '../risk/commands/sender.ts';
import { type CommandSettings, commandSettingsSchema } from '../risk/commands/settings.ts';
import type { CommandArgs } from './command.ts';

const COMMAND_CONFIG_DEFAULT = '/etc/latchkey/command.yaml';

export function commandSettings(args: CommandArgs): CommandSettings {
  return loadSettings(args.text('config') ?? COMMAND_CONFIG_DEFAULT, commandSettingsSchema);
}

/** Throws USAGE. */
export function commandRequest(args: CommandArgs): CommandRequest {
  const [gateway = '', verb = '', ...pairs] = args.positionals;
  if (!isGatewayId(gateway)) throw new LatchkeyError('USAGE', 'GATEWAY: expected 1 to 64 of a-z 0-9 -');
  if (!codeField.fits(verb)) throw new LatchkeyError('USAGE', 'VERB: expected a word of a-z and _');
  const found = argsOf(pairs);
  const times = checkTimes(verb, found, systemScheduler().wallMs());
  if (!times.ok) throw new LatchkeyError('USAGE', `${verb}: ${times.detail}`);
  return { gateway, verb, args: found, by: actorOf(args.required('by')) };
}

export function newId(): string {
  return base64url(Uint8Array.from(randomBytes(16)));
}

/** `NAME=VALUE` is a text, `NAME:=JSON` whatever JSON it is: `uses:=1`, `compartments:=["A01"]`. */
function argsOf(pairs: readonly string[]): JsonObject {
  const found: Record<string, Json> = {};
  for (const pair of pairs) {
    const cut = pair.indexOf('=');
    const isJson = pair[cut - 1] === ':';
    const name = pair.slice(0, isJson ? cut - 1 : cut);
    if (cut < 1 || !/^[a-z][a-z0-9_]*$/.test(name) || Object.hasOwn(found, name)) {
      throw new LatchkeyError(
        'USAGE',
        `expected NAME=VALUE or NAME:=JSON, each name once, found ${JSON.stringify(pair)}`,
      );
    }
    found[name] = isJson ? jsonOf(name, pair.slice(cut + 1)) : pair.slice(cut + 1);
  }
  return found;
}

function jsonOf(name: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new LatchkeyError('USAGE', `${name}: expected JSON after ":="`);
  }
}

function actorOf(text: string): Actor {
  const cut = text.indexOf(':');
  const actor = { kind: text.slice(0, Math.max(0, cut)), ref: text.slice(cut + 1) };
  if (cut < 1 || actor.ref === '' || !actorField.fits(actor)) {
    throw new LatchkeyError('USAGE', `--by: expected KIND:REF such as operator:desk-7, found ${JSON.stringify(text)}`);
  }
  return actor as Actor;
}
