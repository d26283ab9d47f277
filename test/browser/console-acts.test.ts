/** What came of an act at the console: said where it was asked for, with the focus, and looked for when no answer came. */
import { describe, expect, test } from 'vitest';
import { CODE } from './support/console-server.ts';
import { acted, calmView, troubledView } from './support/console-views.ts';
import { ConsoleVisit, OPENED } from './support/console-visit.ts';

const visit = new ConsoleVisit();

/** The second factor counts for the session: it may have been given before. */
async function giveCode(): Promise<void> {
  const code = visit.page.getByLabel('Code');
  const begun = visit.page.locator('.walk-step');
  await code.or(begun).first().waitFor();
  if ((await code.count()) === 0) return;
  await code.fill(CODE);
  await visit.page.getByRole('button', { name: 'Continue' }).click();
}

describe('what a technician does', () => {
  visit.pageOfOnesOwn('t-114');

  test('a commissioning says what to do at each step, and what was seen', async () => {
    const step = (word: string) => ({ step: { compartment: 'A10', step: word } });
    const seen = { step: { compartment: 'A10', verdict: 'commissioned', polarity: 'closed_is_1' } };
    visit.server.show({
      view: troubledView(),
      walk: [step('looking'), step('open'), undefined, step('close'), undefined, seen, { done: { doors: 1 } }],
    });
    await visit.go('devices');
    await visit.page.getByRole('button', { name: 'Commission A10' }).click();
    await visit.page.getByRole('button', { name: 'All doors are shut, begin' }).click();
    await giveCode();
    await visit.see('Open this door');
    visit.server.goOn();
    await visit.see('Now shut it');
    visit.server.goOn();
    await visit.see('Commissioned: it was seen closed, open and closed, and signed.');
    await visit.page.getByRole('button', { name: 'Done' }).click();
    visit.server.show({ view: calmView() });
  });

  test('what broke off a walk is said', async () => {
    visit.server.show({
      view: calmView(),
      walk: [{ step: { step: 'waking it' } }, { error: { code: 'TIMED_OUT', message: 'no answer' } }],
    });
    await visit.go('devices');
    await visit.page.getByRole('button', { name: 'Pair lock-1' }).click();
    await visit.page.getByRole('button', { name: 'Pair', exact: true }).click();
    await visit.page.getByRole('alert').getByText('no answer (TIMED_OUT)').waitFor();
    await visit.page.keyboard.press('Escape');
    await visit.page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  test('a refusal is a sentence that says why', async () => {
    visit.server.show({ answer: { result: 'refused', reason: 'interlock' } });
    await visit.go('site/A2');
    await visit.page.getByRole('button', { name: 'Open A2' }).click();
    await visit.page.getByRole('button', { name: 'Open A2 now' }).click();
    await visit.see('Refused. As many doors stand open as may at once. Shut one first.');
    await visit.page.locator('button:focus', { hasText: 'Open A2' }).waitFor();
    visit.server.show({ answer: OPENED });
  });

  test('what came of beginning and ending maintenance is said, and has the focus when its button is gone', async () => {
    const calm = calmView();
    const window = { id: 'w-9', by: 't-114', compartments: ['A2'] };
    const told = (text: RegExp) => visit.page.locator('.act-told:focus', { hasText: text }).waitFor();
    visit.server.show({ answer: { result: 'opened' } });
    await visit.go('site/A2');
    await visit.page.getByRole('button', { name: 'Begin', exact: true }).click();
    await visit.page.getByRole('button', { name: 'Begin maintenance' }).click();
    await visit.page.getByRole('status').getByText('Maintenance of A2 began, until').waitFor();
    visit.server.show({ view: { ...calm, windows: [window] }, answer: { result: 'closed' } });
    await told(/^Maintenance of A2 began, until \d\d:\d\d( on \w+)?\.$/);
    await visit.page.getByRole('button', { name: 'End maintenance' }).click();
    await visit.page.locator('.sure').getByRole('button', { name: 'End maintenance' }).click();
    await visit.page.getByRole('status').getByText('Maintenance ended: custody counts again.').waitFor();
    visit.server.show({ view: calm });
    await told(/^Maintenance ended/);
    // What was read there is not said again.
    await visit.page.keyboard.press('Escape');
    await visit.go('site/A2');
    await visit.page.locator('h2:focus', { hasText: 'Compartment A2' }).waitFor();
    expect(await visit.page.locator('.told').count()).toBe(0);
    visit.server.show({ answer: OPENED });
  });

  test('of an act whose connection broke the journal says what came of it, also when its sheet is closed', async () => {
    visit.server.show({ cutsActs: true });
    await visit.go('site/A2');
    await visit.page.getByRole('button', { name: 'Open A2' }).click();
    await visit.page.getByRole('button', { name: 'Open A2 now' }).click();
    await visit.page.getByRole('status').getByText('Looking in its journal').waitFor();
    await visit.page.keyboard.press('Escape');
    await visit.page
      .locator('.told-elsewhere', { hasText: /^Compartment A2: The connection broke.*Looking/ })
      .waitFor();
    const next = (visit.server.shown.entries[0]?.n ?? 0) + 1;
    const others = [acted(next, 't-115', 'open', 'A2', 'opened'), acted(next + 1, 't-114', 'open', 'A3', 'opened')];
    const own = acted(next + 2, 't-114', 'open', 'A2', 'refused');
    visit.server.shown.entries = [own, ...others.reverse(), ...visit.server.shown.entries];
    visit.server.show({ cutsActs: false });
    await visit.page.locator('.told-elsewhere', { hasText: 'but the journal has what came of it: Refused.' }).waitFor();
    await visit.page.locator('.told-elsewhere').getByRole('button', { name: 'Close' }).click();
    await visit.page.locator('.told-elsewhere').waitFor({ state: 'detached' });
  });

  test('a walk whose connection broke is looked for, too', async () => {
    const next = (visit.server.shown.entries[0]?.n ?? 0) + 1;
    visit.server.show({
      view: troubledView(),
      walk: [{ step: { compartment: 'A10', step: 'close' } }, undefined, 'cut'],
    });
    await visit.go('devices');
    await visit.page.getByRole('button', { name: 'Commission A10' }).click();
    await visit.page.getByRole('button', { name: 'All doors are shut, begin' }).click();
    await visit.page.locator('.walk-now:focus', { hasText: 'Now shut it' }).waitFor();
    visit.server.shown.entries = [
      acted(next, 't-114', 'commission', 'A10', 'commissioned'),
      ...visit.server.shown.entries,
    ];
    visit.server.goOn();
    await visit.page.getByRole('status').getByText('but the journal has it: A10 is commissioned.').waitFor();
    await visit.page.locator('button:focus', { hasText: 'Done' }).click();
    visit.server.show({ view: calmView() });
  });
});
