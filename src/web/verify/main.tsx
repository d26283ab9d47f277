/**
 * The page, and its worker: one script is both, since the page is one file and the worker is made of the same text. In
 * a page there is a document; in a worker there is none.
 */
import { render } from 'preact';
import { App } from './app.tsx';
import './verify.css';
import { serve } from './worker-link.ts';

if (typeof document === 'undefined') {
  serve();
} else {
  const place = document.getElementById('page');
  const script = document.getElementById('script')?.textContent ?? '';
  if (place !== null) render(<App script={script} />, place);
}
