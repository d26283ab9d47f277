/** Spans, sizes, counts and times in words, as every page says them. */

const SPANS: readonly (readonly [number, string])[] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];
const SPAN_PARTS = 2;
const JUST_NOW_MS = 2_000;
const TEXT_UNITS_MAX = 400;

/** `door.opened` to `Door opened`. */
export function titleOf(type: string): string {
  const words = type.replace(/[._]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** `3 min 20 s`: its two greatest parts. */
export function spanText(ms: number): string {
  let left = Math.round(Math.max(0, ms) / 1_000);
  const parts: string[] = [];
  for (const [unit, name] of SPANS) {
    const count = Math.floor(left / unit);
    left -= count * unit;
    if (count > 0) parts.push(`${count} ${name}`);
    // `2 h 5 s` says less than `2 h`.
    else if (parts.length > 0) break;
  }
  return parts.length === 0 ? '0 s' : parts.slice(0, SPAN_PARTS).join(' ');
}

/** `3 min ago`: its greatest part alone. */
export function agoText(ms: number): string {
  if (ms < JUST_NOW_MS) return 'just now';
  const seconds = Math.round(ms / 1_000);
  const [unit, name] = SPANS.find(([each]) => seconds >= each) ?? [1, 's'];
  return `${Math.floor(seconds / unit)} ${name} ago`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

export function countText(count: number): string {
  return count.toLocaleString('en');
}

/** `1 parcel`, `2 parcels`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

const NAMES_SHOWN = 12;

/** `A1, A2 and 30 more`. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).join(', ');
  return names.length <= NAMES_SHOWN ? shown : `${shown} and ${countText(names.length - NAMES_SHOWN)} more`;
}

/** Turns the direction of what follows, or takes no place: C0 and C1, zero widths, marks and overrides of direction. */
const UNSEEN = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** What a stranger may have printed, with each character that would hide or turn others by its number. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (each) => {
    return `[U+${(each.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`;
  });
}

/** A value of an event's data in one line, bounded. */
export function said(value: unknown): string {
  const text = visible(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
  return text.length <= TEXT_UNITS_MAX ? text : `${text.slice(0, TEXT_UNITS_MAX)}…`;
}

/** With a capital at its beginning and a stop at its end; a name as it is written. */
export function sentence(text: string): string {
  const isWord = /^[a-z]+(?![\w.-])/.test(text);
  const upper = isWord ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?…"]$/.test(upper) ? upper : `${upper}.`;
}

/** Never 100 % of what is not whole. */
export function shareText(share: number): string {
  return share === 1 ? '100\u202f%' : `${(Math.floor(share * 10_000) / 100).toFixed(2)}\u202f%`;
}
