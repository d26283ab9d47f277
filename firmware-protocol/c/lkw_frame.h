/*
 * Frames of the open wire (PROTOCOL.md section 2): COBS between two zero bytes, CRC-32, header. No state but the bytes
 * of the frame that is being received, no timer, no key.
 */
#ifndef LKW_FRAME_H
#define LKW_FRAME_H
#include <stddef.h>
#include <stdint.h>

#define LKW_BODY_MAX 250u
#define LKW_CONTENT_MAX 269u
#define LKW_CODED_MAX 271u
#define LKW_LINE_MAX 273u

#define LKW_CONTROL_GATEWAY 0x20u
#define LKW_CONTROL_DEVICE 0x10u
#define LKW_CONTROL_SEALED 0x08u

#define LKW_ADDRESS_MAX 247u
#define LKW_ADDRESS_NONE 254u
#define LKW_ADDRESS_ALL 255u

/* In the order in which they are looked at. */
typedef enum {
    LKW_OK = 0,
    LKW_LONG,
    LKW_COBS,
    LKW_SHORT,
    LKW_CRC,
    LKW_OTHER_VERSION,
    LKW_RESERVED,
    LKW_ADDRESS
} lkw_verdict;

typedef struct {
    uint8_t bytes[LKW_CODED_MAX];
    uint16_t size;
    uint8_t overflow;
} lkw_receiver;

typedef struct {
    uint8_t sealed;
    uint8_t from_device;
    uint8_t address;
    uint8_t type;     /* open frames only */
    uint32_t number;  /* sealed frames only */
    uint8_t *content; /* inside the receiver: valid until its next byte */
    uint16_t size;    /* of content without CRC */
    uint8_t *body;    /* sealed: the encrypted type and body */
    uint16_t body_size;
} lkw_frame;

uint32_t lkw_crc32(const uint8_t *data, size_t size);
/* Size of the coded bytes: at most size + size / 254 + 1. */
size_t lkw_cobs_encode(const uint8_t *data, size_t size, uint8_t *out);
/* In place. Size of the content, or -1. */
int lkw_cobs_decode(uint8_t *data, size_t size);

/* 1 when this byte ended a frame: *verdict and, when that is LKW_OK, *frame are set. */
int lkw_receive_byte(lkw_receiver *receiver, uint8_t byte, lkw_frame *frame, lkw_verdict *verdict);
/* Puts CRC, COBS and delimiters around content; `content` needs room for 4 more bytes, `line` for LKW_LINE_MAX. */
size_t lkw_finish_frame(uint8_t *content, size_t size, uint8_t *line);

uint16_t lkw_get16(const uint8_t *from);
uint32_t lkw_get32(const uint8_t *from);
void lkw_put16(uint8_t *to, uint16_t value);
void lkw_put32(uint8_t *to, uint32_t value);

#endif
