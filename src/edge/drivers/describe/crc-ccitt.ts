/** CRC-16 with polynomial 1021, highest bit first: OSDP begins with 1D0F, Newland with 0. */
export function crcCcitt(bytes: Uint8Array, initial: number): number {
  let value = initial;
  for (const byte of bytes) {
    value ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) value = ((value << 1) ^ ((value & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
  }
  return value;
}

export function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}
