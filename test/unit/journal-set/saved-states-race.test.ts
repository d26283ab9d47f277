/** States that change while a log opens: neither forgotten nor taken for written. */
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { ManualScheduler } from '../../../src/base/manual-scheduler.ts';
import { LogRecord } from '../../../src/edge/journal/log-record.ts';
import { SavedStates } from '../../../src/edge/journal/saved-states.ts';

function memoryRecord(): { readonly record: LogRecord; readonly meta: Map<string, string> } {
  const meta = new Map<string, string>();
  const record = new LogRecord({
    meta: (key) => meta.get(key),
    setMeta: (values) => {
      for (const [key, value] of Object.entries(values)) {
        if (value === undefined) meta.delete(key);
        else meta.set(key, value);
      }
    },
    metaKeys: () => [...meta.keys()],
    saveReceipt: () => undefined,
    receipts: () => [],
  });
  return { record, meta };
}

test('a state that changes while the next log is being made is written once that is open', () => {
  const scheduler = new ManualScheduler();
  let open: LogRecord | undefined;
  const saved = new SavedStates({
    scheduler,
    logger: silentLogger,
    record: () => open,
    appended: () => 0,
    quiet: () => true,
  });
  saved.set('custody', 'before');
  const { record } = memoryRecord();
  const texts = saved.settle();
  saved.set('custody', 'meanwhile');
  record.setOpening({ cause: 'rotation', carry: [] }, texts);
  saved.taken(texts);
  open = record;
  expect(saved.get('custody')).toBe('meanwhile');
  expect(record.saved('custody')).toBe('before');
  scheduler.advance(5_000);
  expect(record.saved('custody')).toBe('meanwhile');
});
