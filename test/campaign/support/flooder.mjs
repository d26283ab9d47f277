/** Asks a console for as much as it can until it is stopped, then says how much was answered: node flooder.mjs URL COOKIE. */
import { Agent, request } from 'node:http';

const CONNECTIONS = 32;
const [url = '', cookie = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const origin = { origin: url, 'content-type': 'application/json' };
const SHAPES = [
  { method: 'GET', path: '/', body: '' },
  { method: 'GET', path: '/api/journal?limit=200', body: '' },
  { method: 'GET', path: '/api/session', body: '' },
  { method: 'POST', path: '/api/sign-in', body: '{"person":"viewer-1","password":"not this one"}' },
];
let answered = 0;

function ask(turn) {
  const { method, path, body } = SHAPES[turn % SHAPES.length];
  const next = () => setImmediate(ask, turn + CONNECTIONS + 1);
  const headers = { cookie, ...(method === 'POST' && { ...origin, 'content-length': body.length }) };
  const asked = request(`${url}${path}`, { agent, method, headers }, (response) => {
    answered += 1;
    response.resume().once('close', next);
  });
  asked.once('error', next);
  asked.end(body);
}

for (let i = 0; i < CONNECTIONS; i += 1) ask(i);
process.on('SIGTERM', () => {
  process.stdout.write(`${answered}\n`);
  process.exit(0);
});
