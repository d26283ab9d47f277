import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keepPicture, type OpenedPage, openAt, seriousFindings, startBrowser } from './browser.ts';
import { CODE, ConsoleServer, PASSWORD } from './support/console-server.ts';
import { acted, calmView, entries, entry, HOSTILE, hostileView, troubledView } from './support/console-views.ts';

const NEWEST = 1_204;
const OPENED = { result: 'opened', tookMs: 412 } as const;

let browser: Browser;
let server: ConsoleServer;
let opened: OpenedPage;
let page: Page;

beforeAll(async () => {
  browser = await startBrowser();
  server = new ConsoleServer({ view: calmView(), entries: entries(NEWEST, NEWEST), answer: OPENED, walk: [] });
  await server.start();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page of its own for each block, and whatever a test did: it asked its own server alone, and ran nothing of others. */
function pageOfOnesOwn(person: string): void {
  beforeAll(async () => {
    server.show({ view: calmView(), entries: entries(NEWEST, NEWEST) });
    opened = await openAt(browser, server.url);
    page = opened.page;
    await signIn(person);
  });
  afterAll(async () => {
    expect(opened.requests.filter((url) => !url.startsWith(server.url) && !url.startsWith('data:image/svg'))).toEqual(
      [],
    );
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    // A browser notes each answer that is not 2xx, and each connection that broke.
    expect(opened.complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
    await opened.close();
  });
}

async function signIn(person: string): Promise<void> {
  await page.getByLabel('Name').fill(person);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

async function go(to: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(to)}`);
}

async function see(text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor();
}

describe('the console by keyboard alone', () => {
  beforeAll(async () => {
    server.show({ view: calmView(), entries: entries(NEWEST, NEWEST) });
    opened = await openAt(browser, server.url);
    page = opened.page;
    await page.bringToFront();
  });
  afterAll(() => opened.close());

  test('a wrong password is said, and a right one leads to the site', async () => {
    await page.locator('input[name=person]:focus').waitFor();
    await page.keyboard.type('t-114');
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('Person or password are not known here.').waitFor();
    await page.locator('input[name=password]:focus').waitFor();
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Site' }).waitFor();
    expect(await page.title()).toBe('Site · Latchkey console');
  });

  test('the first stop skips to the page, and a page that is gone to has the focus', async () => {
    await page.keyboard.press('Tab');
    await page.locator('.skip:focus').waitFor();
    await page.keyboard.press('Enter');
    await page.locator('main:focus').waitFor();
    await page.getByRole('link', { name: 'Health' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('h1:focus', { hasText: 'Health' }).waitFor();
    await page.goBack();
    await page.locator('h1:focus', { hasText: 'Site' }).waitFor();
  });

  test('a door is opened: its sheet, the question, the second factor, what came of it, and back to its tile', async () => {
    await page.locator('[data-compartment=A2]').focus();
    await page.keyboard.press('Enter');
    await page.locator('h2:focus', { hasText: 'Compartment A2' }).waitFor();
    await page.keyboard.press('Tab');
    await page.locator('.close:focus').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('button:focus', { hasText: 'Open A2 now' }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('input[name=code]:focus').waitFor();
    await page.keyboard.type('000000');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The code is wrong, or was used before.').waitFor();
    expect(server.acts).toEqual([]);
    await page.keyboard.type(CODE);
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Opened after 0.4 s.').waitFor();
    expect(server.acts).toEqual([{ verb: 'open', compartment: 'A2' }]);
    // What came of it stays, although an open door is not to be opened.
    const calm = calmView();
    const isOpen = (name: string) => (name === 'A2' ? { door: 'open' as const } : {});
    server.show({
      view: { ...calm, compartments: calm.compartments.map((each) => ({ ...each, ...isOpen(each.name) })) },
    });
    await page.locator('.sheet-door.open').waitFor();
    // The button that had the focus is gone: what came of it has it.
    await page.locator('.act-told:focus').waitFor();
    expect(await page.locator('dialog .act-told .told').first().textContent()).toBe('Opened after 0.4 s.');
    expect(await page.getByRole('button', { name: 'Open A2' }).count()).toBe(0);
    await page.keyboard.press('Escape');
    await page.locator('[data-compartment=A2]:focus').waitFor();
    expect(await page.evaluate('location.hash')).toBe('#site');
  });
});

describe('what a technician sees', () => {
  pageOfOnesOwn('t-114');
  beforeEach(() => go('site'));

  test('an event and what it changes show at once, and a new problem is said to a screen reader', async () => {
    server.tell(entry(NEWEST));
    await page.locator(`.stream [data-n="${NEWEST}"]`).waitFor();
    const view = troubledView();
    server.show({ view });
    await page.locator('[data-compartment=A6]', { hasText: 'problem' }).waitFor();
    await page
      .locator('[data-news]', { hasText: 'New problem: The door of A6 was forced' })
      .waitFor({ state: 'attached' });
    server.show({ view: calmView() });
    await page.locator('[data-news]', { hasText: 'All problems are over.' }).waitFor({ state: 'attached' });
    await see('Everything works.');
  });

  test('each finding stands with its remedy, and what is unknown with its reason', async () => {
    const view = troubledView();
    server.show({ view });
    await page.getByRole('button', { name: /more findings/ }).click();
    const shown = (await page.locator('.findings').textContent()) ?? '';
    expect(view.findings.length).toBeGreaterThan(8);
    for (const { text, remedy } of view.findings) {
      // Its first letter is made great.
      expect(shown).toContain(text.slice(1));
      expect(shown).toContain(remedy.slice(1));
    }
    await page.locator('[data-compartment=A10]', { hasText: 'its contact was not commissioned' }).waitFor();
    await page.locator('.board', { hasText: 'The board bank-b does not answer since 14:02.' }).waitFor();
    await go('devices');
    await page.locator('[data-device=bank-b]', { hasText: 'Look at its power and its place on the line' }).waitFor();
    await go('health');
    for (const words of [
      '212 behind',
      'costs 4 events',
      'at least 20 years',
      'let UDP port 123 out',
      'entries of a closed log can never leave',
      'no answer within 5 s',
    ]) {
      await see(words);
    }
    server.show({ view: calmView() });
  });

  test('the journal goes back page by page, is filtered, and shows a whole event and what stands over it', async () => {
    await go('journal');
    await page.locator('.row').nth(49).waitFor();
    await page.getByRole('button', { name: 'Older entries' }).click();
    await page.locator('.row').nth(99).waitFor();
    await page.getByLabel('Type').selectOption('door.forced');
    await see(/entries of the newest \d+ match/);
    const titles = await page.locator('.row-title').allTextContents();
    expect(titles.length).toBeGreaterThan(2);
    expect(new Set(titles)).toEqual(new Set(['Door forced']));
    await page.locator('.row-head').first().click();
    await see(/Every store has it and said so with its own signature/);
    await see('The whole event, as it was signed');
    expect(await page.locator('.row pre').textContent()).toContain('"err_ms": 11');
    // In words, with the word of the journal beside them for whoever searches a log.
    const forced = page.locator('.row.is-open');
    await forced.locator('.row-detail', { hasText: 'it opened, and nobody had been let in' }).waitFor();
    expect(await forced.locator('.row-detail-all dd code').textContent()).toBe('opened_without_access');
    expect(await forced.locator('.row-detail-all p code').textContent()).toBe('door.forced');
    await page.getByLabel('Type').selectOption('parcel.deposited');
    await page.locator('.row-head').first().click();
    const episode = page.locator('.row.is-open .row-detail-all');
    for (const words of ['the door was shut', 'with a code at the keypad', 'weight afterwards', '5.41 kg', 'a photo']) {
      await episode.getByText(words).first().waitFor();
    }
    // What a person wrote is no word of the program.
    await page.getByLabel('Type').selectOption('maintenance.opened');
    await page
      .locator('.row-detail', { hasText: /^update$/ })
      .first()
      .waitFor();
    // Above what is receipted and anchored, by the numbers of the view.
    await page.getByLabel('Type').selectOption('code.scanned');
    expect(await page.locator('.row .dots').first().textContent()).toBe('Signed');
  });

  test('a commissioning says what to do at each step, and what was seen', async () => {
    const step = (word: string) => ({ step: { compartment: 'A10', step: word } });
    const seen = { step: { compartment: 'A10', verdict: 'commissioned', polarity: 'closed_is_1' } };
    server.show({
      view: troubledView(),
      walk: [step('looking'), step('open'), undefined, step('close'), undefined, seen, { done: { doors: 1 } }],
    });
    await go('devices');
    await page.getByRole('button', { name: 'Commission A10' }).click();
    await page.getByRole('button', { name: 'All doors are shut, begin' }).click();
    await giveCode();
    await see('Open this door');
    server.goOn();
    await see('Now shut it');
    server.goOn();
    await see('Commissioned: it was seen closed, open and closed, and signed.');
    await page.getByRole('button', { name: 'Done' }).click();
    server.show({ view: calmView() });
  });

  test('what broke off a walk is said', async () => {
    server.show({
      view: calmView(),
      walk: [{ step: { step: 'waking it' } }, { error: { code: 'TIMED_OUT', message: 'no answer' } }],
    });
    await go('devices');
    await page.getByRole('button', { name: 'Pair lock-1' }).click();
    await page.getByRole('button', { name: 'Pair', exact: true }).click();
    await page.getByRole('alert').getByText('no answer (TIMED_OUT)').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  test('a refusal is a sentence that says why', async () => {
    server.show({ answer: { result: 'refused', reason: 'interlock' } });
    await go('site/A2');
    await page.getByRole('button', { name: 'Open A2' }).click();
    await page.getByRole('button', { name: 'Open A2 now' }).click();
    await see('Refused. As many doors stand open as may at once. Shut one first.');
    await page.locator('button:focus', { hasText: 'Open A2' }).waitFor();
    server.show({ answer: OPENED });
  });

  test('what came of beginning and ending maintenance is said, and has the focus when its button is gone', async () => {
    const calm = calmView();
    const window = { id: 'w-9', by: 't-114', compartments: ['A2'] };
    const told = (text: RegExp) => page.locator('.act-told:focus', { hasText: text }).waitFor();
    server.show({ answer: { result: 'opened' } });
    await go('site/A2');
    await page.getByRole('button', { name: 'Begin', exact: true }).click();
    await page.getByRole('button', { name: 'Begin maintenance' }).click();
    await page.getByRole('status').getByText('Maintenance of A2 began, until').waitFor();
    server.show({ view: { ...calm, windows: [window] }, answer: { result: 'closed' } });
    await told(/^Maintenance of A2 began, until \d\d:\d\d( on \w+)?\.$/);
    await page.getByRole('button', { name: 'End maintenance' }).click();
    await page.locator('.sure').getByRole('button', { name: 'End maintenance' }).click();
    await page.getByRole('status').getByText('Maintenance ended: custody counts again.').waitFor();
    server.show({ view: calm });
    await told(/^Maintenance ended/);
    // What was read there is not said again.
    await page.keyboard.press('Escape');
    await go('site/A2');
    await page.locator('h2:focus', { hasText: 'Compartment A2' }).waitFor();
    expect(await page.locator('.told').count()).toBe(0);
    server.show({ answer: OPENED });
  });

  test('of an act whose connection broke the journal says what came of it, also when its sheet is closed', async () => {
    server.show({ cutsActs: true });
    await go('site/A2');
    await page.getByRole('button', { name: 'Open A2' }).click();
    await page.getByRole('button', { name: 'Open A2 now' }).click();
    await page.getByRole('status').getByText('Looking in its journal').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.told-elsewhere', { hasText: /^Compartment A2: The connection broke.*Looking/ }).waitFor();
    const next = (server.shown.entries[0]?.n ?? 0) + 1;
    const others = [acted(next, 't-115', 'open', 'A2', 'opened'), acted(next + 1, 't-114', 'open', 'A3', 'opened')];
    const own = acted(next + 2, 't-114', 'open', 'A2', 'refused');
    server.shown.entries = [own, ...others.reverse(), ...server.shown.entries];
    await page.locator('.told-elsewhere', { hasText: 'but the journal has what came of it: Refused.' }).waitFor();
    await page.locator('.told-elsewhere').getByRole('button', { name: 'Close' }).click();
    await page.locator('.told-elsewhere').waitFor({ state: 'detached' });
    server.show({ cutsActs: false });
  });

  test('a walk whose connection broke is looked for, too', async () => {
    const next = (server.shown.entries[0]?.n ?? 0) + 1;
    server.show({ view: troubledView(), walk: [{ step: { compartment: 'A10', step: 'close' } }, undefined, 'cut'] });
    await go('devices');
    await page.getByRole('button', { name: 'Commission A10' }).click();
    await page.getByRole('button', { name: 'All doors are shut, begin' }).click();
    await page.locator('.walk-now:focus', { hasText: 'Now shut it' }).waitFor();
    server.shown.entries = [acted(next, 't-114', 'commission', 'A10', 'commissioned'), ...server.shown.entries];
    server.goOn();
    await page.getByRole('status').getByText('but the journal has it: A10 is commissioned.').waitFor();
    await page.locator('button:focus', { hasText: 'Done' }).click();
    server.show({ view: calmView() });
  });

  test('while the gateway is away its last word is marked as old, and what was missed is there afterwards', async () => {
    await server.stop();
    await see(/No news from the gateway since/);
    await page.locator('main.is-old').waitFor();
    server.shown.entries = [entry(NEWEST + 1), entry(NEWEST), ...entries(NEWEST, NEWEST)];
    await server.start();
    await page.locator(`.stream [data-n="${NEWEST + 1}"]`).waitFor();
    await page.locator('main:not(.is-old)').waitFor();
    expect(await page.getByText(/No news from the gateway/).count()).toBe(0);
  });

  test('a session that ends leads to the sign-in, which says so', async () => {
    server.endSession();
    await see('Your session has ended. Sign in again.');
    await signIn('t-114');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await see('You are signed out.');
    await signIn('t-114');
  });
});

/** The second factor counts for the session: it may have been given before. */
async function giveCode(): Promise<void> {
  const code = page.getByLabel('Code');
  const begun = page.locator('.walk-step');
  await code.or(begun).first().waitFor();
  if ((await code.count()) === 0) return;
  await code.fill(CODE);
  await page.getByRole('button', { name: 'Continue' }).click();
}

describe('what a viewer sees', () => {
  pageOfOnesOwn('v-2');

  test('nothing that acts', async () => {
    server.show({ view: troubledView() });
    for (const place of ['site', 'site/A2', 'devices', 'health']) {
      await go(place);
      await see(/viewer looks|as a viewer|A technician commissions|gw-0007, version/);
      const words = /Open A2|Stop openings|Resume|Recount|Commission|Pair|Begin|^End/;
      expect(await page.getByRole('button', { name: words }).count(), place).toBe(0);
    }
  });
});

describe('hostile texts', () => {
  pageOfOnesOwn('admin-1');

  test('of scans, devices, events and names are shown as texts on every page', async () => {
    server.show({ view: hostileView(), entries: entries(NEWEST, 40, true) });
    await page.reload();
    for (const place of ['site', `site/${encodeURIComponent(HOSTILE)}`, 'journal', 'devices', 'health']) {
      await go(place);
      await page
        .locator('main, dialog')
        .getByText('onerror="window.pwned=1"')
        .filter({ visible: true })
        .first()
        .waitFor();
      if (place === 'journal') await page.locator('.row-head').first().click();
      expect(await page.locator('img, body script').count(), place).toBe(0);
    }
  });

  test('an address that is none leads to the site', async () => {
    server.show({ view: calmView() });
    await go('%E0%A4%A/x');
    await page.getByRole('heading', { name: 'Site' }).waitFor();
    await go('site/nowhere');
    expect(await page.getByRole('dialog').count()).toBe(0);
  });
});

/** With `LATCHKEY_TEST_PICTURES`, each look is also kept there as a picture, to be looked at. */
describe('the look of the console', () => {
  pageOfOnesOwn('admin-1');

  test.each([
    ['site', calmView, 'site'],
    ['site-troubled', troubledView, 'site'],
    ['sheet', troubledView, 'site/A6'],
    ['journal', calmView, 'journal'],
    ['devices', troubledView, 'devices'],
    ['health', troubledView, 'health'],
    ['hostile', hostileView, 'devices'],
  ] as const)(
    '%s: keeps nobody out and cuts nothing off, on phones and a desktop, in the light and the dark',
    async (name, view, place) => {
      server.show({ view: view() });
      await go(place);
      await look(name);
    },
  );

  test('sign-in: the same', async () => {
    server.endSession();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await look('sign-in');
    await signIn('admin-1');
  });
});

async function look(name: string): Promise<void> {
  await page.evaluate(axe.source);
  for (const [width, height] of [
    [360, 740],
    [1_440, 900],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await keepPicture(page, `${width}-${colorScheme}-${name}`);
      const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(wide, `${width} ${colorScheme}`).toBeLessThanOrEqual(0);
      // What is laid out differs with the width, and contrast with the colours: two of the four see both.
      if ((width === 360) === (colorScheme === 'light')) expect(await seriousFindings(page)).toEqual([]);
    }
  }
}
