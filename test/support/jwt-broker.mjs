/**
 * A broker as a process of its own that takes tokens as passwords: MQTT 3.1.1 by aedes, JWTs (RFC 7519) checked by jose.
 * Nothing in it is of this project. It names the port on its standard output and ends when its standard input does.
 *
 * Argument: JSON `{"keys":{"<user>":JWK},"audience":"..."}`. The user name must be the token's `sub`; signature, algorithm,
 * audience and expiry must hold; and whoever stays longer than his token lives is thrown out.
 */
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import { importJWK, jwtVerify } from 'jose';

const { keys, audience } = JSON.parse(process.argv[2]);

async function expiryOf(user, password) {
  const jwk = keys[user];
  if (jwk === undefined) throw new Error(`no key of ${user}`);
  const options = { algorithms: ['ES256'], audience, subject: user, requiredClaims: ['exp'] };
  const { payload } = await jwtVerify(password, await importJWK(jwk, 'ES256'), options);
  return payload.exp * 1_000;
}

const aedes = await Aedes.createBroker({
  authenticate: (client, user, password, done) => {
    expiryOf(user ?? '', password?.toString() ?? '').then(
      (untilMs) => {
        const timer = setTimeout(
          () => {
            console.log(`expired ${user}`);
            client.close();
          },
          Math.max(0, untilMs - Date.now()),
        );
        client.once?.('closed', () => clearTimeout(timer));
        client.conn.once('close', () => clearTimeout(timer));
        console.log(`accepted ${user}`);
        done(null, true);
      },
      (error) => {
        console.log(`refused ${user}: ${error.code ?? error.message}`);
        done(Object.assign(new Error('not authorized'), { returnCode: 5 }), false);
      },
    );
  },
});
const server = createServer((socket) => {
  socket.on('error', () => undefined);
  aedes.handle(socket);
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
