/*
 * The device's side of the open wire (PROTOCOL.md): give it the bytes of the line, send what it answers, tell it what
 * happened. One struct, no allocation, no clock and no I/O of its own.
 *
 *     lkw_start(&device, &about, &hooks, context, &kept, boot);   boot: counted up and written before
 *     for each byte:  size = lkw_receive(&device, byte, uptime_ms, &answer);  send answer[0..size)
 *     at least once an hour:  lkw_tick(&device, uptime_ms)
 *     when it is sure: lkw_set_door(&device, channel, shut, uptime_ms, 1), lkw_event(...)
 */
#ifndef LKW_DEVICE_H
#define LKW_DEVICE_H
#include "lkw_body.h"
#include "lkw_frame.h"

/* Room for events that wait to be acknowledged. Two of the largest kind fit into the default. */
#ifndef LKW_QUEUE_BYTES
#define LKW_QUEUE_BYTES 512u
#endif

#define LKW_SESSION_IDLE_MS 60000u
#define LKW_OPEN_LINE_MAX 64u
#define LKW_COMMANDS_KEPT 4u

enum {
    LKW_COUNT_FRAMES,
    LKW_COUNT_DAMAGED,
    LKW_COUNT_NO_SESSION,
    LKW_COUNT_FORGED,
    LKW_COUNT_REPLAYED,
    LKW_COUNT_SKIPPED,
    LKW_COUNT_REPEATED,
    LKW_COUNT_SESSIONS,
    LKW_COUNT_REFUSED,
    LKW_COUNT_DROPPED,
    LKW_COUNTS
};

enum { LKW_FIRED = 0, LKW_FIRED_BEFORE = 1, LKW_TOO_LATE = 2, LKW_NO_CHANNEL = 3, LKW_BUSY = 4, LKW_LOCK_REFUSES = 5 };

/* What never changes. Pointers stay valid. */
typedef struct {
    uint8_t identity[8];
    uint8_t label_key[16];
    uint16_t features;
    uint8_t channels;
    uint16_t debounce_ms;
    uint16_t reply_max_ms;
    const char *firmware; /* 1 to 32 printable characters */
    const char *model;
    const uint8_t *digest; /* 32 bytes, taken by the boot loader; NULL when it takes none */
} lkw_about;

typedef struct {
    uint16_t number; /* 0: no such key */
    uint8_t key[16];
} lkw_key;

/* What must survive power. Zeros but the address are a new device. */
typedef struct {
    uint8_t address; /* LKW_ADDRESS_NONE until one is assigned */
    lkw_key current;
    lkw_key next;
} lkw_kept;

typedef struct {
    /* 0 once all of it will survive power; either all of it or nothing. */
    int (*keep)(void *context, const lkw_kept *kept);
    /* LKW_FIRED, LKW_BUSY or LKW_LOCK_REFUSES. NULL without locks. */
    uint8_t (*open)(void *context, uint8_t channel, uint16_t pulse_ms);
    /* 1 while the button inside the housing says so. */
    int (*is_pairing)(void *context);
    /* Whatever randomness there is; NULL when there is none. */
    void (*randomness)(void *context, uint8_t out[16]);
    /* Milliseconds since 1970 as 8 bytes; NULL when nobody cares. */
    void (*time)(void *context, const uint8_t unix_ms[8]);
} lkw_hooks;

typedef struct {
    const lkw_about *about;
    const lkw_hooks *hooks;
    void *context;
    lkw_kept kept;
    uint32_t boot;
    uint32_t challenges;
    uint32_t counts[LKW_COUNTS];

    lkw_receiver receiver;
    uint8_t hushed;

    uint8_t pending;
    uint8_t transcript[51];
    uint8_t pending_mac[16];

    uint8_t in_session;
    uint16_t session_key;
    uint8_t g2d[16];
    uint8_t d2g[16];
    uint32_t number;
    uint32_t heard_at;
    uint8_t mark[8]; /* tag of the last request, or the beginning of the PROVE */

    uint32_t next_event;
    uint32_t sent_event;
    uint16_t queue_size;
    uint8_t flags;
    uint8_t doors[8];
    uint8_t items[8];
    uint8_t commands[LKW_COMMANDS_KEPT][8];
    uint8_t commands_known;
    uint8_t command_at;

    uint8_t queue[LKW_QUEUE_BYTES];
    uint8_t answer[LKW_LINE_MAX]; /* of the last sealed request: a repetition gets it again */
    uint16_t answer_size;
    uint8_t open_line[LKW_OPEN_LINE_MAX];
} lkw_device;

void lkw_start(lkw_device *device, const lkw_about *about, const lkw_hooks *hooks, void *context, const lkw_kept *kept,
               uint32_t boot);

/* Size of the answer to send now, valid until the next byte; 0 when there is none. */
size_t lkw_receive(lkw_device *device, uint8_t byte, uint32_t uptime_ms, const uint8_t **answer);

/*
 * At least once an hour, whether or not anything is heard: a session ends by time, and uptimes are compared modulo 2^32. Without it a
 * request that somebody held back for 49 days would find its session and its time again.
 */
void lkw_tick(lkw_device *device, uint32_t uptime_ms);

/* 0; -1 when the queue is full: the number is used up, and the gateway will see that. -2 when it is no such event. */
int lkw_event(lkw_device *device, uint8_t kind, const uint8_t *data, size_t size, uint32_t uptime_ms);

/* A debounced contact. `tell` 0 before the first frame: a state that was found is no change. */
void lkw_set_door(lkw_device *device, uint8_t channel, int shut, uint32_t uptime_ms, int tell);
void lkw_set_item(lkw_device *device, uint8_t channel, int there, uint32_t uptime_ms, int tell);
void lkw_set_tamper(lkw_device *device, uint8_t input, int raised, uint32_t uptime_ms);
void lkw_set_power(lkw_device *device, uint8_t source, int there, uint8_t percent, uint32_t uptime_ms);

/* Size of an ATTENTION frame, for a point-to-point line. */
size_t lkw_attention(lkw_device *device, const uint8_t **line);

#endif
