/*
 * Whatever is said to a device: raw bytes, frames with a sound CRC, and requests under the true key of a running session. With libFuzzer,
 * or with -DALONE and a seed for whoever has none.
 */
#include <stdlib.h>
#include <string.h>
#include "../lkw_crypto.h"
#include "../lkw_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int keep(void *context, const lkw_kept *kept)
{
    (void)kept;
    return *(const int *)context;
}

static uint8_t fire(void *context, uint8_t channel, uint16_t pulse_ms)
{
    (void)context;
    (void)channel;
    return (uint8_t)(pulse_ms % 2 == 0 ? LKW_FIRED : LKW_BUSY);
}

static int is_pairing(void *context)
{
    return *(const int *)context == 0;
}

static const lkw_hooks hooks = {keep, fire, is_pairing, NULL, NULL};

/* Of an answer whatever the device says must be true, or this stops. */
static void check(const lkw_device *device, const uint8_t *answer, size_t size)
{
    if (size > LKW_LINE_MAX || size < 9 || answer[0] != 0 || answer[size - 1] != 0 ||
        memchr(answer + 1, 0, size - 2) != NULL || device->queue_size > LKW_QUEUE_BYTES) {
        abort();
    }
}

static void feed(lkw_device *device, const uint8_t *line, size_t size, uint32_t now)
{
    size_t i;
    for (i = 0; i < size; i++) {
        const uint8_t *answer;
        const size_t said = lkw_receive(device, line[i], now, &answer);
        if (said > 0) {
            check(device, answer, said);
        }
    }
}

static void seal(lkw_device *device, const uint8_t *plain, uint8_t size, uint8_t ahead, uint32_t now)
{
    uint8_t content[LKW_CONTENT_MAX + 4];
    uint8_t line[LKW_LINE_MAX + 2];
    uint8_t nonce[13] = {0};
    const uint8_t text_size = size > 251 ? 251 : size;
    const uint32_t number = device->number + ahead;
    content[0] = 0x28;
    content[1] = device->kept.address;
    lkw_put32(content + 2, number);
    lkw_put32(nonce + 1, number);
    memcpy(content + 6, plain, text_size);
    lkw_ccm_seal(device->g2d, nonce, content, 6, content + 6, text_size, content + 6 + text_size);
    feed(device, line, lkw_finish_frame(content, (size_t)text_size + 14, line), now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lkw_device device;
    lkw_about about;
    lkw_kept kept;
    int context = 0;
    uint32_t now = 0;
    memset(&about, 0, sizeof about);
    memset(&kept, 0, sizeof kept);
    about.identity[0] = 1;
    about.channels = size > 0 ? data[0] % 65 : 0;
    about.firmware = "1";
    about.model = "fuzz";
    kept.address = 7;
    lkw_start(&device, &about, &hooks, &context, &kept, 1);
    while (size >= 3) {
        const uint8_t op = data[0];
        const uint8_t more = data[1];
        const size_t length = data[2] < size - 3 ? data[2] : size - 3;
        const uint8_t *bytes = data + 3;
        uint8_t content[LKW_CONTENT_MAX + 4];
        uint8_t line[LKW_LINE_MAX + 2];
        now += more;
        context = (op & 0x40) != 0;
        switch (op & 7) {
        case 0:
            feed(&device, bytes, length, now);
            break;
        case 1:
            memcpy(content, bytes, length);
            feed(&device, line, lkw_finish_frame(content, length, line), now);
            break;
        case 2:
            /* As if the handshake had been: what is behind it is looked at too. */
            device.in_session = 1;
            device.heard_at = now;
            break;
        case 3:
            (void)lkw_event(&device, more, bytes, length, now);
            break;
        case 4:
            lkw_set_door(&device, more, op & 8, now, 1);
            lkw_set_item(&device, more, op & 16, now, 1);
            break;
        case 5:
            lkw_set_tamper(&device, more, op & 8, now);
            lkw_set_power(&device, more & 1, op & 8, 50, now);
            break;
        default:
            if (length > 0) {
                seal(&device, bytes, (uint8_t)length, (uint8_t)(1 + (op >> 7)), now);
            }
        }
        data += 3 + length;
        size -= 3 + length;
    }
    return 0;
}

#ifdef ALONE
#include <stdio.h>

int main(int argc, char **argv)
{
    static uint8_t input[1024];
    uint32_t state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
    long i;
    for (i = 0; i < rounds; i++) {
        size_t size = 0;
        size_t at;
        state = state * 1664525u + 1013904223u;
        size = (state >> 16) % sizeof input;
        for (at = 0; at < size; at++) {
            state = state * 1664525u + 1013904223u;
            input[at] = (uint8_t)(state >> 24);
            /* Types and small numbers are more likely than chance makes them. */
            if ((state >> 20 & 3) == 0) {
                input[at] = (uint8_t)(0x11 + input[at] % 9);
            }
        }
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%ld\n", rounds);
    return 0;
}
#endif
