/** `latchkey photo`: an image that this box keeps, decrypted, to a file or to standard output. */
import { concatBytes } from '../../base/bytes.ts';
import { LatchkeyError, messageOf } from '../../base/errors.ts';
import { writeFileDurably } from '../../platform/durable-file.ts';
import type { CommandRun } from '../command.ts';
import { askGateway, gatewaySettings } from '../locate.ts';

/** As large as an image may be in the settings of any source. */
const IMAGE_BYTES_MAX = 67_108_864;

export const photoCommand: CommandRun = async (args, io) => {
  const settings = gatewaySettings(args);
  const [sha256 = ''] = args.positionals;
  const out = args.text('out');
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const take = (bytes: Uint8Array): void => {
    sizeBytes += bytes.length;
    if (sizeBytes > IMAGE_BYTES_MAX)
      throw new LatchkeyError('SOCKET_REFUSED', 'the daemon sent more than any image has');
    pieces.push(bytes);
  };
  const done = await askGateway(settings, io, { verb: 'photo', args: { sha256 }, onData: take });
  const image = concatBytes(...pieces);
  if (out === undefined) {
    await io.write(image);
    return 0;
  }
  try {
    await writeFileDurably(out, image);
  } catch (error) {
    throw new LatchkeyError('OUTPUT_UNWRITABLE', `cannot write ${out}: ${messageOf(error)}`, { cause: error });
  }
  io.err(`${mediaTypeOf(done)}, ${image.length} bytes`);
  return 0;
};

function mediaTypeOf(done: unknown): string {
  return typeof done === 'object' && done !== null && 'media_type' in done ? String(done.media_type) : 'an image';
}
