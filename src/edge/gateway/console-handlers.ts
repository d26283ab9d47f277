/**
 * What people at the box ask of a running gateway through its control socket, from the command line and from the page's
 * server: to look, and with a second factor to act.
 */
import { statfsSync } from 'node:fs';
import { wallText } from '../../base/clock.ts';
import { LatchkeyError } from '../../base/errors.ts';
import type { ControlHandler } from '../control/server.ts';
import { commissionAsk } from './commission/ask.ts';
import { consoleAct, consolePerson } from './console-act.ts';
import { consoleView } from './console-view.ts';
import { journalPage, type WatchParts, watchGateway } from './console-watch.ts';
import type { Survey } from './control-handlers.ts';
import type { Gateway } from './gateway.ts';
import { pairDeviceOf } from './pair-device.ts';
import type { GatewaySettings } from './settings.ts';

export interface ConsoleHandlerParts {
  readonly gateway: Gateway;
  readonly settings: GatewaySettings;
  readonly survey: () => Survey;
}

type Handlers = Readonly<Record<'watch' | 'journal' | 'elevate' | 'act' | 'commission' | 'pair', ControlHandler>>;

export function consoleHandlers(parts: ConsoleHandlerParts): Handlers {
  const { gateway } = parts;
  const room = gateway.opening.console;
  const watch = watchParts(parts);
  return {
    watch: (_args, out, signal) => watchGateway(watch, out, signal),
    journal: async (args, out) => {
      await out.data(Buffer.from(JSON.stringify(journalPage(watch, args))));
      return {};
    },
    elevate: (args) => {
      const { person, proof } = consolePerson(args);
      if (!('code' in proof)) throw new LatchkeyError('USAGE', 'expected a code');
      return room.elevate(person, proof.code);
    },
    act: (args, _out, signal) => room.act(consoleAct(args), signal),
    commission: (args, out, signal) => {
      const ask = commissionAsk(args);
      const told = (step: string): void => void out.progress({ step }).catch(() => undefined);
      const work = async () => {
        const answer = await gateway.commissioning.walk(ask, told, signal);
        return { answer, result: answer.verdict };
      };
      return byWhom(parts, args, { verb: 'commission', target: ask.compartment }, work);
    },
    pair: (args, out, signal) => {
      const work = async () => {
        const answer = await pairDeviceOf(gateway.lines, args, out, signal);
        return { answer, result: 'paired' };
      };
      return byWhom(parts, args, { verb: 'pair', target: String(args['device']) }, work);
    },
  };
}

/** The command line is nobody in particular, the page is somebody with a ticket, whom the journal names. */
async function byWhom<T>(
  { gateway }: ConsoleHandlerParts,
  args: Readonly<Record<string, unknown>>,
  what: { readonly verb: 'commission' | 'pair'; readonly target: string },
  work: () => Promise<{ readonly answer: T; readonly result: string }>,
): Promise<T> {
  if (args['person'] === undefined) return (await work()).answer;
  const { person, proof } = consolePerson({ person: args['person'], ticket: args['ticket'] });
  return gateway.opening.console.walk(person, 'ticket' in proof ? proof.ticket : '', what, work);
}

function watchParts({ gateway, settings, survey }: ConsoleHandlerParts): WatchParts {
  const { journal, observer, memory, custody, commissioning } = gateway;
  return {
    journal,
    anchored: (origin) => {
      const tpm = gateway.tpm?.status();
      if (tpm === undefined) return undefined;
      return origin === journal.openOrigin() ? (tpm.anchors.lastSize ?? 0) : undefined;
    },
    view: () => {
      const { status, findings } = survey();
      return consoleView({
        settings,
        status,
        findings,
        memory,
        commissioned: commissioning.rows(),
        windows: custody.visits.windows(),
        freeBytes: freeBytes(settings.gateway.data_dir),
        at: wallText(observer.observe().wallMs),
        nowMs: memory.nowMs(),
      });
    },
  };
}

/** A disk that does not even answer that says nothing of it. */
function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
