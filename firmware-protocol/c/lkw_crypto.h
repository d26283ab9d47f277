/*
 * AES-128 and the two modes that the open wire uses (PROTOCOL.md sections 3 and 4).
 *
 * Round keys are made while a block is encrypted, so no key schedule takes memory. Replace lkw_aes128 by your part's
 * hardware, or by a constant-time one where there is a cache.
 */
#ifndef LKW_CRYPTO_H
#define LKW_CRYPTO_H
#include <stddef.h>
#include <stdint.h>

#define LKW_BLOCK 16u
#define LKW_TAG 8u

/* Encrypts one block in place (FIPS 197). */
void lkw_aes128(const uint8_t key[16], uint8_t block[16]);

/* CMAC-AES-128 (RFC 4493) over bytes that come in pieces. */
typedef struct {
    const uint8_t *key;
    uint8_t state[16];
    uint8_t held[16];
    uint8_t held_size;
} lkw_cmac;

void lkw_cmac_start(lkw_cmac *mac, const uint8_t key[16]);
void lkw_cmac_add(lkw_cmac *mac, const void *data, size_t size);
void lkw_cmac_end(lkw_cmac *mac, uint8_t out[16]);

/* KDF(K, label, context) of PROTOCOL.md section 3. `label_size` counts the final zero byte, SP 800-108's separator. */
void lkw_kdf(const uint8_t key[16], const char *label, size_t label_size, const uint8_t *context, size_t size,
             uint8_t out[16]);

/* AES-128-CCM with 13-byte nonce and 8-byte tag (RFC 3610, L=2, M=8), in place. At most 65,535 bytes each. */
void lkw_ccm_seal(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad, uint16_t aad_size, uint8_t *data,
                  uint16_t size, uint8_t tag[LKW_TAG]);
/* 0 when the tag is true; otherwise -1, and the data are as they came. */
int lkw_ccm_open(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad, uint16_t aad_size, uint8_t *data,
                 uint16_t size, const uint8_t tag[LKW_TAG]);

/* 0 when equal; takes the same time wherever they differ. */
int lkw_differ(const uint8_t *a, const uint8_t *b, size_t size);

#endif
