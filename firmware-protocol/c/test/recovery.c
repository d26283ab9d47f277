/*
 * The resynchronisation bound of PROTOCOL.md section 2, without gaps: into a stream of frames every burst of 1 to 32 bytes, at every
 * position, in every pattern below. Each time every frame of which no byte was touched must be delivered, in its order, once,
 * and none whose content was not sent.
 *
 *     recovery SEED FRAMES STRIDE         every STRIDEth position, or all with 1; exit 1 at the first failure
 *
 * Between two frames a receiver knows nothing: `size` and `overflow` are zero after each closing delimiter, which is asserted for
 * each frame, and both are all that is read of it before it is written. So only the frames around a burst are decoded anew;
 * and a part of the windows is compared with the whole stream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../lkw_crypto.h"
#include "../lkw_frame.h"

#define AROUND 2u
/* After those that are damaged two more come: the next sound ones. */
#define FRAMES_MAX (10000u + AROUND)
#define BURST_MAX 32u
/* Bursts lie over a few frames of 20 bytes at least, and two more on each side. */
#define WINDOW_FRAMES 16u
#define WHOLE_EVERY 500009u

typedef enum { XOR_ANY, XOR_ONE, XOR_ALL, ZEROS, ONES, CODE_BYTES, DELETED, INSERTED, INSERTED_ZEROS, PATTERNS } pattern;

static const char *const names[PATTERNS] = {"changed",  "one bit of each",    "inverted",      "zeros",         "ff",
                                            "01",       "deleted",            "inserted",      "zeros inserted"};

static uint8_t stream[FRAMES_MAX * LKW_LINE_MAX];
static uint8_t damaged[FRAMES_MAX * LKW_LINE_MAX + BURST_MAX];
static size_t starts[FRAMES_MAX + 1];
static uint8_t contents[FRAMES_MAX][LKW_CONTENT_MAX + 4];
static uint16_t sizes[FRAMES_MAX];
static size_t frames;
static uint32_t state;
static unsigned long cases, crc_passed, whole_compared, alike;

static const uint8_t key[16] = {7};

static uint32_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void make_stream(void)
{
    size_t i, k, at = 0;
    for (i = 0; i < frames; i++) {
        uint8_t *content = contents[i];
        uint8_t copy[LKW_CONTENT_MAX + 4];
        const uint16_t filling = (uint16_t)(i % 97 == 0 ? 230 + draw() % 16 : draw() % 40);
        uint8_t nonce[13] = {0};
        /* Open and sealed in turns; a third of the fillings is mostly zeros, which COBS codes otherwise. */
        const int sealed = i % 2 != 0;
        const size_t head = sealed ? 6 : 3;
        content[0] = (uint8_t)(0x30u | (sealed ? 8u : 0u));
        content[1] = 7;
        content[2] = 0x7e;
        if (sealed) {
            lkw_put32(content + 2, (uint32_t)i);
        }
        lkw_put32(content + head, (uint32_t)i);
        for (k = 0; k < filling; k++) {
            content[head + 4 + k] = (uint8_t)(i % 3 == 0 && draw() % 4 != 0 ? 0 : draw());
        }
        sizes[i] = (uint16_t)(head + 4 + filling);
        if (sealed) {
            nonce[0] = 1;
            lkw_put32(nonce + 1, (uint32_t)i);
            lkw_ccm_seal(key, nonce, content, 6, content + 6, (uint16_t)(4 + filling), content + sizes[i]);
            sizes[i] = (uint16_t)(sizes[i] + LKW_TAG);
        }
        memcpy(copy, content, sizes[i]);
        starts[i] = at;
        at += lkw_finish_frame(copy, sizes[i], stream + at);
    }
    starts[frames] = at;
}

static void fail(const char *what, pattern how, size_t at, size_t burst)
{
    fprintf(stderr, "%s: %s, %lu bytes at %lu\n", what, names[how], (unsigned long)burst, (unsigned long)at);
    exit(1);
}

/* Whether its tag is sound: then a damaged frame would be believed. */
static int is_believed(const lkw_frame *frame)
{
    static uint8_t text[LKW_CONTENT_MAX];
    uint8_t nonce[13] = {0};
    nonce[0] = frame->from_device;
    lkw_put32(nonce + 1, frame->number);
    memcpy(text, frame->body, frame->body_size);
    return lkw_ccm_open(key, nonce, frame->content, 6, text, frame->body_size, frame->body + frame->body_size) == 0;
}

/* The frames from `first` on that are delivered out of these bytes, as a list; whatever was not sent ends the program. */
static size_t deliver(const uint8_t *line, size_t size, size_t first, size_t last, uint16_t *delivered, pattern how,
                      size_t at, size_t burst)
{
    static lkw_receiver receiver;
    size_t count = 0, next = first, i;
    receiver.size = 0;
    receiver.overflow = 0;
    for (i = 0; i < size; i++) {
        lkw_frame frame;
        lkw_verdict verdict;
        size_t candidate;
        if (!lkw_receive_byte(&receiver, line[i], &frame, &verdict) || verdict != LKW_OK) {
            continue;
        }
        for (candidate = next; candidate < last; candidate++) {
            if (sizes[candidate] == frame.size && memcmp(contents[candidate], frame.content, frame.size) == 0) {
                break;
            }
        }
        if (candidate < last) {
            delivered[count] = (uint16_t)candidate;
            count++;
            next = candidate + 1;
            continue;
        }
        /* A CRC lets one in 2^32 pass; a tag must not. */
        crc_passed++;
        if (!frame.sealed || is_believed(&frame)) {
            fail("a damaged frame was delivered", how, at, burst);
        }
    }
    /* Locality: nothing is left over for whatever comes next. */
    if (receiver.size != 0 || receiver.overflow != 0) {
        fail("the receiver remembers something", how, at, burst);
    }
    return count;
}

/* Puts the burst into a copy of stream[from, to); its size. */
static size_t damage(uint8_t *out, size_t from, size_t to, pattern how, size_t at, size_t burst)
{
    const size_t before = at - from;
    size_t k;
    memcpy(out, stream + from, before);
    if (how == DELETED) {
        memcpy(out + before, stream + at + burst, to - at - burst);
        return to - from - burst;
    }
    if (how == INSERTED || how == INSERTED_ZEROS) {
        for (k = 0; k < burst; k++) {
            out[before + k] = (uint8_t)(how == INSERTED ? draw() : 0);
        }
        memcpy(out + before + burst, stream + at, to - at);
        return to - from + burst;
    }
    memcpy(out + before, stream + at, to - at);
    for (k = 0; k < burst; k++) {
        uint8_t *byte = out + before + k;
        switch (how) {
        case XOR_ANY:
            *byte = (uint8_t)(*byte ^ (1u + draw() % 255u));
            break;
        case XOR_ONE:
            *byte = (uint8_t)(*byte ^ (1u << (draw() & 7u)));
            break;
        case XOR_ALL:
            *byte ^= 0xff;
            break;
        case ZEROS:
            *byte = 0;
            break;
        case ONES:
            *byte = 0xff;
            break;
        default:
            *byte = 1;
            break;
        }
    }
    return to - from;
}

static int is_touched(size_t frame, pattern how, size_t at, size_t burst, const uint8_t *line, size_t from)
{
    size_t i;
    if (how == INSERTED || how == INSERTED_ZEROS) {
        return at > starts[frame] && at < starts[frame + 1];
    }
    if (at >= starts[frame + 1] || at + burst <= starts[frame]) {
        return 0;
    }
    if (how == DELETED) {
        return 1;
    }
    for (i = at > starts[frame] ? at : starts[frame]; i < at + burst && i < starts[frame + 1]; i++) {
        if (line[i - from] != stream[i]) {
            return 1;
        }
    }
    return 0;
}

static void check(size_t around, pattern how, size_t at, size_t burst)
{
    static uint8_t line[WINDOW_FRAMES * LKW_LINE_MAX];
    static uint16_t delivered[FRAMES_MAX];
    const size_t first = around > AROUND ? around - AROUND : 0;
    size_t last = around, size, count, i, got = 0, touched = 0;
    uint32_t drawn;
    while (last < frames && starts[last] < at + burst) {
        last++;
    }
    last = last + AROUND < frames ? last + AROUND : frames;
    if (last - first > WINDOW_FRAMES) {
        fail("a burst lies over too many frames", how, at, burst);
    }
    drawn = state;
    size = damage(line, starts[first], starts[last], how, at, burst);
    count = deliver(line, size, first, last, delivered, how, at, burst);
    for (i = first; i < last; i++) {
        const int is_here = got < count && delivered[got] == i;
        const int is_hit = is_touched(i, how, at, burst, line, starts[first]);
        touched += (size_t)is_hit;
        if (!is_here && !is_hit) {
            fail("a frame that nothing touched was not delivered", how, at, burst);
        }
        got += (size_t)is_here;
    }
    alike += touched == 0;
    cases++;
    if (cases % WHOLE_EVERY == 0) {
        static uint16_t all[FRAMES_MAX];
        const uint32_t later = state;
        size_t all_count;
        state = drawn;
        size = damage(damaged, 0, starts[frames], how, at, burst);
        state = later;
        all_count = deliver(damaged, size, 0, frames, all, how, at, burst);
        /* What lies outside of the window is there whole, and what lies inside is the same. */
        if (all_count != count + frames - (last - first) || memcmp(all + first, delivered, count * sizeof *all) != 0) {
            fail("the window and the whole stream differ", how, at, burst);
        }
        whole_compared++;
    }
}

int main(int argc, char **argv)
{
    const size_t stride = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    size_t at, burst, around = 0;
    int how;
    state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) | 1u : 1u;
    frames = (argc > 2 ? strtoul(argv[2], NULL, 10) : FRAMES_MAX - AROUND) + AROUND;
    if (frames < 2 + AROUND || frames > FRAMES_MAX || stride == 0) {
        return 64;
    }
    make_stream();
    for (at = 0; at < starts[frames - AROUND]; at += stride) {
        while (starts[around + 1] <= at) {
            around++;
        }
        /* The last bursts end with the last of the frames that are damaged. */
        for (burst = 1; burst <= BURST_MAX && at + burst <= starts[frames - AROUND]; burst++) {
            for (how = 0; how < PATTERNS; how++) {
                check(around, (pattern)how, at, burst);
            }
        }
    }
    printf("{\"bytes\":%lu,\"cases\":%lu,\"unchanged\":%lu,\"crc_passed\":%lu,\"whole_compared\":%lu}\n",
           (unsigned long)starts[frames - AROUND], cases, alike, crc_passed, whole_compared);
    return 0;
}
