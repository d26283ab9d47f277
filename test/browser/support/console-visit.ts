/** A browser before a console's server that a test fills: how its pages are opened, signed in at and gone through. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { type OpenedPage, openAt, startBrowser } from '../browser.ts';
import { ConsoleServer, PASSWORD } from './console-server.ts';
import { calmView, entries } from './console-views.ts';

export const NEWEST = 1_204;
export const OPENED = { result: 'opened', tookMs: 412 } as const;

export class ConsoleVisit {
  readonly server = new ConsoleServer({
    view: calmView(),
    entries: entries(NEWEST, NEWEST),
    answer: OPENED,
    walk: [],
  });
  #browser: Browser | undefined;
  #opened: OpenedPage | undefined;

  /** Starts and ends with the file of tests that calls this. */
  constructor() {
    beforeAll(async () => {
      this.#browser = await startBrowser();
      await this.server.start();
    });
    afterAll(async () => {
      await this.#browser?.close();
      await this.server.stop();
    });
  }

  get page(): Page {
    if (this.#opened === undefined) throw new Error('no page was opened');
    return this.#opened.page;
  }

  async open(): Promise<void> {
    if (this.#browser === undefined) throw new Error('no browser was started');
    this.server.show({ view: calmView(), entries: entries(NEWEST, NEWEST) });
    this.#opened = await openAt(this.#browser, this.server.url);
  }

  async close(): Promise<void> {
    await this.#opened?.close();
  }

  /** A page of its own for each block, and whatever a test did: it asked its own server alone, and ran nothing of others. */
  pageOfOnesOwn(person: string): void {
    beforeAll(async () => {
      await this.open();
      await this.signIn(person);
    });
    afterAll(async () => {
      const { requests = [], complaints = [] } = this.#opened ?? {};
      const own = (url: string): boolean => url.startsWith(this.server.url) || url.startsWith('data:image/svg');
      expect(requests.filter((url) => !own(url))).toEqual([]);
      expect(await this.page.evaluate('window.pwned')).toBeUndefined();
      // A browser notes each answer that is not 2xx, and each connection that broke.
      expect(complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
      await this.close();
    });
  }

  async signIn(person: string): Promise<void> {
    await this.page.getByLabel('Name').fill(person);
    await this.page.getByLabel('Password').fill(PASSWORD);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.page.getByRole('navigation', { name: 'Pages' }).waitFor();
  }

  async go(to: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(to)}`);
  }

  async see(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  button(name: string | RegExp, exact = false) {
    return this.page.getByRole('button', { name, exact });
  }
}
