/**
 * What kind of image some bytes are, by their content, and whether they are whole. Pure.
 *
 * A file that is still being written, or a download that was cut, has the right beginning and no end: it is no image.
 */
import type { PhotoMediaType } from '../../contracts/photos.ts';

const PNG_BEGIN = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** The chunk IEND: no data, its name, its CRC. */
const PNG_END = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];
/** Cameras append zeros or a text of their own behind the end of an image. */
const JPEG_TAIL_BYTES = 4_096;

export function wholeImage(bytes: Uint8Array): PhotoMediaType | undefined {
  if (hasAt(bytes, 0, [0xff, 0xd8, 0xff])) return isWholeJpeg(bytes) ? 'image/jpeg' : undefined;
  if (hasAt(bytes, 0, PNG_BEGIN)) return hasAt(bytes, bytes.length - PNG_END.length, PNG_END) ? 'image/png' : undefined;
  if (hasAt(bytes, 0, [0x52, 0x49, 0x46, 0x46]) && hasAt(bytes, 8, [0x57, 0x45, 0x42, 0x50])) {
    const size = new DataView(bytes.buffer, bytes.byteOffset, 8).getUint32(4, true);
    return bytes.length === size + 8 || bytes.length === size + 9 ? 'image/webp' : undefined;
  }
  return undefined;
}

function isWholeJpeg(bytes: Uint8Array): boolean {
  const tail = bytes.subarray(Math.max(3, bytes.length - JPEG_TAIL_BYTES));
  for (let at = tail.length - 2; at >= 0; at -= 1) if (tail[at] === 0xff && tail[at + 1] === 0xd9) return true;
  return false;
}

function hasAt(bytes: Uint8Array, at: number, expected: readonly number[]): boolean {
  return at >= 0 && expected.every((byte, i) => bytes[at + i] === byte);
}
