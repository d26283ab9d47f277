/**
 * The gateway that fits a simulated site: its settings on the disk, and one person at its console. A site that is started
 * again finds the ports that were written the time before, so that the gateway beside it goes on.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Secret, TOTP } from 'otpauth';
import { stringify } from 'yaml';
import { z } from 'zod';
import { keptPort } from '../../simulators/kept-port.ts';
import type { SiteSettings } from '../../simulators/site/settings.ts';
import type { Site } from '../../simulators/site.ts';
import { fittingGateway } from '../../simulators/ui/fitting-gateway.ts';
import type { ConsoleView } from '../../simulators/ui/view.ts';
import { base64url, utf8 } from '../base/bytes.ts';
import { LatchkeyError, messageOf } from '../base/errors.ts';
import { gatewaySettingsSchema } from '../edge/gateway/settings.ts';
import { isMissing, makeDirectory, writeFileDurably } from '../platform/durable-file.ts';
import { hashPassword } from '../platform/http/password.ts';
import { makeSecret, writeSecret } from '../platform/one-time-codes.ts';
import { parseSettings } from '../platform/settings.ts';

const HEAD = '# Written by "latchkey simulate" for a simulated site, and written anew by it.\n';
const SETTINGS_MODE = 0o644;
const PERSON = 'technician';
const PASSWORD_BYTES = 9;
const MS = 1_000;

/** What the settings of the time before say of ports. */
const portsSchema = z.looseObject({
  mqtt: z.looseObject({ url: z.string() }),
  console: z.looseObject({ web: z.looseObject({ port: z.int() }) }),
});

export interface WrittenPorts {
  readonly broker?: number;
  readonly console?: number;
}

/** Throws OUTPUT_UNWRITABLE where somebody else's settings stand already. */
export function writtenPorts(configPath: string): WrittenPorts {
  const text = ownText(configPath);
  if (text === undefined) return {};
  const parsed = parseSettings(text, portsSchema);
  if (!parsed.ok) return {};
  const broker = Number(/:(\d+)$/.exec(parsed.value.mqtt.url)?.[1] ?? 0);
  return { ...(broker > 0 && { broker }), console: parsed.value.console.web.port };
}

/** What "latchkey simulate" wrote there before, if it did. Throws OUTPUT_UNWRITABLE where somebody else did. */
export function ownText(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unwritable(path, error);
  }
  if (text.startsWith(HEAD)) return text;
  const found = `${path} is there already, and not written by "latchkey simulate"`;
  throw new LatchkeyError('OUTPUT_UNWRITABLE', found);
}

/** Whatever belongs to a site lies beside its gateway.yaml, under its name. */
export function beside(configPath: string, { name }: SiteSettings, what: string): string {
  return join(dirname(configPath), `${name}-${what}`);
}

export interface FittingParts {
  readonly site: Pick<Site, 'address'>;
  readonly settings: SiteSettings;
  readonly brokerUrl: string;
  /** Verifier key of the consumer that belongs to the site. */
  readonly receiver?: string | undefined;
}

/** The settings as a text, for whoever wants none written. Undefined where none fit. */
export function fittingText({ site, settings, brokerUrl }: FittingParts): string | undefined {
  const dataDir = join(process.cwd(), `${settings.name}-gateway`);
  const text = stringify(fittingGateway({ settings, site, brokerUrl, dataDir }));
  return parseSettings(text, gatewaySettingsSchema).ok ? text : undefined;
}

export interface WrittenGateway {
  readonly password: string;
  readonly console: () => ConsoleView;
}

/** Rejects with CONFIG_INVALID when no settings fit the site, or OUTPUT_UNWRITABLE. Nothing is written before the check. */
export async function writeGateway(
  parts: FittingParts,
  configPath: string,
  before: WrittenPorts,
): Promise<WrittenGateway> {
  const own = (what: string): string => beside(configPath, parts.settings, what);
  const [passwordFile, secretFile] = [own('console.password'), own('console.totp')];
  const port = before.console ?? (await keptPort());
  const person = { name: PERSON, role: 'technician', password_file: passwordFile, totp_file: secretFile };
  const fitting = fittingGateway({ ...parts, dataDir: own('gateway') });
  const text = stringify({ ...fitting, console: { people: [person], web: { port } } });
  const parsed = parseSettings(text, gatewaySettingsSchema);
  if (!parsed.ok) throw new LatchkeyError('CONFIG_INVALID', `no gateway.yaml fits this site: ${parsed.detail}`);
  const password = base64url(Uint8Array.from(randomBytes(PASSWORD_BYTES)));
  try {
    await makeDirectory(dirname(configPath));
    // The gateway reads it at each sign-in, so a new one counts at once.
    await writeFileDurably(passwordFile, utf8(`${hashPassword(password).text}\n`));
    if (!existsSync(secretFile)) await writeSecret(secretFile, makeSecret('Latchkey', PERSON).text);
    await writeSettings(configPath, text);
  } catch (error) {
    throw unwritable(configPath, error);
  }
  const totp = new TOTP({ secret: Secret.fromBase32(readFileSync(secretFile, 'utf8').trim()) });
  return {
    password,
    console: () => ({
      url: `http://127.0.0.1:${port}/`,
      person: PERSON,
      code: totp.generate(),
      leftS: Math.ceil(totp.remaining() / MS),
    }),
  };
}

/** Under the words by which `ownText` knows it again. */
export async function writeSettings(path: string, text: string): Promise<void> {
  await writeFileDurably(path, utf8(HEAD + text), SETTINGS_MODE);
}

export function unwritable(path: string, error: unknown): LatchkeyError {
  return new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
}
