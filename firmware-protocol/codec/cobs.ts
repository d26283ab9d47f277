/** Consistent Overhead Byte Stuffing, one spelling per content (PROTOCOL.md section 2). Without delimiters. */
export function cobsEncode(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length + Math.floor(content.length / 254) + 1);
  let codeAt = 0;
  let to = 1;
  let code = 1;
  for (let i = 0; i < content.length; i += 1) {
    const byte = content[i] ?? 0;
    if (byte !== 0) {
      out[to] = byte;
      to += 1;
      code += 1;
    }
    // A full group is closed only when content follows.
    if (byte === 0 || (code === 0xff && i + 1 < content.length)) {
      out[codeAt] = code;
      codeAt = to;
      to += 1;
      code = 1;
    }
  }
  out[codeAt] = code;
  return out.slice(0, to);
}

/** The content, or undefined when the bytes are not COBS, or not in its one spelling. */
export function cobsDecode(coded: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(coded.length);
  let from = 0;
  let to = 0;
  let before = 0;
  while (from < coded.length) {
    const code = coded[from] ?? 0;
    if (code === 0 || code > coded.length - from) return undefined;
    if (before === 0xff && code === 1 && from + 1 === coded.length) return undefined;
    for (let i = 1; i < code; i += 1) {
      const byte = coded[from + i] ?? 0;
      if (byte === 0) return undefined;
      out[to] = byte;
      to += 1;
    }
    from += code;
    if (code !== 0xff && from < coded.length) {
      out[to] = 0;
      to += 1;
    }
    before = code;
  }
  return out.slice(0, to);
}
