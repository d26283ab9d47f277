/** Name and password. The second factor is asked for when something is to be done, not here. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SessionView } from '../../edge/contracts/console-view.ts';
import { signIn, textOf } from './api.ts';
import { KeyMark } from './icons.tsx';

export function SignIn({
  note,
  onSignedIn,
}: {
  readonly note: string | undefined;
  readonly onSignedIn: (session: SessionView) => void;
}) {
  const [wrong, setWrong] = useState<string | undefined>();
  const [isBusy, setBusy] = useState(false);
  const person = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'Sign in · Latchkey console';
    person.current?.focus();
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setWrong(undefined);
    try {
      onSignedIn(await signIn(person.current?.value.trim() ?? '', password.current?.value ?? ''));
    } catch (error) {
      setBusy(false);
      setWrong(textOf(error));
      if (password.current !== null) password.current.value = '';
      password.current?.focus();
    }
  };
  return (
    <main class="alone">
      <form class="card sign-in" onSubmit={submit}>
        <p class="brand">
          <KeyMark /> Latchkey
        </p>
        <h1>Sign in</h1>
        <p class="hint">The console of this gateway. It works without the internet.</p>
        {note !== undefined && (
          <p class="told unsure" role="status">
            {note}
          </p>
        )}
        <label>
          Name
          <input ref={person} type="text" name="person" autocomplete="username" autocapitalize="none" required />
        </label>
        <label>
          Password
          <input ref={password} type="password" name="password" autocomplete="current-password" required />
        </label>
        <div role="alert">{wrong !== undefined && <p class="told bad">{wrong}</p>}</div>
        <button class="button" type="submit" aria-disabled={isBusy}>
          {isBusy ? 'Looking…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
