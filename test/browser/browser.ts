/** One Chromium of Debian's for a file of tests, and pages in it as a reader opens them: from disk, or from a server. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const STARTED_MS = 120_000;
const AWAITED_MS = 60_000;

/** From the sources and from the build alike. `LATCHKEY_TEST_PAGES` names another folder of built pages than `dist/web`. */
export function pageFile(name: string): string {
  const built = [join(import.meta.dirname, '../../web'), join(import.meta.dirname, '../../dist/web')];
  const folder = built.find((path) => existsSync(path)) ?? 'dist/web';
  return join(process.env['LATCHKEY_TEST_PAGES'] ?? folder, name);
}

/** Root runs no sandbox, and a container may have little shared memory. */
export function startBrowser(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
  return chromium.launch({ executablePath: '/usr/bin/chromium', args, timeout: STARTED_MS });
}

export interface OpenedPage {
  readonly page: Page;
  /** Addresses of all requests, workers' too. */
  readonly requests: readonly string[];
  /** What the page said on its console, and what it did not catch. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export function openPage(browser: Browser, name: string, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  return openAt(browser, pathToFileURL(pageFile(name)).href, options);
}

export async function openAt(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(AWAITED_MS);
  const requests: string[] = [];
  const complaints: string[] = [];
  context.on('request', (request) => requests.push(request.url()));
  const page = await context.newPage();
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, requests, complaints, close: () => context.close() };
}

export interface DroppedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** As if somebody had let go of them over the page. */
export async function drop(page: Page, ...files: readonly DroppedFile[]): Promise<void> {
  const spelled = files.map(({ name, bytes }) => ({ name, text: Buffer.from(bytes).toString('base64') }));
  const dataTransfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    for (const { name, text } of ${JSON.stringify(spelled)}) {
      transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
    }
    return transfer;
  })()`);
  await page.dispatchEvent('main', 'dragover', { dataTransfer });
  await page.dispatchEvent('main', 'drop', { dataTransfer });
}

/** Of a page in which the source of axe was evaluated. */
export async function seriousFindings(page: Page): Promise<unknown> {
  return await page.evaluate(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html, failureSummary }) => [html.slice(0, 200), failureSummary])]))`);
}

/** With `LATCHKEY_TEST_PICTURES`, a look is kept there, to be looked at. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['LATCHKEY_TEST_PICTURES'];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.png`), await page.screenshot({ fullPage: true }));
}
