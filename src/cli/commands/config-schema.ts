/** `latchkey config schema`: the JSON Schema of a settings file, for editors, and the OpenAPI document of the risk API. */
import { z } from 'zod';
import { LatchkeyError } from '../../base/errors.ts';
import { openApiText } from '../../risk/api/openapi.ts';
import { SOURCES_ROUTE } from '../../risk/sources/route.ts';
import type { CommandRun } from '../command.ts';
import { SETTINGS_KINDS, type SettingsKind } from '../settings-kinds.ts';

export const configSchemaCommand: CommandRun = async (args, io) => {
  io.out(settingsSchemaText(args.positionals[0] ?? '').trimEnd());
  return 0;
};

/** Generated files under config/ are this text. Throws USAGE for a kind that there is not. */
export function settingsSchemaText(kind: string): string {
  if (kind === 'risk-api') return openApiText([SOURCES_ROUTE]);
  if (!Object.hasOwn(SETTINGS_KINDS, kind)) {
    const known = [...Object.keys(SETTINGS_KINDS), 'risk-api'].join(', ');
    throw new LatchkeyError('USAGE', `expected one of ${known}, found ${JSON.stringify(kind)}`);
  }
  const { schema } = SETTINGS_KINDS[kind as SettingsKind];
  return `${JSON.stringify(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), undefined, 2)}\n`;
}
