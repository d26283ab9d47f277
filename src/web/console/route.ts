/** Where in the console one is: the part of the address behind `#`, so that back and reload do what they should. */
import { useEffect, useState } from 'preact/hooks';

export const PAGES = [
  { name: 'site', title: 'Site' },
  { name: 'journal', title: 'Journal' },
  { name: 'devices', title: 'Devices' },
  { name: 'health', title: 'Health' },
] as const;

export type PageName = (typeof PAGES)[number]['name'];

export interface Route {
  readonly page: PageName;
  /** Of `#site/<compartment>`: its sheet. */
  readonly name?: string;
}

export function parseRoute(hash: string): Route {
  const [word = '', ...rest] = hash.replace(/^#/, '').split('/');
  const page = PAGES.find(({ name }) => name === word)?.name ?? 'site';
  const name = decoded(rest.join('/'));
  return { page, ...(name !== '' && { name }) };
}

export function hashOf({ page, name }: Route): string {
  return name === undefined ? `#${page}` : `#${page}/${encodeURIComponent(name)}`;
}

/** Somebody may have typed it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

export function goTo(route: Route): void {
  location.hash = hashOf(route);
}
