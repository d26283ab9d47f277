/**
 * Whose request it is, where proxies stand between: the address of the connection, or, when that is of a proxy that the
 * settings trust, the one that the header names which proxies append to, read from its right end.
 *
 * Each proxy appends whom it heard, so that what stands right of an untrusted address was written by trusted ones, and
 * what stands left of it by anybody: the first untrusted address from the right is the client's, and nothing left of it
 * counts. The header of whoever is not trusted is not looked at. A header that a trusted proxy handed on and that cannot
 * be read so far is refused: the request has nobody then, and the proxy's own address is many people's.
 */
import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net';
import { accept, type Result, refuse } from '../../base/result.ts';

/** Each header that proxies append to; a proxy hands on unread the one that it does not write. */
export const FORWARDED_HEADERS = ['x-forwarded-for', 'forwarded'] as const;

export type ForwardedHeader = (typeof FORWARDED_HEADERS)[number];

export interface ProxySettings {
  readonly trusted_proxies: readonly string[];
  readonly forwarded_header: ForwardedHeader;
}

export interface HeaderReader {
  get(name: string): string | null;
}

const HOPS_MAX = 16;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** An address in its one spelling; IPv4 in IPv6 is IPv4. Undefined for what is none. */
export function canonicalAddress(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  if (!isIPv6(text)) return text;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  return MAPPED.exec(address)?.[1] ?? address;
}

/** An address or a network (CIDR) as settings may have it; not all addresses, since then anybody could name any. */
export function isNetwork(text: string): boolean {
  return networkOf(text) !== undefined;
}

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

function networkOf(text: string): Network | undefined {
  const [, said = '', length] = /^([0-9A-Fa-f:.]+)(?:\/([1-9]\d{0,2}))?$/.exec(text) ?? [];
  const address = canonicalAddress(said);
  // A network of IPv4 addresses written as IPv6 ones would have other lengths than it looks.
  if (address === undefined || isIPv6(address) !== isIPv6(said)) return undefined;
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  const bits = length === undefined ? most : Number(length);
  return bits > most ? undefined : { address, bits, family };
}

export class ClientAddress {
  readonly #trusted = new BlockList();
  readonly #header: ForwardedHeader;
  readonly #isAlone: boolean;

  /** The settings were checked: what is no network is trusted by nobody. */
  constructor({ trusted_proxies: proxies, forwarded_header: header }: ProxySettings) {
    this.#header = header;
    this.#isAlone = proxies.length === 0;
    for (const text of proxies) {
      const network = networkOf(text);
      if (network !== undefined) this.#trusted.addSubnet(network.address, network.bits, network.family);
    }
  }

  /** `peer`: of the connection. Without a header from a trusted proxy, it is the proxy that asks. */
  of(peer: string, headers: HeaderReader): Result<string, 'forwarded_for'> {
    // Of a connection within one link, the zone says which.
    const address = canonicalAddress(peer.split('%')[0] ?? '') ?? peer;
    if (this.#isAlone || !this.#isTrusted(address)) return accept(address);
    const header = headers.get(this.#header);
    if (header === null) return accept(address);
    const hops = this.#header === 'forwarded' ? forwardedHops(header) : header.split(',');
    let nearest = address;
    for (const hop of hops.slice(-HOPS_MAX).reverse()) {
      const named = addressOf(hop.trim());
      if (named === undefined) return this.#refusal('found something else');
      nearest = named;
      if (!this.#isTrusted(nearest)) return accept(nearest);
    }
    if (hops.length > HOPS_MAX) return this.#refusal(`found more than ${HOPS_MAX} proxies`);
    return hops.length > 0 ? accept(nearest) : this.#refusal('found none');
  }

  #refusal(found: string): Result<never, 'forwarded_for'> {
    return refuse('forwarded_for', `${this.#header}: expected the address of who asked a trusted proxy, ${found}`);
  }

  #isTrusted(address: string): boolean {
    return isIP(address) !== 0 && this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/** Some proxies name the port, too; IPv6 stands in brackets then, and always in the header of RFC 7239. */
function addressOf(hop: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::\d{1,5})?$/.exec(hop) ?? [];
  if (bracketed !== undefined) return isIPv6(bracketed) ? canonicalAddress(bracketed) : undefined;
  return canonicalAddress(plain ?? hop);
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** RFC 7239 section 4: one pair, and what separates it from the next pair or element. */
const PAIR = new RegExp(`[ \\t]*(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")[ \\t]*(;|,|$)`, 'y');

/**
 * The `for` of each element; an empty text for one that has none or two. No hops where anything is not as RFC 7239 writes
 * it: a quote that a client leaves open must not swallow what a proxy appends.
 */
function forwardedHops(header: string): readonly string[] {
  const hops: string[] = [];
  let named: string[] = [];
  for (let at = 0; at < header.length; at = PAIR.lastIndex) {
    PAIR.lastIndex = at;
    const [whole, name = '', token, quoted = '', separator] = PAIR.exec(header) ?? [];
    if (whole === undefined) return [];
    if (name.toLowerCase() === 'for') named.push(token ?? quoted);
    if (separator === ';') continue;
    hops.push(named.length === 1 ? (named[0] ?? '') : '');
    named = [];
  }
  // It ended behind a semicolon.
  return named.length > 0 ? [] : hops;
}
