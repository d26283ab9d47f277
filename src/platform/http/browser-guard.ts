/**
 * What tells a page of this server from the pages of others, in a browser that may visit both: the Host it asked for (a name
 * of somebody else that was pointed here, "DNS rebinding"), and the Origin from which it asks.
 */
import { isIP } from 'node:net';

export interface HostNames {
  /** The address that is listened on; 0.0.0.0 and :: stand for every address of this machine. */
  readonly host: string;
  /** Names under which people reach it. */
  readonly names: readonly string[];
}

/** `header` as it came: a name or an address, with or without a port. A name is another's unless it is known. */
export function isOwnHost(header: string | undefined, { host, names }: HostNames): boolean {
  const found = hostnameOf(header);
  if (found === undefined) return false;
  if (found === 'localhost') return true;
  // No name server has a say in an address, so none of this machine's can be somebody else's page.
  if (isIP(found) !== 0) return host === '0.0.0.0' || host === '::' || found === host;
  return names.some((name) => name.toLowerCase() === found);
}

/**
 * Whether a request that changes something comes from a page of this server, as the browser says it. What is no browser
 * says nothing, and must prove itself otherwise.
 */
export function isOwnOrigin(headers: Headers): boolean {
  const site = headers.get('sec-fetch-site');
  if (site !== null && site !== 'same-origin') return false;
  const origin = headers.get('origin');
  if (origin === null) return true;
  const found = URL.canParse(origin) ? new URL(origin) : undefined;
  return found !== undefined && found.host !== '' && found.host === headers.get('host')?.toLowerCase();
}

function hostnameOf(header: string | undefined): string | undefined {
  if (header === undefined || !/^[A-Za-z0-9.:[\]-]{1,260}$/.test(header)) return undefined;
  const url = `http://${header}/`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase() : undefined;
}
