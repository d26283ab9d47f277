/**
 * What a running gateway answers on its control socket: status, tail, export, check; and what an operator has it do to
 * its journal: rotate and erase. Nothing here opens a door but `act`, which asks for a person's second factor.
 */

import { LatchkeyError } from '../../base/errors.ts';
import { formatVkey } from '../../evidence/log/note.ts';
import type { Finding } from '../contracts/console-view.ts';
import type { ControlHandler, ControlOut } from '../control/server.ts';
import type { Journal } from '../journal/journal.ts';
import { consoleHandlers } from './console-handlers.ts';
import { type ConsoleThreadStatus, consoleFindings } from './console-thread.ts';
import { eraseSelection } from './erase-selection.ts';
import { textsOf } from './findings.ts';
import { journalFindings } from './findings-of-journal.ts';
import {
  lineFindings,
  lockFindings,
  openingFindings,
  tellingFindings,
  tpmFindings,
  uplinkFindings,
} from './findings-of-parts.ts';
import type { Gateway } from './gateway.ts';
import { checkJournal, exportJournal, lineOf } from './journal-tools.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayStatus } from './status.ts';

const TAIL_LINES_MAX = 1_000_000;
/** Entries read at once: bounded memory and short reads. */
const TAIL_STEP = 500;
const PROGRESS_EVERY_MS = 2_000;

export interface ControlParts {
  readonly gateway: Gateway;
  readonly settings: GatewaySettings;
  readonly version: string;
  /** Undefined where there is none. */
  readonly console?: () => ConsoleThreadStatus | undefined;
}

export function controlHandlers(parts: ControlParts): Readonly<Record<string, ControlHandler>> {
  const { gateway } = parts;
  const { journal } = gateway;
  return {
    status: async () => statusOf(parts),
    tail: (args, out, signal) => tail(parts.gateway, args, out, signal),
    export: (args, out, signal) =>
      exportJournal(journal, { origin: textArg(args, 'log'), from: countArg(args, 'from', 0), signal }, (bytes) =>
        out.data(bytes),
      ),
    rotate: (_args, _out, signal) => journal.rotate(signal),
    erase: (args, out, signal) =>
      journal.erase({
        selection: eraseSelection(args, parts.settings.references),
        execute: args['execute'] === true,
        signal,
        progress: everySoOften((searched) => out.progress({ searched })),
      }),
    ...consoleHandlers({ gateway, settings: parts.settings, survey: () => surveyOf(parts) }),
    commissioned: async () => gateway.commissioning.rows(),
    photo: async (args, out) => {
      if (gateway.photos === undefined)
        throw new LatchkeyError('USAGE', 'this gateway takes no photos (photos.sources)');
      return await gateway.photos.send(args, out);
    },
    check: (_args, out, signal) => checkJournal(journal, signal, (progress) => out.progress(progress)),
  };
}

/** What is wrong, each with its remedy, beside the status that tells it in sentences. */
export interface Survey {
  readonly status: GatewayStatus;
  readonly findings: readonly Finding[];
}

export function statusOf(parts: ControlParts): GatewayStatus {
  return surveyOf(parts).status;
}

export function surveyOf({ gateway, settings, version, console }: ControlParts): Survey {
  const { journal, observer } = gateway;
  const status = journal.status();
  const uplink = gateway.uplink.health();
  const lines = gateway.lines.map((line) => line.status());
  const observed = observer.observe();
  const tpm = gateway.tpm?.status();
  const telling = gateway.telling?.status();
  const custody = gateway.custody.status();
  const opening = gateway.opening.status();
  const access = gateway.access?.status();
  const findings = [
    ...journalFindings(status),
    ...uplinkFindings(uplink, settings.receivers.filter(({ role }) => role === 'store').length),
    ...lineFindings(lines),
    ...lockFindings(custody.compartments),
    ...tpmFindings(tpm),
    ...tellingFindings(telling),
    ...gateway.commissioning.findings(),
    ...openingFindings(opening),
    ...consoleFindings(console?.()),
  ];
  const problems = textsOf(findings, 'problem');
  const whole: GatewayStatus = {
    gateway: settings.gateway.id,
    version,
    assurance: gateway.tpm === undefined ? 'A0' : 'anchored',
    healthy: problems.length === 0,
    problems,
    notices: textsOf(findings, 'notice'),
    up_ms: observed.upMs,
    clock: observed.clock,
    log: newestLog(journal),
    journal: status,
    uplink,
    lines,
    custody,
    opening,
    ...(access !== undefined && { access }),
    ...(tpm !== undefined && { tpm }),
    ...(telling !== undefined && { enrolment: telling }),
    metrics: gateway.metrics.snapshot(),
  };
  return { status: whole, findings };
}

/** The open log; between two logs the newest one. Throws JOURNAL_IO when there is none at all. */
function newestLog(journal: Journal): GatewayStatus['log'] {
  const { open, logs } = journal.status();
  const { origin, vkey, size, receiptedSize, record } = journal.log(open ?? logs.at(-1)?.origin);
  return { origin, vkey: formatVkey(vkey), entries: size, receipted: receiptedSize, boot: record.boot };
}

/** Durable entries of the open log; when a new log opens, its entries from 0 on. */
async function tail(
  gateway: Gateway,
  args: Readonly<Record<string, unknown>>,
  out: ControlOut,
  signal: AbortSignal,
): Promise<unknown> {
  const { journal } = gateway;
  const lines = Math.min(countArg(args, 'lines', 10), TAIL_LINES_MAX);
  let log = journal.log();
  let next = Math.max(0, log.size - lines);
  for (;;) {
    const changed = nextChange(gateway, signal);
    while (next < log.size) {
      const end = Math.min(log.size, next + TAIL_STEP);
      for (const entry of [...log.database.leaves(next, end)]) {
        await out.item(lineOf(entry));
      }
      next = end;
    }
    if (args['follow'] !== true) return { origin: log.origin, size: log.size };
    await changed;
    if (signal.aborted) return {};
    // Between two logs the one before is all there is.
    const newest = journal.status().open === undefined ? log : journal.log();
    if (newest.origin !== log.origin) {
      log = newest;
      next = 0;
    }
  }
}

/** Taken before reading, so that what changes meanwhile is not slept through. */
function nextChange(gateway: Gateway, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const stop = gateway.journal.outbox.onChange(done);
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Often enough that the reader knows of us, seldom enough that it does not matter. A reader that is gone ends the work. */
function everySoOften(tell: (value: number) => Promise<void>): (value: number) => void {
  let toldAt = performance.now();
  return (value) => {
    if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = performance.now();
    tell(value).catch(() => undefined);
  };
}

function countArg(args: Readonly<Record<string, unknown>>, name: string, otherwise: number): number {
  const value = args[name] ?? otherwise;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new LatchkeyError('USAGE', `${name}: expected a whole number, found ${JSON.stringify(value)}`);
}

function textArg(args: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = args[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new LatchkeyError('USAGE', `${name}: expected text, found ${JSON.stringify(value)}`);
}
