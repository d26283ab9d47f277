/**
 * SSI code types and the AIM symbology identifiers (ISO/IEC 15424) that say the same. Sources in README.md.
 *
 * Where one SSI type covers carriers that AIM tells apart by content (Data Matrix and QR with and without GS1), the plain
 * one is named: GS1 is claimed only where the scanner says so, by its code type or by an AIM identifier of its own.
 */
interface CodeType {
  readonly name: string;
  readonly aim: string;
}

const CODE_TYPES: ReadonlyMap<number, CodeType> = new Map([
  [0x01, { name: 'code_39', aim: ']A0' }],
  [0x02, { name: 'codabar', aim: ']F0' }],
  [0x03, { name: 'code_128', aim: ']C0' }],
  [0x06, { name: 'interleaved_2_of_5', aim: ']I0' }],
  [0x07, { name: 'code_93', aim: ']G0' }],
  [0x08, { name: 'upc_a', aim: ']E0' }],
  [0x0a, { name: 'ean_8', aim: ']E4' }],
  [0x0b, { name: 'ean_13', aim: ']E0' }],
  [0x0f, { name: 'gs1_128', aim: ']C1' }],
  [0x11, { name: 'pdf417', aim: ']L0' }],
  [0x1b, { name: 'data_matrix', aim: ']d1' }],
  [0x1c, { name: 'qr', aim: ']Q1' }],
  [0x25, { name: 'maxicode', aim: ']U0' }],
  [0x2d, { name: 'aztec', aim: ']z0' }],
  [0x30, { name: 'gs1_databar', aim: ']e0' }],
  [0x31, { name: 'gs1_databar_limited', aim: ']e0' }],
  [0x32, { name: 'gs1_databar_expanded', aim: ']e0' }],
]);

export function symbologyName(codeType: number): string {
  return CODE_TYPES.get(codeType)?.name ?? `ssi_${codeType.toString(16).padStart(2, '0')}`;
}

/** Undefined for a type that is not known: then nothing is claimed about the symbol. */
export function aimOf(codeType: number): string | undefined {
  return CODE_TYPES.get(codeType)?.aim;
}

export interface Decoded {
  readonly aim: string | undefined;
  readonly raw: Uint8Array;
}

/** Takes off the AIM identifier that the scanner sends, if it does; otherwise its code type gives one. */
export function splitDecoded(codeType: number, text: Uint8Array): Decoded {
  const [bracket, letter = 0, modifier = 0] = text;
  const isAim = bracket === 0x5d && isAlphanumeric(letter) && letter > 0x39 && isAlphanumeric(modifier);
  if (isAim && text.length > 3) return { aim: String.fromCharCode(0x5d, letter, modifier), raw: text.slice(3) };
  return { aim: aimOf(codeType), raw: text };
}

function isAlphanumeric(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}
