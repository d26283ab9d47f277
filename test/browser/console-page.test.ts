import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CODE, PASSWORD } from './support/console-server.ts';
import { calmView, entries, entry, HOSTILE, hostileView, largeView, troubledView } from './support/console-views.ts';
import { ConsoleVisit, NEWEST } from './support/console-visit.ts';

const visit = new ConsoleVisit();

describe('the console by keyboard alone', () => {
  beforeAll(async () => {
    await visit.open();
    await visit.page.bringToFront();
  });
  afterAll(() => visit.close());

  test('a wrong password is said, and a right one leads to the site', async () => {
    await visit.page.locator('input[name=person]:focus').waitFor();
    await visit.page.keyboard.type('t-114');
    await visit.page.keyboard.press('Tab');
    await visit.page.keyboard.type('wrong');
    await visit.page.keyboard.press('Enter');
    await visit.page.getByRole('alert').getByText('Person or password are not known here.').waitFor();
    await visit.page.locator('input[name=password]:focus').waitFor();
    await visit.page.keyboard.type(PASSWORD);
    await visit.page.keyboard.press('Enter');
    await visit.page.getByRole('heading', { name: 'Site' }).waitFor();
    expect(await visit.page.title()).toBe('Site · Latchkey console');
  });

  test('the first stop skips to the page, and a page that is gone to has the focus', async () => {
    await visit.page.keyboard.press('Tab');
    await visit.page.locator('.skip:focus').waitFor();
    await visit.page.keyboard.press('Enter');
    await visit.page.locator('main:focus').waitFor();
    await visit.page.getByRole('link', { name: 'Health' }).focus();
    await visit.page.keyboard.press('Enter');
    await visit.page.locator('h1:focus', { hasText: 'Health' }).waitFor();
    await visit.page.goBack();
    await visit.page.locator('h1:focus', { hasText: 'Site' }).waitFor();
  });

  test('a door is opened: its sheet, the question, the second factor, what came of it, and back to its tile', async () => {
    await visit.page.locator('[data-compartment=A2]').focus();
    await visit.page.keyboard.press('Enter');
    await visit.page.locator('h2:focus', { hasText: 'Compartment A2' }).waitFor();
    await visit.page.keyboard.press('Tab');
    await visit.page.locator('.close:focus').waitFor();
    await visit.page.keyboard.press('Tab');
    await visit.page.keyboard.press('Enter');
    await visit.page.locator('button:focus', { hasText: 'Open A2 now' }).waitFor();
    await visit.page.keyboard.press('Enter');
    await visit.page.locator('input[name=code]:focus').waitFor();
    await visit.page.keyboard.type('000000');
    await visit.page.keyboard.press('Enter');
    await visit.page.getByRole('alert').getByText('The code is wrong, or was used before.').waitFor();
    expect(visit.server.acts).toEqual([]);
    await visit.page.keyboard.type(CODE);
    await visit.page.keyboard.press('Enter');
    await visit.page.getByRole('status').getByText('Opened after 0.4 s.').waitFor();
    expect(visit.server.acts).toEqual([{ verb: 'open', compartment: 'A2' }]);
    // What came of it stays, although an open door is not to be opened.
    const calm = calmView();
    const isOpen = (name: string) => (name === 'A2' ? { door: 'open' as const } : {});
    visit.server.show({
      view: { ...calm, compartments: calm.compartments.map((each) => ({ ...each, ...isOpen(each.name) })) },
    });
    await visit.page.locator('.sheet-door.open').waitFor();
    // The button that had the focus is gone: what came of it has it.
    await visit.page.locator('.act-told:focus').waitFor();
    expect(await visit.page.locator('dialog .act-told .told').first().textContent()).toBe('Opened after 0.4 s.');
    expect(await visit.page.getByRole('button', { name: 'Open A2' }).count()).toBe(0);
    await visit.page.keyboard.press('Escape');
    await visit.page.locator('[data-compartment=A2]:focus').waitFor();
    expect(await visit.page.evaluate('location.hash')).toBe('#site');
  });
});

describe('what a technician sees', () => {
  visit.pageOfOnesOwn('t-114');
  beforeEach(() => visit.go('site'));

  test('an event and what it changes show at once, and a new problem is said to a screen reader', async () => {
    visit.server.tell(entry(NEWEST));
    await visit.page.locator(`.stream [data-n="${NEWEST}"]`).waitFor();
    const view = troubledView();
    visit.server.show({ view });
    await visit.page.locator('[data-compartment=A6]', { hasText: 'problem' }).waitFor();
    await visit.page
      .locator('[data-news]', { hasText: 'New problem: The door of A6 was forced' })
      .waitFor({ state: 'attached' });
    visit.server.show({ view: calmView() });
    await visit.page.locator('[data-news]', { hasText: 'All problems are over.' }).waitFor({ state: 'attached' });
    await visit.see('Everything works.');
  });

  test('each finding stands with its remedy, and what is unknown with its reason', async () => {
    const view = troubledView();
    visit.server.show({ view });
    await visit.page.getByRole('button', { name: /more findings/ }).click();
    const shown = (await visit.page.locator('.findings').textContent()) ?? '';
    expect(view.findings.length).toBeGreaterThan(8);
    for (const { text, remedy } of view.findings) {
      // Its first letter is made great.
      expect(shown).toContain(text.slice(1));
      expect(shown).toContain(remedy.slice(1));
    }
    await visit.page.locator('[data-compartment=A10]', { hasText: 'its contact was not commissioned' }).waitFor();
    await visit.page.locator('.board', { hasText: 'The board bank-b does not answer since 14:02.' }).waitFor();
    await visit.go('devices');
    await visit.page
      .locator('[data-device=bank-b]', { hasText: 'Look at its power and its place on the line' })
      .waitFor();
    // The bound is of boards that answer: this line has one that does not.
    await visit.see(/while all answer, no door is unseen for longer than 0\.4 s/);
    await visit.go('health');
    for (const words of [
      '212 behind',
      'costs 4 events',
      'the events of the last 50 ms, and of one write',
      'at least 20 years',
      'let UDP port 123 out',
      'entries of a closed log can never leave',
      'no answer within 5 s',
    ]) {
      await visit.see(words);
    }
    visit.server.show({ view: calmView() });
  });

  test('noise says which line it is on, and of what kind', async () => {
    const data = { port: 'bus-1', since_up_ms: 1, timeouts: 2, checksum_errors: 3, echoes: 0 };
    visit.server.show({ entries: [{ ...entry(NEWEST), type: 'line.noisy', event: { data } }] });
    await visit.go('journal');
    await visit.page.locator('.row', { hasText: 'bus-1 · without answer: 2 · damaged frames: 3' }).waitFor();
    visit.server.show({ entries: entries(NEWEST, NEWEST) });
    await visit.go('site');
  });

  test('the journal goes back page by page, is filtered, and shows a whole event and what stands over it', async () => {
    await visit.go('journal');
    await visit.page.locator('.row').nth(49).waitFor();
    await visit.page.getByRole('button', { name: 'Older entries' }).click();
    await visit.page.locator('.row').nth(99).waitFor();
    await visit.page.getByLabel('Type').selectOption('door.forced');
    await visit.see(/entries of the newest \d+ match/);
    const titles = await visit.page.locator('.row-title').allTextContents();
    expect(titles.length).toBeGreaterThan(2);
    expect(new Set(titles)).toEqual(new Set(['Door forced']));
    await visit.page.locator('.row-head').first().click();
    await visit.see(/Every store has it and said so with its own signature/);
    await visit.see('The whole event, as it was signed');
    expect(await visit.page.locator('.row pre').textContent()).toContain('"err_ms": 11');
    // In words, with the word of the journal beside them for whoever searches a log.
    const forced = visit.page.locator('.row.is-open');
    await forced.locator('.row-detail', { hasText: 'it opened, and nobody had been let in' }).waitFor();
    expect(await forced.locator('.row-detail-all dd code').textContent()).toBe('opened_without_access');
    expect(await forced.locator('.row-detail-all p code').textContent()).toBe('door.forced');
    await visit.page.getByLabel('Type').selectOption('parcel.deposited');
    await visit.page.locator('.row-head').first().click();
    const episode = visit.page.locator('.row.is-open .row-detail-all');
    for (const words of ['the door was shut', 'with a code at the keypad', 'weight afterwards', '5.41 kg', 'a photo']) {
      await episode.getByText(words).first().waitFor();
    }
    // What a person wrote is no word of the program.
    await visit.page.getByLabel('Type').selectOption('maintenance.opened');
    await visit.page
      .locator('.row-detail', { hasText: /^update$/ })
      .first()
      .waitFor();
    // Above what is receipted and anchored, by the numbers of the view.
    await visit.page.getByLabel('Type').selectOption('code.scanned');
    expect(await visit.page.locator('.row .dots').first().textContent()).toBe('Signed');
  });

  test('while the gateway is away its last word is marked as old, and what was missed is there afterwards', async () => {
    await visit.server.stop();
    await visit.see(/No news from the gateway since/);
    await visit.page.locator('main.is-old').waitFor();
    // Nobody knows whether it still does.
    await visit.see('Everything worked when the gateway was last heard.');
    visit.server.shown.entries = [entry(NEWEST + 1), entry(NEWEST), ...entries(NEWEST, NEWEST)];
    await visit.server.start();
    await visit.page.locator(`.stream [data-n="${NEWEST + 1}"]`).waitFor();
    await visit.page.locator('main:not(.is-old)').waitFor();
    expect(await visit.page.getByText(/No news from the gateway/).count()).toBe(0);
  });

  test('of two hundred doors those that are looked for are shown', async () => {
    visit.server.show({ view: largeView() });
    await visit.go('site');
    await visit.page.locator('.tile').nth(199).waitFor();
    await visit.page.getByLabel('Find a door').fill('bank-3 OPEN');
    await visit.page.getByRole('status').getByText('1 of 200 doors').waitFor();
    expect(await visit.page.locator('.tile').allTextContents()).toEqual([expect.stringContaining('L44')]);
    await visit.page.getByLabel('Find a door').fill('');
    await visit.page.locator('.tile').nth(199).waitFor();
    visit.server.show({ view: calmView() });
    await visit.page.getByLabel('Find a door').waitFor({ state: 'detached' });
  });

  test('a clock that is wrong by a day, and a scan that turns its text around, are shown as they are', async () => {
    const calm = calmView();
    const scanned = { text: 'p-\u202e12345', agoMs: 1_000 };
    const lines = calm.lines.map((line) => ({
      ...line,
      devices: line.devices.map((device) => (device.name === 'scanner-1' ? { ...device, lastScan: scanned } : device)),
    }));
    visit.server.show({ view: { ...calm, lines, at: new Date(Date.now() - 86_400_000).toISOString() } });
    await visit.go('health');
    await visit.page
      .getByRole('region', { name: 'Clock' })
      .getByText(/^It is (1 d|23 h \d+ min) behind the device/)
      .waitFor();
    await visit.go('devices');
    await visit.page.locator('[data-device=scanner-1]').getByText('p-[U+202E]12345').waitFor();
    visit.server.show({ view: calm });
    await visit.go('health');
    await visit.page.getByText(/behind the device/).waitFor({ state: 'detached' });
    await visit.go('site');
  });

  test('enlarged to four times, the bars give way to what is between them; still motion means no motion', async () => {
    const size = visit.page.viewportSize() ?? { width: 1_280, height: 720 };
    await visit.page.setViewportSize({ width: 320, height: 256 });
    await visit.page.emulateMedia({ reducedMotion: 'reduce' });
    await visit.go('site/A2');
    await visit.page.getByRole('dialog').waitFor();
    expect(await visit.page.evaluate('document.getAnimations().length')).toBe(0);
    const bars = `['.top', '.pages'].map((each) => getComputedStyle(document.querySelector(each)).position)`;
    expect(await visit.page.evaluate(bars)).toEqual(['static', 'static']);
    expect(await visit.page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    await visit.page.keyboard.press('Escape');
    await visit.page.setViewportSize(size);
    await visit.page.emulateMedia({ reducedMotion: null });
  });

  test('a session that ends leads to the sign-in, which says so', async () => {
    visit.server.endSession();
    await visit.see('Your session has ended. Sign in again.');
    await visit.signIn('t-114');
    await visit.page.getByRole('button', { name: 'Sign out' }).click();
    await visit.see('You are signed out.');
    await visit.signIn('t-114');
  });
});

describe('what a viewer sees', () => {
  visit.pageOfOnesOwn('v-2');

  test('nothing that acts', async () => {
    visit.server.show({ view: troubledView() });
    for (const place of ['site', 'site/A2', 'devices', 'health']) {
      await visit.go(place);
      await visit.see(/viewer looks|as a viewer|A technician commissions|gw-0007, version/);
      const words = /Open A2|Stop openings|Resume|Recount|Commission|Pair|Begin|^End/;
      expect(await visit.page.getByRole('button', { name: words }).count(), place).toBe(0);
    }
  });
});

describe('hostile texts', () => {
  visit.pageOfOnesOwn('admin-1');

  test('of scans, devices, events and names are shown as texts on every page', async () => {
    visit.server.show({ view: hostileView(), entries: entries(NEWEST, 40, true) });
    await visit.page.reload();
    for (const place of ['site', `site/${encodeURIComponent(HOSTILE)}`, 'journal', 'devices', 'health']) {
      await visit.go(place);
      await visit.page
        .locator('main, dialog')
        .getByText('onerror="window.pwned=1"')
        .filter({ visible: true })
        .first()
        .waitFor();
      if (place === 'journal') await visit.page.locator('.row-head').first().click();
      expect(await visit.page.locator('img, body script').count(), place).toBe(0);
    }
  });

  test('an address that is none leads to the site', async () => {
    visit.server.show({ view: calmView() });
    await visit.go('%E0%A4%A/x');
    await visit.page.getByRole('heading', { name: 'Site' }).waitFor();
    await visit.go('site/nowhere');
    expect(await visit.page.getByRole('dialog').count()).toBe(0);
  });
});
