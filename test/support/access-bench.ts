/** The bench of openings with a keypad and a scanner, and somebody who grants codes. */
import { siteSchema } from '../../simulators/site/settings.ts';
import { type Site, startSite } from '../../simulators/site.ts';
import { unbase64url } from '../../src/base/bytes.ts';
import { SecretText } from '../../src/base/secret-text.ts';
import type { CustodyEvent, JsonObject } from '../../src/evidence/event/event.ts';
import { formatVkey } from '../../src/evidence/log/note.ts';
import type { Reply } from '../../src/evidence/wire/command.ts';
import { sealCode } from '../../src/risk/commands/seal-code.ts';
import { GATEWAY, OpeningBench, randomId } from './opening-bench.ts';
import { until } from './until.ts';

export const RECIPIENT = { kind: 'recipient', ref: '2026-11.AbCdEfGhIjKlMnOpQrStUg' };

const HANDS = siteSchema.parse({
  name: 'hands',
  lines: [
    { name: 'pad', tcp: {}, keypad: {} },
    { name: 'desk', tcp: {}, scanner: { aim: false } },
  ],
});

export class AccessBench extends OpeningBench {
  hands: Site | undefined;

  static async withHands(): Promise<AccessBench> {
    const { broker, site, tap } = await OpeningBench.make();
    const bench = new AccessBench(broker, site, tap, {});
    bench.hands = await startSite({ site: HANDS });
    return bench;
  }
  /** Grants as they went over the broker. */
  readonly sent: Uint8Array[] = [];

  override settings(): object {
    const base = super.settings() as { ports: readonly object[]; custody: { compartments: readonly object[] } };
    const tcp = (line: string): object => {
      const [host = '', port = ''] = (this.hands?.address(line) ?? '').split(':');
      return { kind: 'tcp', host, port: Number(port), backoff_max_ms: 250 };
    };
    return {
      ...base,
      ports: [
        ...base.ports,
        { name: 'pad', link: tcp('pad'), devices: [{ driver: 'keypad', name: 'pad', granted: 'G', refused: 'R' }] },
        { name: 'desk', link: tcp('desk'), devices: [{ driver: 'text_scanner', name: 'desk', suffix: 'crlf' }] },
      ],
      custody: { compartments: base.custody.compartments.map((each) => ({ ...each, controlled: true })) },
      access: {
        devices: [{ name: 'pad' }, { name: 'desk' }],
        scanned: [{ prefix: 'LK:' }],
        lockout: { free: 100, site_free: 1_000, forgive_s: 10 },
      },
      commands: {
        keys: [
          {
            vkey: formatVkey(this.ops.vkey),
            verbs: ['open', 'grant', 'revoke', 'assign', 'unassign', 'maintain'],
          },
        ],
      },
    };
  }

  async grant(code: string, more: JsonObject = {}): Promise<{ readonly reply: Reply; readonly credential: string }> {
    const args = grantArgs(code, this.of('gateway.started').at(-1)?.data['access_key'], more);
    const command = this.command('grant', args);
    this.sent.push(this.ops.sign(command).bytes);
    return { reply: await this.ask(command), credential: String(args['credential']) };
  }

  assign(compartment: string, ref: string, kind: string, actor: string): Promise<Reply> {
    const parcel = { ref, scheme: 'unknown' };
    const args = { actor: { kind: actor }, assignment: randomId(), compartment, kind, lives_s: 600, parcel };
    return this.ask(this.command('assign', args));
  }

  async untilSaid(type: string, count = 1): Promise<CustodyEvent> {
    const before = this.seen.get(type) ?? 0;
    await until(`${type} is in the log`, () => this.of(type).length >= before + count);
    this.seen.set(type, before + count);
    return this.of(type)[before + count - 1] as CustodyEvent;
  }

  readonly seen = new Map<string, number>();

  override async close(): Promise<void> {
    await super.close();
    await this.hands?.close();
  }
}

/** Arguments of a grant: a code, sealed for the gateway whose key it is. */
export function grantArgs(code: string, key: unknown, more: JsonObject = {}): JsonObject {
  const credential = randomId();
  const accessKey = unbase64url(String(key)) ?? new Uint8Array(0);
  const sealed = sealCode({ gateway: GATEWAY, accessKey, credential }, new SecretText(code)) ?? '';
  return { actor: RECIPIENT, compartments: ['A1'], credential, lives_s: 3_600, sealed, uses: 1, ...more };
}
