/* AES-128 encryption (FIPS 197), CMAC (RFC 4493), CCM (RFC 3610), KDF (SP 800-108). See lkw_crypto.h. */
#include "lkw_crypto.h"
#include "lkw_memory.h"

static const uint8_t sbox[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

static uint8_t xtime(uint8_t value)
{
    return (uint8_t)((uint8_t)(value << 1) ^ (uint8_t)((value >> 7) * 0x1bu));
}

static void next_round_key(uint8_t key[16], uint8_t round_constant)
{
    uint8_t i;
    key[0] ^= (uint8_t)(sbox[key[13]] ^ round_constant);
    key[1] ^= sbox[key[14]];
    key[2] ^= sbox[key[15]];
    key[3] ^= sbox[key[12]];
    for (i = 4; i < 16; i++) {
        key[i] ^= key[i - 4];
    }
}

static void xor_block(uint8_t *into, const uint8_t *from)
{
    uint8_t i;
    for (i = 0; i < 16; i++) {
        into[i] ^= from[i];
    }
}

/* SubBytes and ShiftRows: row r of column c comes from column c + r. */
static void sub_and_shift(uint8_t block[16])
{
    uint8_t out[16];
    uint8_t i;
    for (i = 0; i < 16; i++) {
        out[i] = sbox[block[(i + 4u * (i & 3u)) & 15u]];
    }
    memcpy(block, out, 16);
}

static void mix_columns(uint8_t block[16])
{
    uint8_t c;
    for (c = 0; c < 16; c = (uint8_t)(c + 4)) {
        uint8_t *col = block + c;
        const uint8_t first = col[0];
        const uint8_t all = (uint8_t)(col[0] ^ col[1] ^ col[2] ^ col[3]);
        col[0] ^= (uint8_t)(all ^ xtime((uint8_t)(col[0] ^ col[1])));
        col[1] ^= (uint8_t)(all ^ xtime((uint8_t)(col[1] ^ col[2])));
        col[2] ^= (uint8_t)(all ^ xtime((uint8_t)(col[2] ^ col[3])));
        col[3] ^= (uint8_t)(all ^ xtime((uint8_t)(col[3] ^ first)));
    }
}

void lkw_aes128(const uint8_t key[16], uint8_t block[16])
{
    uint8_t round_key[16];
    uint8_t round_constant = 1;
    uint8_t round;
    memcpy(round_key, key, 16);
    xor_block(block, round_key);
    for (round = 1; round <= 10; round++) {
        sub_and_shift(block);
        if (round < 10) {
            mix_columns(block);
        }
        next_round_key(round_key, round_constant);
        round_constant = xtime(round_constant);
        xor_block(block, round_key);
    }
}

void lkw_cmac_start(lkw_cmac *mac, const uint8_t key[16])
{
    uint8_t i;
    mac->key = key;
    for (i = 0; i < 16; i++) {
        mac->state[i] = 0;
    }
    mac->held_size = 0;
}

void lkw_cmac_add(lkw_cmac *mac, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t i;
    for (i = 0; i < size; i++) {
        /* A full block waits until it is known not to be the last. */
        if (mac->held_size == 16) {
            xor_block(mac->state, mac->held);
            lkw_aes128(mac->key, mac->state);
            mac->held_size = 0;
        }
        mac->held[mac->held_size] = bytes[i];
        mac->held_size++;
    }
}

static void double_block(uint8_t block[16])
{
    const uint8_t carry = (uint8_t)((block[0] >> 7) * 0x87u);
    uint8_t i;
    for (i = 0; i < 15; i++) {
        block[i] = (uint8_t)((uint8_t)(block[i] << 1) | (uint8_t)(block[i + 1] >> 7));
    }
    block[15] = (uint8_t)((uint8_t)(block[15] << 1) ^ carry);
}

void lkw_cmac_end(lkw_cmac *mac, uint8_t out[16])
{
    static const uint8_t zeros[16] = {0};
    uint8_t subkey[16];
    uint8_t i;
    memcpy(subkey, zeros, 16);
    lkw_aes128(mac->key, subkey);
    double_block(subkey);
    if (mac->held_size < 16) {
        double_block(subkey);
        mac->held[mac->held_size] = 0x80;
        for (i = (uint8_t)(mac->held_size + 1u); i < 16; i++) {
            mac->held[i] = 0;
        }
    }
    xor_block(mac->state, mac->held);
    xor_block(mac->state, subkey);
    lkw_aes128(mac->key, mac->state);
    memcpy(out, mac->state, 16);
}

void lkw_kdf(const uint8_t key[16], const char *label, size_t label_size, const uint8_t *context, size_t size,
             uint8_t out[16])
{
    static const uint8_t counter[4] = {0, 0, 0, 1};
    static const uint8_t bits[4] = {0, 0, 0, 0x80};
    lkw_cmac mac;
    lkw_cmac_start(&mac, key);
    lkw_cmac_add(&mac, counter, 4);
    lkw_cmac_add(&mac, label, label_size);
    lkw_cmac_add(&mac, context, size);
    lkw_cmac_add(&mac, bits, 4);
    lkw_cmac_end(&mac, out);
}

/* B_0 or A_0: flags, nonce, and length or counter (RFC 3610 sections 2.2 and 2.3). */
static void first_block(uint8_t block[16], uint8_t flags, const uint8_t nonce[13], uint16_t last)
{
    block[0] = flags;
    memcpy(block + 1, nonce, 13);
    block[14] = (uint8_t)(last >> 8);
    block[15] = (uint8_t)(last & 0xffu);
}

static void ccm_mac(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad, uint16_t aad_size,
                    const uint8_t *data, uint16_t size, uint8_t mac[16])
{
    uint16_t i;
    uint8_t at = 2;
    /* Flags: additional data, M = 8, L = 2. */
    first_block(mac, (uint8_t)((aad_size > 0 ? 0x40u : 0u) | (3u << 3) | 1u), nonce, size);
    lkw_aes128(key, mac);
    if (aad_size > 0) {
        mac[0] ^= (uint8_t)(aad_size >> 8);
        mac[1] ^= (uint8_t)(aad_size & 0xffu);
        for (i = 0; i < aad_size; i++) {
            mac[at] ^= aad[i];
            at++;
            if (at == 16) {
                lkw_aes128(key, mac);
                at = 0;
            }
        }
        if (at > 0) {
            lkw_aes128(key, mac);
        }
    }
    at = 0;
    for (i = 0; i < size; i++) {
        mac[at] ^= data[i];
        at++;
        if (at == 16) {
            lkw_aes128(key, mac);
            at = 0;
        }
    }
    if (at > 0) {
        lkw_aes128(key, mac);
    }
}

static void ccm_counter(const uint8_t key[16], const uint8_t nonce[13], uint8_t *data, uint16_t size)
{
    uint8_t stream[16];
    uint16_t i;
    for (i = 0; i < size; i++) {
        if ((i & 15u) == 0) {
            first_block(stream, 1, nonce, (uint16_t)(i / 16u + 1u));
            lkw_aes128(key, stream);
        }
        data[i] ^= stream[i & 15u];
    }
}

static void ccm_tag(const uint8_t key[16], const uint8_t nonce[13], const uint8_t mac[16], uint8_t tag[LKW_TAG])
{
    uint8_t stream[16];
    uint8_t i;
    first_block(stream, 1, nonce, 0);
    lkw_aes128(key, stream);
    for (i = 0; i < LKW_TAG; i++) {
        tag[i] = mac[i] ^ stream[i];
    }
}

void lkw_ccm_seal(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad, uint16_t aad_size, uint8_t *data,
                  uint16_t size, uint8_t tag[LKW_TAG])
{
    uint8_t mac[16];
    ccm_mac(key, nonce, aad, aad_size, data, size, mac);
    ccm_counter(key, nonce, data, size);
    ccm_tag(key, nonce, mac, tag);
}

int lkw_ccm_open(const uint8_t key[16], const uint8_t nonce[13], const uint8_t *aad, uint16_t aad_size, uint8_t *data,
                 uint16_t size, const uint8_t tag[LKW_TAG])
{
    uint8_t mac[16];
    uint8_t expected[LKW_TAG];
    ccm_counter(key, nonce, data, size);
    ccm_mac(key, nonce, aad, aad_size, data, size, mac);
    ccm_tag(key, nonce, mac, expected);
    if (lkw_differ(expected, tag, LKW_TAG) == 0) {
        return 0;
    }
    ccm_counter(key, nonce, data, size);
    return -1;
}

int lkw_differ(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint8_t difference = 0;
    size_t i;
    for (i = 0; i < size; i++) {
        difference |= (uint8_t)(a[i] ^ b[i]);
    }
    return difference == 0 ? 0 : -1;
}
