import { z } from 'zod';
import { NAME_PATTERN } from '../../evidence/event/event-fields.ts';

/** Names a device in events, for as long as they are kept. */
export const deviceName = z
  .string()
  .regex(
    new RegExp(`^${NAME_PATTERN}$`),
    'letters, digits, dot, hyphen and underscore, at most 64, fewer than 13 digits',
  );
