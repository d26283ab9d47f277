/**
 * `npm run pictures`: the pictures of the README, of the pages as they were built: the console with a site as a box of 24
 * doors has it, the simulated site as it runs. Writes them into src/web/pictures.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { lockerLog, proofPolicy, refundBundle } from '../support/proof-files.ts';
import { drop, openAt, openPage, startBrowser } from './browser.ts';
import { ConsoleServer, PASSWORD } from './support/console-server.ts';
import { calmView, entries, troubledView } from './support/console-views.ts';
import { startSimulatedSite } from './support/simulated-site.ts';

const FOLDER = resolve('src/web/pictures');
const BYTES_MAX = 150_000;
const ENTRIES = 1_204;
const DESKTOP = { width: 1_440, height: 900 };
const LAPTOP = { width: 1_280, height: 760 };
const PHONE = { width: 390, height: 844 };

async function keep(page: Page, name: string): Promise<void> {
  const bytes = await page.screenshot();
  if (bytes.length > BYTES_MAX)
    throw new Error(`${name} has ${bytes.length} bytes, and ${BYTES_MAX} are a picture's most`);
  const path = join(FOLDER, `${name}.png`);
  writeFileSync(path, bytes);
  process.stdout.write(`${path} ${statSync(path).size}\n`);
}

async function consoleAt(browser: Browser, server: ConsoleServer, options: BrowserContextOptions) {
  const opened = await openAt(browser, server.url, { reducedMotion: 'reduce', ...options });
  await opened.page.getByLabel('Name').fill('t-114');
  await opened.page.getByLabel('Password').fill(PASSWORD);
  await opened.page.getByRole('button', { name: 'Sign in' }).click();
  await opened.page.locator('.stream .entry-line').first().waitFor();
  // Where it clicked is a tile now.
  await opened.page.mouse.move(0, 0);
  return opened;
}

/** One forced door: the rest of the site is as it should be. */
function oneForcedDoor() {
  const calm = calmView();
  const { findings, compartments } = troubledView();
  const forced = compartments.find(({ name }) => name === 'A6');
  return {
    ...calm,
    findings: findings.filter(({ about }) => about === 'compartment'),
    compartments: calm.compartments.map((each) => (each.name === 'A6' && forced !== undefined ? forced : each)),
  };
}

async function consolePictures(browser: Browser): Promise<void> {
  const server = new ConsoleServer({
    view: oneForcedDoor(),
    entries: entries(ENTRIES, ENTRIES),
    answer: { result: 'opened' },
    walk: [],
  });
  await server.start();
  try {
    const desk = await consoleAt(browser, server, { viewport: DESKTOP });
    for (const colorScheme of ['light', 'dark'] as const) {
      await desk.page.emulateMedia({ colorScheme });
      await keep(desk.page, `console-site-${colorScheme}`);
    }
    await desk.close();
    const phone = await consoleAt(browser, server, { viewport: PHONE, colorScheme: 'light', deviceScaleFactor: 2 });
    await keep(phone.page, 'console-phone');
    await phone.close();
  } finally {
    await server.stop();
  }
}

async function verifyPicture(browser: Browser): Promise<void> {
  const log = lockerLog('picture', 'c-201');
  const opened = await openPage(browser, 'verify.html', { viewport: DESKTOP, colorScheme: 'light' });
  const bundle = { name: 'refund-r-2041.bundle', bytes: refundBundle(log, '') };
  await drop(opened.page, bundle, { name: 'policy.json', bytes: proofPolicy(log) });
  await opened.page.locator('[data-outcome="verified"]').waitFor();
  await keep(opened.page, 'verify');
  await opened.close();
}

/** As it is a minute after its one command: the gateway runs, and somebody has begun to play. */
async function sitePicture(browser: Browser): Promise<void> {
  const site = await startSimulatedSite();
  try {
    const options = { viewport: LAPTOP, colorScheme: 'light', reducedMotion: 'reduce' } as const;
    const { page, close } = await openAt(browser, site.url, options);
    const locker = (name: string) => page.locator(`[data-compartment="${name}"]`);
    await locker('A01').getByRole('button', { name: 'Deposit' }).click();
    await locker('A01').getByText('something in it').waitFor();
    await locker('A03').getByRole('button', { name: 'More' }).click();
    for (const act of ['Open by hand', 'Put something in']) await page.getByRole('button', { name: act }).click();
    await page.locator('[data-compartment="A03"][data-item="true"]').waitFor();
    await page.locator('[data-compartment="A01"][data-door="shut"]').waitFor();
    await locker('A03').getByRole('button', { name: 'More' }).click();
    await page.mouse.move(0, 0);
    await page.evaluate('scrollTo(0, 0)');
    await keep(page, 'site');
    await close();
  } finally {
    await site.close();
  }
}

mkdirSync(FOLDER, { recursive: true });
const browser = await startBrowser();
try {
  await consolePictures(browser);
  await verifyPicture(browser);
  await sitePicture(browser);
} finally {
  await browser.close();
}
