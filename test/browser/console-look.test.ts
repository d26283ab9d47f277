import axe from 'axe-core';
import { describe, expect, test } from 'vitest';
import { keepPicture, seriousFindings } from './browser.ts';
import { calmView, hostileView, largeView, troubledView } from './support/console-views.ts';
import { ConsoleVisit } from './support/console-visit.ts';

const visit = new ConsoleVisit();

/** With `LATCHKEY_TEST_PICTURES`, each look is also kept there as a picture, to be looked at. */
describe('the look of the console', () => {
  visit.pageOfOnesOwn('admin-1');

  test.each([
    ['site', calmView, 'site'],
    ['site-troubled', troubledView, 'site'],
    ['site-large', () => largeView(42), 'site'],
    ['sheet', troubledView, 'site/A6'],
    ['journal', calmView, 'journal'],
    ['devices', troubledView, 'devices'],
    ['health', troubledView, 'health'],
    ['hostile', hostileView, 'devices'],
  ] as const)(
    '%s: keeps nobody out and cuts nothing off, on phones and a desktop, in the light and the dark',
    async (name, view, place) => {
      visit.server.show({ view: view() });
      await visit.go(place);
      await look(name);
    },
  );

  test('sign-in: the same', async () => {
    visit.server.endSession();
    await visit.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await look('sign-in');
    await visit.signIn('admin-1');
  });
});

async function look(name: string): Promise<void> {
  await visit.page.evaluate(axe.source);
  for (const [width, height] of [
    [360, 740],
    [1_440, 900],
  ] as const) {
    await visit.page.setViewportSize({ width, height });
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await keepPicture(visit.page, `${width}-${colorScheme}-${name}`);
      const wide = await visit.page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(wide, `${width} ${colorScheme}`).toBeLessThanOrEqual(0);
      // What is laid out differs with the width, and contrast with the colours: two of the four see both.
      if ((width === 360) === (colorScheme === 'light')) expect(await seriousFindings(visit.page)).toEqual([]);
    }
  }
}
