/** Settings of what gives photos: a directory that a camera writes into, or a camera that is asked over HTTP. */
import { z } from 'zod';
import { deviceName } from '../device-name.ts';
import { isLanAddress } from './lan.ts';

const SOURCES_MAX = 64;
const KIB = 1_024;

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'an absolute path');

const sizeMaxKib = z.int().min(16).max(65_536).default(8_192).describe('larger images are not taken');

export const fileDropSchema = z.strictObject({
  kind: z.literal('file_drop'),
  name: deviceName,
  directory: absolutePath.describe('a camera puts its images here, best by renaming; what is taken is removed'),
  look_ms: z.int().min(100).max(60_000).default(1_000).describe('pause between two looks into the directory'),
  size_max_kib: sizeMaxKib,
});

function isCameraUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '' && hash === '';
}

export const httpCameraSchema = z
  .strictObject({
    kind: z.literal('http'),
    name: deviceName,
    url: z.string().max(1_024).refine(isCameraUrl, 'http(s)://HOST[:PORT]/PATH without user and password'),
    on: z
      .array(z.enum(['door_opened', 'door_closed']))
      .min(1)
      .max(2)
      .default(['door_opened'])
      .describe('which changes of the doors that name this camera it is asked at'),
    timeout_ms: z.int().min(100).max(60_000).default(5_000).describe('for the whole image'),
    size_max_kib: sizeMaxKib,
    ca_file: absolutePath.optional().describe("PEM of the authorities for https, in place of the system's"),
    authorization_file: absolutePath
      .optional()
      .describe('value of the Authorization header, for example "Basic ..."; mode 0600'),
    beyond_lan: z
      .boolean()
      .default(false)
      .describe('the address may be outside of this machine and its local networks'),
  })
  .refine(({ url, beyond_lan: beyond }) => beyond || isLanOrName(url), {
    path: ['url'],
    message: 'a loopback or private address, or a name of one (or set beyond_lan)',
  });

/** A name is looked at again when it is known what it stands for. */
function isLanOrName(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const host = new URL(text).hostname.replace(/^\[(.*)\]$/, '$1');
  return isLanAddress(host) ?? true;
}

export const photoSourcesSchema = z
  .array(z.discriminatedUnion('kind', [fileDropSchema, httpCameraSchema]))
  .max(SOURCES_MAX)
  .default([]);

export type FileDropSettings = z.output<typeof fileDropSchema>;
export type HttpCameraSettings = z.output<typeof httpCameraSchema>;
export type PhotoSourceSettings = z.output<typeof photoSourcesSchema>[number];

export function sizeMaxBytes(settings: { readonly size_max_kib: number }): number {
  return settings.size_max_kib * KIB;
}
