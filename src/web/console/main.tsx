/** The gateway's console in a browser: drawn from what the daemon tells, and from nothing else. */
import { render } from 'preact';
import { App } from './app.tsx';
import './console.css';

const place = document.getElementById('page');
if (place !== null) render(<App />, place);
