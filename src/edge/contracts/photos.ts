/** Where photo sources put images: encrypted, on this box, by the hash of what they show. */
export type PhotoMediaType = 'image/jpeg' | 'image/png' | 'image/webp';

export interface Photo {
  /** SHA-256 of `bytes`. */
  readonly sha256: Uint8Array;
  readonly mediaType: PhotoMediaType;
  readonly bytes: Uint8Array;
}

export interface PhotoKeeper {
  /**
   * True once the image is durable, also when it was there already. False when it could not be kept (no room, no key):
   * its hash may then still be told, and that it was not kept. Never rejects.
   */
  keep(photo: Photo): Promise<boolean>;
}
