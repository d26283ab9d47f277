/** A box with a simulated TPM before an enrolment service, in this process, and somebody on the line between them. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SimulatedTpm } from '../../simulators/tpm/tpm.ts';
import { utf8Text } from '../../src/base/bytes.ts';
import { explain } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { type EnrollParts, enrollOffline } from '../../src/edge/gateway/enroll.ts';
import { type GatewaySettings, gatewaySettingsSchema } from '../../src/edge/gateway/settings.ts';
import { inspectJournal } from '../../src/edge/journal/inspect.ts';
import type { Enrolled } from '../../src/edge/keys/enrol.ts';
import { serviceVkey } from '../../src/edge/keys/enrolment-file.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import type { TestService } from './enrolment-service.ts';

export const ENROLLING_GATEWAY = 'gw-0001';

export function boxSettings(dataDir: string, keys: unknown, gateway = ENROLLING_GATEWAY): GatewaySettings {
  return gatewaySettingsSchema.parse({
    gateway: { id: gateway, operator_domain: 'lockers.example', data_dir: dataDir },
    keys,
    mqtt: { url: 'mqtt://127.0.0.1:1' },
    references: { kind: 'clear' },
  });
}

export function tpmKeys({ address }: Pick<SimulatedTpm, 'address'>): object {
  if (address.kind !== 'unix') throw new Error('a Unix socket');
  return { tpm: { socket: address.path } };
}

/** `latchkey enroll`, with a token that is only looked at when it is asked for. */
export function enrollBox(
  settings: GatewaySettings,
  service: Pick<TestService, 'url' | 'key'>,
  token: string | undefined,
  change: Partial<EnrollParts> = {},
): Promise<Enrolled> {
  const vkey = serviceVkey(nodeCrypto, service.key);
  if (vkey === undefined) throw new Error('the key of a service');
  return enrollOffline({
    settings,
    version: '0.0.0',
    logger: silentLogger,
    signal: AbortSignal.timeout(120_000),
    service: { url: service.url },
    vkey,
    token: () => {
      if (token === undefined) throw new Error('no token is needed here');
      return token;
    },
    ...change,
  });
}

/** What a person reads. */
export function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'no failure', explain);
}

export function eventsOf(settings: GatewaySettings): readonly { readonly type: string; readonly data: object }[] {
  const inspection = inspectJournal(settings.gateway.data_dir, nodeCrypto);
  try {
    const { database } = inspection.find();
    return [...database.leaves(0, database.size())].map(
      ({ leaf }) => JSON.parse(utf8Text(leaf ?? new Uint8Array(0)) ?? '{}') as { type: string; data: object },
    );
  } finally {
    inspection.close();
  }
}

export interface Passed {
  readonly method: string;
  readonly path: string;
  /** The service's answer, as it came. */
  readonly status: number;
  readonly body: string;
  readonly request: string;
}

/** What the box gets instead; `cut`: nothing. */
export type Changed = { readonly status: number; readonly body: string } | 'cut' | undefined;

/** Passes everything to the service and lets `change` look at each answer before the box does. */
export async function startMeddler(
  service: Pick<TestService, 'url'>,
  change: (passed: Passed) => Changed | Promise<Changed>,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const pass = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method = 'GET', url: path = '/', headers } = request;
      const sent = Buffer.concat(chunks);
      const answer = await fetch(`${service.url}${path}`, {
        method,
        headers: { authorization: headers.authorization ?? '' },
        ...(method === 'POST' && { body: sent }),
      });
      const passed = { method, path, status: answer.status, body: await answer.text(), request: sent.toString() };
      const changed = (await change(passed)) ?? passed;
      if (changed === 'cut') response.destroy();
      else response.writeHead(changed.status, { 'content-type': 'application/json' }).end(changed.body);
    };
    pass().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
