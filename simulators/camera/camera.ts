/** A network camera: one image for each GET, on loopback, with what goes wrong on such a way. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type CameraMood = 'well' | 'half' | 'silent' | 'failing' | 'moved' | 'no_image';

export interface Camera {
  readonly url: string;
  readonly asked: number;
  mood: CameraMood;
  close(): Promise<void>;
}

/** Baseline JPEG of one pixel without its end; a comment makes each image another one. */
const BODY = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=',
  'base64',
);
const END = Buffer.from([0xff, 0xd9]);

export async function startCamera(port = 0): Promise<Camera> {
  let asked = 0;
  const camera = { mood: 'well' as CameraMood };
  const server = createServer((_request, response) => {
    asked += 1;
    answer(response, camera.mood, asked);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/snapshot.jpg`,
    get asked() {
      return asked;
    },
    get mood() {
      return camera.mood;
    },
    set mood(mood) {
      camera.mood = mood;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, mood: CameraMood, number: number): void {
  const text = Buffer.from(`image ${number}`);
  const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, text.length + 2]), text]);
  const image = Buffer.concat([BODY.subarray(0, 2), comment, BODY.subarray(2), END]);
  switch (mood) {
    case 'well':
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end(image);
      break;
    case 'half':
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end(image.subarray(0, image.length / 2));
      break;
    case 'failing':
      response.writeHead(503).end();
      break;
    case 'moved':
      response.writeHead(302, { location: '/elsewhere.jpg' }).end();
      break;
    case 'no_image':
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end('<html>log in</html>');
      break;
    case 'silent':
      break;
  }
}
