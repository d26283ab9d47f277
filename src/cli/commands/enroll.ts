/** `latchkey enroll`: this box before the enrolment service. */
import { readFileSync } from 'node:fs';
import { ERRORS, LatchkeyError, messageOf } from '../../base/errors.ts';
import { enrollOffline } from '../../edge/gateway/enroll.ts';
import type { Enrolled } from '../../edge/keys/enrol.ts';
import { serviceVkey } from '../../edge/keys/enrolment-file.ts';
import { formatVkey, type Vkey } from '../../evidence/log/note.ts';
import { serviceUrl } from '../../platform/http/client.ts';
import { nodeCrypto } from '../../platform/node-crypto.ts';
import type { CommandRun } from '../command.ts';
import { gatewaySettings } from '../locate.ts';
import { peopleLogger } from '../people-logger.ts';
import { packageVersion } from '../version.ts';

const FILE_BYTES_MAX = 1_048_576;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export const enrollCommand: CommandRun = async (args, io) => {
  process.umask(0o077);
  const settings = gatewaySettings(args);
  const { enrolment } = settings;
  const url = args.text('service') ?? enrolment?.url ?? args.required('service');
  serviceUrl(url);
  const ca = args.text('ca') ?? (url === enrolment?.url ? enrolment.ca_file : undefined);
  const { id } = settings.gateway;
  const enrolled = await enrollOffline({
    settings,
    version: packageVersion(),
    logger: peopleLogger(io),
    signal: io.signal,
    service: { url, ...(ca !== undefined && { ca: readText('ca', ca) }) },
    vkey: keyOf(args.text('service-key') ?? enrolment?.service_key),
    token: () => tokenOf(args.required('token-file'), id),
  });
  if (args.flag('json')) io.out(JSON.stringify(jsonOf(id, enrolled)));
  else for (const line of describeEnrolled(id, enrolled)) io.out(line);
  return enrolled.state === 'pending' ? ERRORS.TIMED_OUT.exitCode : 0;
};

/**
 * Never taken from the service itself: whoever stands in its place could sign a record of his own, and this box would pass
 * it on as its enrolment for good.
 */
function keyOf(text: string | undefined): Vkey {
  const expected = 'the verifier key of the service; "latchkey enrolments serve --show-key" prints it there';
  if (text === undefined) {
    throw new LatchkeyError(
      'USAGE',
      `option --service-key (or enrolment.service_key in gateway.yaml): expected ${expected}`,
    );
  }
  const vkey = serviceVkey(nodeCrypto, text);
  if (vkey !== undefined) return vkey;
  throw new LatchkeyError('USAGE', `option --service-key: expected ${expected}; found something else`);
}

/** A bare token, or the line of this gateway out of a list. What is in the file stands in no message. */
function tokenOf(path: string, gateway: string): string {
  const lines = readText('token-file', path)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const own =
    lines.find((line) => line.startsWith(`${gateway},`))?.slice(gateway.length + 1) ??
    (lines.length === 1 ? lines[0] : undefined);
  if (own !== undefined && TOKEN.test(own)) return own;
  const expected = `a token of 43 characters, or a line "${gateway},TOKEN"`;
  throw new LatchkeyError('USAGE', `option --token-file: expected ${expected} in ${path}; found something else`);
}

function readText(option: string, path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length <= FILE_BYTES_MAX) return text;
  } catch (error) {
    throw new LatchkeyError('INPUT_UNREADABLE', `option --${option}: ${messageOf(error)}`, { cause: error });
  }
  throw new LatchkeyError('USAGE', `option --${option}: expected at most ${FILE_BYTES_MAX} characters in ${path}`);
}

function jsonOf(gateway: string, enrolled: Enrolled): object {
  if (enrolled.state === 'pending') return { gateway, state: 'pending', challenge: enrolled.id };
  const { record, hash, vkey } = enrolled.stored;
  return {
    gateway,
    state: 'enrolled',
    new: enrolled.isNew,
    ...(enrolled.told !== undefined && { told: enrolled.told }),
    log: formatVkey(record.log),
    class: record.class,
    record: hash,
    issued: record.issued,
    service: formatVkey(vkey),
  };
}

export function describeEnrolled(gateway: string, enrolled: Enrolled): readonly string[] {
  if (enrolled.state === 'pending') {
    return [
      `${gateway}: the enrolment waits for a person at the service (challenge ${enrolled.id})`,
      'Run this command again when it is approved; it needs no other token.',
    ];
  }
  const { stored, told } = enrolled;
  const { record, hash } = stored;
  const level = { hardware: 'A2 with anchors', emulated: 'A0: it can be copied', software: 'A0' }[record.class];
  return [
    `${gateway}: ${enrolled.isNew ? 'enrolled' : 'was enrolled before'}, class ${record.class} (${level})`,
    `log     ${formatVkey(record.log)}`,
    `record  ${hash}, issued ${record.issued}`,
    ...(told === undefined ? [] : [`told    ${told} successor statements: the open log follows that one`]),
  ];
}
