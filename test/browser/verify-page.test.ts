import { readFileSync, statSync } from 'node:fs';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { portableCrypto } from '../../src/evidence/portable-crypto.ts';
import { parsePolicy } from '../../src/evidence/verify/policy.ts';
import { verifyBytes } from '../../src/evidence/verify/verify-file.ts';
import { nodeCrypto } from '../../src/platform/node-crypto.ts';
import { vkeyText, whole } from '../support/anchored-log.ts';
import { flippedBundle, lockerLog, mixedBundle, proofPolicy, refundBundle } from '../support/proof-files.ts';
import {
  type DroppedFile,
  drop,
  keepPicture,
  type OpenedPage,
  openPage,
  pageFile,
  seriousFindings,
  startBrowser,
} from './browser.ts';

const log = lockerLog();
const policyBytes = proofPolicy(log);
const policy = { name: 'policy.json', bytes: policyBytes };
const bundle = { name: 'refund.bundle', bytes: refundBundle(log) };
const flipped = { name: 'flipped.bundle', bytes: flippedBundle(bundle.bytes) };
const mixed = { name: 'mixed.bundle', bytes: mixedBundle(log) };
const exported = { name: 'gw-0001.ndjson', bytes: whole(log, [6, 12, log.size]) };

const REFUSAL_TOLD_MS = 15_000;

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
});

describe('the verifier as a page from disk', () => {
  let opened: OpenedPage;
  let page: Page;
  beforeAll(async () => {
    opened = await openPage(browser, 'verify.html');
    page = opened.page;
  });
  afterAll(async () => {
    // Whatever the tests below did: the page itself, and the worker made of it, are all that was ever asked for.
    expect(opened.requests.filter((url) => !/^(file:\/\/.*\/verify\.html|blob:.*)$/.test(url))).toEqual([]);
    expect(opened.requests.length).toBeGreaterThan(0);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(opened.complaints).toEqual([]);
    await opened.close();
  });

  test('gives the verdicts of the command over what is dropped on it', async () => {
    await dropAs(page, exported, 'verified');
    expect(await shownVerdict(page)).toEqual(expected(exported.bytes));
    await dropAs(page, flipped, 'refuted');
    expect(await page.locator('[data-reason]').textContent()).toBe('bundle_proof');
    expect(await shownVerdict(page)).toEqual(expected(flipped.bytes));
    await drop(page, { name: 'cut.ndjson', bytes: exported.bytes.slice(0, -9) });
    await page.locator('[data-reason]', { hasText: 'framing' }).waitFor();
    await dropAs(page, bundle, 'verified');
    expect(await shownVerdict(page)).toEqual(expected(bundle.bytes));
  });

  test('draws the decision, the events and the path of one of them', async () => {
    await dropAs(page, bundle, 'verified');
    expect(await page.locator('.decision h3').textContent()).toContain('REVIEW refund r-2041');
    expect(await page.locator('[data-level]').textContent()).toBe('A3');
    expect(await page.locator('.entry').count()).toBe(9);
    const entry = page.locator('.entry', { hasText: 'Parcel deposited' });
    await entry.locator('summary').click();
    const root = Buffer.from(log.checkpoint(12).root).toString('base64');
    expect(await entry.locator('.hash.root').getAttribute('title')).toBe(root);
    expect(await entry.locator('.path li').count()).toBe(5);
  });

  test('says of each entry what is proved of it, and where a decision counts one for more', async () => {
    await dropAs(page, mixed, 'verified');
    expect(await page.locator('[data-level]').textContent()).toBe('A1');
    expect(await page.locator('[data-reached]').allTextContents()).toEqual([
      'A3, certified by a TPM, and cosigned by an independent witness: entries 7 and 11',
      'A1, signed by a key sealed in a hardware TPM: entry 13',
    ]);
    expect(await page.locator('[data-entry-level]').allTextContents()).toEqual([
      'level A3 anchored and cosigned',
      'level A3 anchored and cosigned',
      'level A1 sealed key',
    ]);
    expect(await page.locator('.above li').allTextContents()).toEqual([
      'gw-0001 #13 counted as A2, anchored; proved here: A1, sealed key',
    ]);
    await dropAs(page, bundle, 'verified');
    expect(await page.locator('.above').count()).toBe(0);
  });

  test('shows hostile texts of scans, actors, questions and file names as text', async () => {
    await dropAs(page, { name: '<img src=x onerror="window.pwned=1">.bundle', bytes: bundle.bytes }, 'verified');
    for (const summary of await page.locator('.entry summary').all()) await summary.click();
    const text = await page.locator('#page').textContent();
    // The question, a reason, an actor, a scan, a tamper's detail, and the file's name twice.
    expect((text ?? '').split('onerror="window.pwned=1"').length - 1).toBeGreaterThanOrEqual(7);
    expect(await page.locator('img, body script:not(#script)').count()).toBe(0);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
  });

  test('says that nothing can be told without trust, and what a policy lacks', async () => {
    const { page: bare, close } = await openPage(browser, 'verify.html');
    await drop(bare, bundle);
    await judgedAs(bare, 'cannot_tell');
    expect(await bare.locator('[data-reason]').textContent()).toBe('no_trust');
    await bare
      .locator('#policy')
      .setInputFiles({ name: 'p.json', mimeType: '', buffer: Buffer.from('{"v":2,"logs":[]}') });
    await bare.getByRole('alert').getByText('v: expected the version 1, found 2').waitFor();
    await close();
  });

  test('is used by keyboard alone', async () => {
    const { page: bare, close } = await openPage(browser, 'verify.html');
    await bare.bringToFront();
    // Before the keys: the browser must know that the chooser is to be told of, not shown.
    const chooser = bare.waitForEvent('filechooser');
    await bare.keyboard.press('Tab');
    await bare.locator('#evidence:focus').waitFor({ state: 'attached' });
    await bare.keyboard.press('Enter');
    await (await chooser).setFiles({ name: bundle.name, mimeType: '', buffer: Buffer.from(bundle.bytes) });
    await judgedAs(bare, 'cannot_tell');
    await bare.locator('#evidence').focus();
    await bare.keyboard.press('Tab');
    await bare.keyboard.press('Tab');
    await bare.keyboard.press('Enter');
    await bare.keyboard.press('Tab');
    await bare.keyboard.type(vkeyText(log));
    await bare.keyboard.press('Enter');
    await judgedAs(bare, 'verified');
    expect(await bare.locator('.result').getAttribute('aria-live')).toBe('polite');
    await close();
  });

  test('cannot open a connection, whatever would run in it', async () => {
    const { page: bare, close } = await openPage(browser, 'verify.html');
    const refused = await bare.evaluate(`new Promise((resolve) => {
      addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
      // What was refused is told after the answer, and long before this.
      const told = () => setTimeout(() => resolve('nothing was refused'), ${REFUSAL_TOLD_MS});
      fetch('http://127.0.0.1:9/').then(told, told);
    })`);
    expect(refused).toBe('connect-src');
    await close();
  });
});

describe('the page as a file', () => {
  test('names nothing outside of itself, and is small', () => {
    const text = readFileSync(pageFile('verify.html'), 'utf8');
    const [head = ''] = text.split('<script');
    expect(head).toContain("default-src 'none'; script-src 'sha256-");
    expect(text).not.toMatch(/<(?:link|img|iframe)\b|<script[^>]* src=|@import|url\(/);
    expect(statSync(pageFile('verify.html')).size).toBeLessThan(400_000);
  });
});

describe('the look of the page', () => {
  let opened: OpenedPage;
  beforeAll(async () => {
    opened = await openPage(browser, 'verify.html');
    await opened.page.evaluate(axe.source);
  });
  afterAll(() => opened.close());

  test.each([
    ['empty', async () => undefined],
    ['verified', showOpen],
    ['refuted', (page: Page) => dropAs(page, flipped, 'refuted')],
    ['above', (page: Page) => dropAs(page, mixed, 'verified')],
    ['export', (page: Page) => dropAs(page, exported, 'verified')],
  ] as const)(
    '%s: keeps nobody out and cuts nothing off, on a phone and a desktop, in the light and the dark',
    async (state, reach) => {
      const { page } = opened;
      await reach(page);
      for (const width of [390, 1_280]) {
        await page.setViewportSize({ width, height: 900 });
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          await keepPicture(page, `${width}-${colorScheme}-${state}`);
          const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
          expect(wide, `${width} ${colorScheme}`).toBeLessThanOrEqual(0);
          // What is laid out differs with the width, and contrast with the colours: two of the four see both.
          if ((width === 390) === (colorScheme === 'light')) expect(await seriousFindings(page)).toEqual([]);
        }
      }
    },
  );
});

async function showOpen(page: Page): Promise<void> {
  await dropAs(page, bundle, 'verified');
  await page.locator('.entry summary').nth(4).click();
  await page.locator('.path').waitFor();
}

let dropped = 0;

/** Each time under another name, by which the new verdict is told from one that still stands there. */
async function dropAs(page: Page, { name, bytes }: DroppedFile, outcome: string): Promise<void> {
  dropped += 1;
  const file = { name: `${dropped} ${name}`, bytes };
  await drop(page, file, policy);
  await page.locator(`[data-outcome="${outcome}"] .file-line`, { hasText: file.name }).waitFor();
}

async function judgedAs(page: Page, outcome: string): Promise<void> {
  await page.locator(`[data-outcome="${outcome}"]`).waitFor();
}

async function shownVerdict(page: Page): Promise<unknown> {
  return JSON.parse((await page.locator('[data-json]').textContent()) ?? '');
}

/** What the command's code says, with two implementations of the cryptography; through JSON, as it is shown. */
function expected(bytes: Uint8Array): unknown {
  const parsed = parsePolicy(nodeCrypto, policyBytes);
  if (!parsed.ok) throw new Error('a policy');
  return JSON.parse(
    JSON.stringify(verifyBytes(bytes, { cryptos: [nodeCrypto, portableCrypto()], policy: parsed.value })),
  );
}
