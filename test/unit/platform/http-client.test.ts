/** Questions to a service that ends them in no usual way. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { askHttp } from '../../../src/platform/http/client.ts';

test.for([
  [
    'switches protocols',
    (response: ServerResponse) => response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end(),
  ],
  ['breaks the connection', (response: ServerResponse) => response.destroy()],
] as const)('a service that %s did not answer, and nobody waits for it', async ([, misbehave]) => {
  const server = createServer((_, response) => void misbehave(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await expect(askHttp({ url }, { method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'SERVICE_UNREACHABLE' });
  await new Promise((resolve) => server.close(resolve));
});
