/* Bodies of the open wire (PROTOCOL.md sections 5 to 8): their types, and whether bytes are one. No state, no key. */
#ifndef LKW_BODY_H
#define LKW_BODY_H
#include <stddef.h>
#include <stdint.h>

enum {
    LKW_WHO = 0x01,
    LKW_HUSH = 0x02,
    LKW_ASSIGN = 0x03,
    LKW_HELLO = 0x04,
    LKW_PROVE = 0x05,
    LKW_HERE = 0x81,
    LKW_HUSHED = 0x82,
    LKW_ASSIGNED = 0x83,
    LKW_CHALLENGE = 0x84,
    LKW_ATTENTION = 0x86,
    LKW_REFUSED = 0xff
};

enum {
    LKW_POLL = 0x11,
    LKW_CAPABILITIES = 0x12,
    LKW_MEASURE = 0x13,
    LKW_TIME = 0x14,
    LKW_OPEN = 0x15,
    LKW_SET_KEY = 0x16,
    LKW_SET_ADDRESS = 0x17,
    LKW_COUNTERS = 0x18,
    LKW_ECHO = 0x19,
    LKW_READY = 0x90,
    LKW_POLLED = 0x91,
    LKW_CAPABLE = 0x92,
    LKW_MEASURED = 0x93,
    LKW_TIMED = 0x94,
    LKW_OPENED = 0x95,
    LKW_KEY_SET = 0x96,
    LKW_ADDRESS_SET = 0x97,
    LKW_COUNTED = 0x98,
    LKW_ECHOED = 0x99,
    LKW_FAILED = 0xfe
};

enum { LKW_FAILED_TYPE = 1, LKW_FAILED_BODY = 2, LKW_FAILED_BUSY = 3, LKW_FAILED_STORE = 4 };

enum {
    LKW_EVENT_DOOR = 1,
    LKW_EVENT_ITEM = 2,
    LKW_EVENT_WEIGHT = 3,
    LKW_EVENT_SCAN = 4,
    LKW_EVENT_KEYPAD = 5,
    LKW_EVENT_TAMPER = 6,
    LKW_EVENT_POWER = 7,
    LKW_EVENT_LOCK = 8
};

#define LKW_EVENT_HEAD 10u
#define LKW_EVENT_DATA_MAX 203u
#define LKW_CHANNELS_MAX 64u

typedef enum { LKW_BODY_OK = 0, LKW_BODY_TYPE, LKW_BODY_LENGTH, LKW_BODY_VALUE } lkw_body_verdict;

/* `type` as in the frame; `sealed` and `from_device` of the frame that it came in. */
lkw_body_verdict lkw_check_body(int sealed, int from_device, uint8_t type, const uint8_t *body, size_t size);
lkw_body_verdict lkw_check_event(uint8_t kind, const uint8_t *data, size_t size);

#endif
