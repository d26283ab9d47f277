/* See lkw_body.h. A wrong length is found before a wrong value. */
#include "lkw_body.h"
#include "lkw_frame.h"

#define ANY_LENGTH 0xffu
#define SEALED 1u
#define DEVICE 2u

typedef struct {
    uint8_t type;
    uint8_t from;
    uint8_t length;
} row;

static const row rows[] = {
    {LKW_WHO, 0, 10},
    {LKW_HUSH, 0, 8},
    {LKW_ASSIGN, 0, 9},
    {LKW_HELLO, 0, 20},
    {LKW_PROVE, 0, 16},
    {LKW_HERE, DEVICE, 14},
    {LKW_HUSHED, DEVICE, 8},
    {LKW_ASSIGNED, DEVICE, 9},
    {LKW_CHALLENGE, DEVICE, 47},
    {LKW_ATTENTION, DEVICE, 0},
    {LKW_REFUSED, DEVICE, 3},
    {LKW_POLL, SEALED, 5},
    {LKW_CAPABILITIES, SEALED, 0},
    {LKW_MEASURE, SEALED, 16},
    {LKW_TIME, SEALED, 8},
    {LKW_OPEN, SEALED, 15},
    {LKW_SET_KEY, SEALED, 18},
    {LKW_SET_ADDRESS, SEALED, 1},
    {LKW_COUNTERS, SEALED, 0},
    {LKW_ECHO, SEALED, ANY_LENGTH},
    {LKW_READY, SEALED | DEVICE, 12},
    {LKW_POLLED, SEALED | DEVICE, ANY_LENGTH},
    {LKW_CAPABLE, SEALED | DEVICE, ANY_LENGTH},
    {LKW_MEASURED, SEALED | DEVICE, 53},
    {LKW_TIMED, SEALED | DEVICE, 4},
    {LKW_OPENED, SEALED | DEVICE, 2},
    {LKW_KEY_SET, SEALED | DEVICE, 2},
    {LKW_ADDRESS_SET, SEALED | DEVICE, 1},
    {LKW_COUNTED, SEALED | DEVICE, ANY_LENGTH},
    {LKW_ECHOED, SEALED | DEVICE, ANY_LENGTH},
    {LKW_FAILED, SEALED | DEVICE, 1},
};

static lkw_body_verdict when(int holds)
{
    return holds ? LKW_BODY_OK : LKW_BODY_VALUE;
}

static int is_identity(const uint8_t *id)
{
    uint8_t all = 0;
    uint8_t both = 0xff;
    uint8_t i;
    for (i = 0; i < 8; i++) {
        all |= id[i];
        both &= id[i];
    }
    return all != 0 && both != 0xff;
}

static int is_address(uint8_t address)
{
    return address >= 1 && address <= LKW_ADDRESS_MAX;
}

static lkw_body_verdict check_who(const uint8_t *body)
{
    const uint8_t bits = body[1];
    uint8_t i;
    if (body[0] > 1 || bits > 64) {
        return LKW_BODY_VALUE;
    }
    for (i = 0; i < 8; i++) {
        const uint8_t first = (uint8_t)(i * 8u);
        uint8_t beyond = 0;
        if (bits <= first) {
            beyond = 0xff;
        } else if (bits < first + 8) {
            beyond = (uint8_t)(0xffu >> (bits - first));
        }
        if ((body[2 + i] & beyond) != 0) {
            return LKW_BODY_VALUE;
        }
    }
    return LKW_BODY_OK;
}

static lkw_body_verdict check_open(uint8_t type, const uint8_t *body)
{
    switch (type) {
    case LKW_WHO:
        return check_who(body);
    case LKW_HUSH:
    case LKW_HUSHED:
        return when(is_identity(body));
    case LKW_ASSIGN:
    case LKW_ASSIGNED:
        return when(is_identity(body) && is_address(body[8]));
    case LKW_HELLO:
        return when(body[0] != 0 && body[0] <= body[1]);
    case LKW_HERE:
        return when(is_identity(body) && (is_address(body[8]) || body[8] == LKW_ADDRESS_NONE) && body[13] != 0);
    case LKW_CHALLENGE:
        return when(body[0] != 0 && is_identity(body + 3));
    case LKW_REFUSED:
        return when(body[0] == 1 || body[0] == 2);
    default:
        return LKW_BODY_OK;
    }
}

static int is_key(uint8_t key)
{
    return (key >= '0' && key <= '9') || (key >= 'A' && key <= 'D') || key == '*' || key == '#';
}

static lkw_body_verdict check_scan(const uint8_t *data)
{
    uint8_t i;
    int zeros = 1;
    int printable = 1;
    for (i = 0; i < 3; i++) {
        zeros = zeros && data[i] == 0;
        printable = printable && data[i] > 0x20 && data[i] < 0x7f;
    }
    return when(zeros || (printable && data[0] == ']'));
}

lkw_body_verdict lkw_check_event(uint8_t kind, const uint8_t *data, size_t size)
{
    size_t i;
    switch (kind) {
    case 0:
        return LKW_BODY_VALUE;
    case LKW_EVENT_DOOR:
    case LKW_EVENT_ITEM:
    case LKW_EVENT_LOCK:
        if (size != 2) {
            return LKW_BODY_LENGTH;
        }
        return when(data[0] >= 1 && data[0] <= LKW_CHANNELS_MAX && data[1] <= (kind == LKW_EVENT_LOCK ? 2 : 1));
    case LKW_EVENT_WEIGHT:
        return size != 6 ? LKW_BODY_LENGTH : when(data[0] >= 1 && data[0] <= LKW_CHANNELS_MAX && data[1] <= 1);
    case LKW_EVENT_SCAN:
        return size < 4 || size > LKW_EVENT_DATA_MAX ? LKW_BODY_LENGTH : check_scan(data);
    case LKW_EVENT_KEYPAD:
        if (size < 2 || size > 17) {
            return LKW_BODY_LENGTH;
        }
        for (i = 1; i < size; i++) {
            if (!is_key(data[i])) {
                return LKW_BODY_VALUE;
            }
        }
        return LKW_BODY_OK;
    case LKW_EVENT_TAMPER:
        return size != 2 ? LKW_BODY_LENGTH : when(data[1] <= 1);
    case LKW_EVENT_POWER:
        if (size != 3) {
            return LKW_BODY_LENGTH;
        }
        return when(data[0] <= 1 && data[1] <= 1 && (data[2] <= 100 || data[2] == 255));
    default:
        return LKW_BODY_OK;
    }
}

static lkw_body_verdict check_bits(const uint8_t *bits, uint8_t channels)
{
    const uint8_t used = (uint8_t)(channels & 7u);
    return when(used == 0 || (bits[channels / 8u] >> used) == 0);
}

static lkw_body_verdict check_polled(const uint8_t *body, size_t size)
{
    size_t at;
    size_t bit_bytes;
    uint32_t last = 0;
    if (size < 10) {
        return LKW_BODY_LENGTH;
    }
    if (body[8] > 7 || body[9] > LKW_CHANNELS_MAX) {
        return LKW_BODY_VALUE;
    }
    bit_bytes = (body[9] + 7u) / 8u;
    at = 10 + 2 * bit_bytes;
    if (size < at) {
        return LKW_BODY_LENGTH;
    }
    if (check_bits(body + 10, body[9]) != LKW_BODY_OK || check_bits(body + 10 + bit_bytes, body[9]) != LKW_BODY_OK) {
        return LKW_BODY_VALUE;
    }
    while (at < size) {
        lkw_body_verdict event;
        uint32_t number;
        uint8_t data_size;
        if (size - at < LKW_EVENT_HEAD) {
            return LKW_BODY_LENGTH;
        }
        data_size = body[at + 1];
        number = lkw_get32(body + at + 2);
        if (size - at - LKW_EVENT_HEAD < data_size) {
            return LKW_BODY_LENGTH;
        }
        event = lkw_check_event(body[at], body + at + LKW_EVENT_HEAD, data_size);
        if (event != LKW_BODY_OK) {
            return event;
        }
        if (number <= last) {
            return LKW_BODY_VALUE;
        }
        last = number;
        at += LKW_EVENT_HEAD + data_size;
    }
    /* What is told has happened. */
    return when(last < lkw_get32(body + 4));
}

static int is_text(const uint8_t *text, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            return 0;
        }
    }
    return 1;
}

static lkw_body_verdict check_capability(uint8_t tag, const uint8_t *value, uint8_t size)
{
    switch (tag) {
    case 0:
        return LKW_BODY_VALUE;
    case 1:
        return size != 2 ? LKW_BODY_LENGTH : when(lkw_get16(value) < 0x200);
    case 2:
        return size != 1 ? LKW_BODY_LENGTH : when(value[0] <= LKW_CHANNELS_MAX);
    case 3:
        return size != 1 ? LKW_BODY_LENGTH : when(value[0] >= 64 && value[0] <= LKW_BODY_MAX);
    case 4:
    case 8:
        return size != 2 ? LKW_BODY_LENGTH : LKW_BODY_OK;
    case 5:
        return size != 2 ? LKW_BODY_LENGTH : when(lkw_get16(value) >= 5 && lkw_get16(value) <= 1000);
    case 6:
    case 7:
        return size < 1 || size > 32 ? LKW_BODY_LENGTH : when(is_text(value, size));
    default:
        return LKW_BODY_OK;
    }
}

static lkw_body_verdict check_capable(const uint8_t *body, size_t size)
{
    size_t at = 0;
    while (at < size) {
        lkw_body_verdict capability;
        if (size - at < 2 || size - at - 2 < body[at + 1]) {
            return LKW_BODY_LENGTH;
        }
        capability = check_capability(body[at], body + at + 2, body[at + 1]);
        if (capability != LKW_BODY_OK) {
            return capability;
        }
        at += 2u + body[at + 1];
    }
    return LKW_BODY_OK;
}

static lkw_body_verdict check_sealed(uint8_t type, const uint8_t *body, size_t size)
{
    switch (type) {
    case LKW_POLL:
        return when(body[4] >= 64 && body[4] <= LKW_BODY_MAX);
    case LKW_OPEN:
        return when(body[0] >= 1);
    case LKW_SET_KEY:
    case LKW_KEY_SET:
        return when(lkw_get16(body) != 0);
    case LKW_SET_ADDRESS:
    case LKW_ADDRESS_SET:
        return when(is_address(body[0]));
    case LKW_POLLED:
        return check_polled(body, size);
    case LKW_CAPABLE:
        return check_capable(body, size);
    case LKW_MEASURED:
        return when(body[4] == 1);
    case LKW_OPENED:
        return when(body[1] <= 5);
    case LKW_COUNTED:
        return size < 40 || size % 4 != 0 ? LKW_BODY_LENGTH : LKW_BODY_OK;
    case LKW_FAILED:
        return when(body[0] >= 1 && body[0] <= 4);
    default:
        return LKW_BODY_OK;
    }
}

lkw_body_verdict lkw_check_body(int sealed, int from_device, uint8_t type, const uint8_t *body, size_t size)
{
    const uint8_t from = (uint8_t)((sealed ? SEALED : 0u) | (from_device ? DEVICE : 0u));
    size_t i;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type != type || rows[i].from != from) {
            continue;
        }
        if (rows[i].length != ANY_LENGTH && rows[i].length != size) {
            return LKW_BODY_LENGTH;
        }
        return sealed ? check_sealed(type, body, size) : check_open(type, body);
    }
    return LKW_BODY_TYPE;
}
