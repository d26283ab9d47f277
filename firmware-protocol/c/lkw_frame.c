/* See lkw_frame.h. */
#include "lkw_frame.h"

uint16_t lkw_get16(const uint8_t *from)
{
    return (uint16_t)(from[0] | (uint16_t)(from[1] << 8));
}

uint32_t lkw_get32(const uint8_t *from)
{
    return (uint32_t)from[0] | ((uint32_t)from[1] << 8) | ((uint32_t)from[2] << 16) | ((uint32_t)from[3] << 24);
}

void lkw_put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value & 0xffu);
    to[1] = (uint8_t)(value >> 8);
}

void lkw_put32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value & 0xffu);
    to[1] = (uint8_t)((value >> 8) & 0xffu);
    to[2] = (uint8_t)((value >> 16) & 0xffu);
    to[3] = (uint8_t)(value >> 24);
}

uint32_t lkw_crc32(const uint8_t *data, size_t size)
{
    /* A table of half bytes: 64 bytes of flash for half the time of none. */
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
                                       0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                       0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    uint32_t crc = 0xffffffffu;
    size_t i;
    for (i = 0; i < size; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return crc ^ 0xffffffffu;
}

size_t lkw_cobs_encode(const uint8_t *data, size_t size, uint8_t *out)
{
    size_t code_at = 0;
    size_t to = 1;
    uint8_t code = 1;
    size_t i;
    for (i = 0; i < size; i++) {
        if (data[i] != 0) {
            out[to] = data[i];
            to++;
            code++;
        }
        /* A full group is closed only when content follows: one spelling per content. */
        if (data[i] == 0 || (code == 0xff && i + 1 < size)) {
            out[code_at] = code;
            code_at = to;
            to++;
            code = 1;
        }
    }
    out[code_at] = code;
    return to;
}

int lkw_cobs_decode(uint8_t *data, size_t size)
{
    size_t from = 0;
    size_t to = 0;
    uint8_t before = 0;
    while (from < size) {
        const uint8_t code = data[from];
        uint8_t i;
        if (code == 0 || code > size - from) {
            return -1;
        }
        if (before == 0xff && code == 1 && from + 1 == size) {
            return -1;
        }
        from++;
        for (i = 1; i < code; i++) {
            data[to] = data[from];
            to++;
            from++;
        }
        if (code != 0xff && from < size) {
            data[to] = 0;
            to++;
        }
        before = code;
    }
    return (int)to;
}

static lkw_verdict read_frame(uint8_t *content, size_t size, lkw_frame *frame)
{
    uint8_t control;
    if (size < 7) {
        return LKW_SHORT;
    }
    if (lkw_crc32(content, size - 4) != lkw_get32(content + size - 4)) {
        return LKW_CRC;
    }
    control = content[0];
    if ((control & 0xe0u) != LKW_CONTROL_GATEWAY) {
        return LKW_OTHER_VERSION;
    }
    if ((control & 7u) != 0) {
        return LKW_RESERVED;
    }
    frame->sealed = (uint8_t)((control & LKW_CONTROL_SEALED) != 0);
    frame->from_device = (uint8_t)((control & LKW_CONTROL_DEVICE) != 0);
    frame->address = content[1];
    if (frame->address == 0 || (frame->address > LKW_ADDRESS_MAX && frame->address < LKW_ADDRESS_NONE) ||
        (frame->address == LKW_ADDRESS_NONE && (frame->sealed || !frame->from_device)) ||
        (frame->address == LKW_ADDRESS_ALL && (frame->sealed || frame->from_device))) {
        return LKW_ADDRESS;
    }
    frame->content = content;
    frame->size = (uint16_t)(size - 4);
    if (frame->sealed) {
        if (size < 19) {
            return LKW_SHORT;
        }
        /* Content of many zeros codes with one byte more: without this a body could be longer than an answer may be. */
        if (size > LKW_CONTENT_MAX) {
            return LKW_LONG;
        }
        frame->type = 0;
        frame->number = lkw_get32(content + 2);
        frame->body = content + 6;
        frame->body_size = (uint16_t)(size - 18);
    } else {
        if (size > 257) {
            return LKW_LONG;
        }
        frame->type = content[2];
        frame->number = 0;
        frame->body = content + 3;
        frame->body_size = (uint16_t)(size - 7);
    }
    return LKW_OK;
}

int lkw_receive_byte(lkw_receiver *receiver, uint8_t byte, lkw_frame *frame, lkw_verdict *verdict)
{
    int size;
    if (byte != 0) {
        if (receiver->size == LKW_CODED_MAX) {
            receiver->overflow = 1;
        } else {
            receiver->bytes[receiver->size] = byte;
            receiver->size++;
        }
        return 0;
    }
    if (receiver->size == 0) {
        return 0;
    }
    if (receiver->overflow) {
        *verdict = LKW_LONG;
    } else {
        size = lkw_cobs_decode(receiver->bytes, receiver->size);
        *verdict = size < 0 ? LKW_COBS : read_frame(receiver->bytes, (size_t)size, frame);
    }
    receiver->size = 0;
    receiver->overflow = 0;
    return 1;
}

size_t lkw_finish_frame(uint8_t *content, size_t size, uint8_t *line)
{
    size_t coded;
    lkw_put32(content + size, lkw_crc32(content, size));
    line[0] = 0;
    coded = lkw_cobs_encode(content, size + 4, line + 1);
    line[coded + 1] = 0;
    return coded + 2;
}
