import { MemoryMetrics, type MetricLabels } from '../../src/base/metrics.ts';

/** Says at once what became durable and what the broker acknowledged. */
export class WatchedMetrics extends MemoryMetrics {
  onDurable: (entries: number) => void = () => undefined;
  onAcknowledged: (entries: number) => void = () => undefined;

  override count(name: string, by = 1, labels: MetricLabels = {}): void {
    super.count(name, by, labels);
    if (name === 'journal_entries') this.onDurable(by);
    else if (name === 'uplink_entries_acknowledged') this.onAcknowledged(by);
  }

  /** Over all labels. */
  sum(name: string): number {
    return this.snapshot().reduce((sum, sample) => (sample.name === name ? sum + sample.value : sum), 0);
  }
}
