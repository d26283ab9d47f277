/** What the reader gives: the evidence, whom he believes, and what else lay beside the file. */
import type { ComponentChildren } from 'preact';
import { sizeText } from './view.ts';

export interface Inputs {
  readonly file?: File;
  readonly policy?: File;
  readonly vkey?: string;
  readonly beside: readonly File[];
}

interface GivenProps {
  readonly inputs: Inputs;
  readonly give: (more: Partial<Inputs>) => void;
}

export function Given({ inputs, give }: GivenProps) {
  const { file, policy, vkey, beside } = inputs;
  return (
    <div class="given">
      <section class="card" aria-labelledby="evidence-title">
        <h2 id="evidence-title">Evidence</h2>
        <FileField
          id="evidence"
          label={file === undefined ? 'Choose a file' : 'Choose another file'}
          hint="A bundle, a batch or an export. Or drop it anywhere on this page; up to 256 MiB."
          onFiles={([first]) => first !== undefined && give({ file: first })}
        >
          {file !== undefined && <Chosen file={file} />}
        </FileField>
      </section>
      <section class="card" aria-labelledby="trust-title">
        <h2 id="trust-title">Whom you believe</h2>
        <FileField
          id="policy"
          label={policy === undefined ? 'Choose a trust policy' : 'Choose another policy'}
          hint="A JSON file from somebody whom you trust. It may be dropped together with the evidence."
          onFiles={([first]) => first !== undefined && give({ policy: first })}
        >
          {policy !== undefined && <Chosen file={policy} />}
        </FileField>
        <details class="more" open={vkey !== undefined && vkey !== ''}>
          <summary>A single key, receipts, enrolment records</summary>
          <label for="vkey">Verifier key of one log</label>
          <input
            id="vkey"
            type="text"
            class="mono"
            autocomplete="off"
            spellcheck={false}
            aria-describedby="vkey-hint"
            value={vkey ?? ''}
            onChange={(event) => give({ vkey: event.currentTarget.value.trim() })}
          />
          <p id="vkey-hint" class="hint">
            As <code>origin+8 hex digits+base64</code>. Counts where no policy is given.
          </p>
          <FileField
            id="beside"
            label="Choose receipts or enrolment records"
            hint="What lay beside the evidence. Each is verified before it counts."
            multiple
            onFiles={(files) => give({ beside: files })}
          >
            {beside.map((each) => (
              <Chosen key={each.name} file={each} />
            ))}
          </FileField>
        </details>
      </section>
    </div>
  );
}

function Chosen({ file }: { readonly file: File }) {
  return (
    <p class="chosen">
      <span class="file-name">{file.name}</span> <span class="size">{sizeText(file.size)}</span>
    </p>
  );
}

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly multiple?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
  readonly children: ComponentChildren;
}

/** The input is there for keyboards and screen readers; its label is what is seen. */
function FileField({ id, label, hint, multiple = false, onFiles, children }: FieldProps) {
  return (
    <div class="field">
      <div aria-live="polite">{children}</div>
      <input
        id={id}
        type="file"
        class="file"
        multiple={multiple}
        aria-describedby={`${id}-hint`}
        onChange={({ currentTarget }) => {
          onFiles([...(currentTarget.files ?? [])]);
          // So that the same file, changed on the disk, can be chosen again.
          currentTarget.value = '';
        }}
      />
      <label class={id === 'evidence' ? 'button' : 'button quiet'} for={id}>
        {label}
      </label>
      <p id={`${id}-hint`} class="hint">
        {hint}
      </p>
    </div>
  );
}
