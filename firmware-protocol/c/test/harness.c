/*
 * The C side of the tests, on a host: `device` is driven line by line with its time given; `verdict` judges frames;
 * `vectors` prints what the C side computes; `bench` times it. Uses the C library: no part of the firmware.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../lkw_crypto.h"
#include "../lkw_device.h"

static uint8_t bytes[1 << 20];

static int nibble(char letter)
{
    return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static size_t unhex(const char *text, uint8_t *out)
{
    size_t size = 0;
    while (nibble(text[0]) >= 0 && nibble(text[1]) >= 0) {
        out[size++] = (uint8_t)(nibble(text[0]) * 16 + nibble(text[1]));
        text += 2;
    }
    return size;
}

static void print_hex(const uint8_t *data, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++) {
        printf("%02x", data[i]);
    }
    if (size == 0) {
        putchar('-');
    }
}

/* ---- device ---- */

typedef struct {
    lkw_about about;
    lkw_device device;
    lkw_kept kept;
    int pairing;
    int keep_fails;
    uint32_t fired;
    uint8_t digest[32];
} bench_device;

static int do_keep(void *context, const lkw_kept *kept)
{
    bench_device *bench = context;
    if (bench->keep_fails) {
        return -1;
    }
    bench->kept = *kept;
    return 0;
}

static uint8_t do_open(void *context, uint8_t channel, uint16_t pulse_ms)
{
    bench_device *bench = context;
    (void)channel;
    if (pulse_ms == 0) {
        return LKW_LOCK_REFUSES;
    }
    bench->fired++;
    return LKW_FIRED;
}

static int do_pairing(void *context)
{
    return ((bench_device *)context)->pairing;
}

static const lkw_hooks hooks = {do_keep, do_open, do_pairing, NULL, NULL};

static void print_kept(const lkw_kept *kept)
{
    printf("kept %u %u ", (unsigned)kept->address, (unsigned)kept->current.number);
    print_hex(kept->current.key, 16);
    printf(" %u ", (unsigned)kept->next.number);
    print_hex(kept->next.key, 16);
    putchar('\n');
}

static void start(bench_device *bench, char *words)
{
    char id[40], label[40], current[40], next[40];
    unsigned boot, channels, address, current_number, next_number;
    memset(&bench->kept, 0, sizeof bench->kept);
    if (sscanf(words, "%39s %39s %u %u %u %u %39s %u %39s", id, label, &boot, &channels, &address, &current_number,
               current, &next_number, next) != 9) {
        puts("usage");
        return;
    }
    unhex(id, bench->about.identity);
    unhex(label, bench->about.label_key);
    bench->about.features = 0xff;
    bench->about.channels = (uint8_t)channels;
    bench->about.debounce_ms = 30;
    bench->about.reply_max_ms = 50;
    bench->about.firmware = "1.2.3";
    bench->about.model = "bench";
    memset(bench->digest, 0xd1, sizeof bench->digest);
    bench->about.digest = bench->digest;
    bench->kept.address = (uint8_t)address;
    bench->kept.current.number = (uint16_t)current_number;
    unhex(current, bench->kept.current.key);
    bench->kept.next.number = (uint16_t)next_number;
    unhex(next, bench->kept.next.key);
    lkw_start(&bench->device, &bench->about, &hooks, bench, &bench->kept, boot);
    puts("ok");
}

static void receive(bench_device *bench, char *words)
{
    unsigned long now = strtoul(words, &words, 10);
    size_t size = unhex(words + 1, bytes);
    size_t i;
    fputs("tx ", stdout);
    int said = 0;
    for (i = 0; i < size; i++) {
        const uint8_t *answer;
        size_t answer_size = lkw_receive(&bench->device, bytes[i], (uint32_t)now, &answer);
        if (answer_size > 0) {
            print_hex(answer, answer_size);
            said = 1;
        }
    }
    puts(said ? "" : "-");
}

static void obey(bench_device *bench, char *line)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    char text[600];
    unsigned i;
    if (strncmp(line, "start ", 6) == 0) {
        start(bench, line + 6);
    } else if (strncmp(line, "rx ", 3) == 0) {
        receive(bench, line + 3);
    } else if (sscanf(line, "event %u %u %599s", &a, &b, text) == 3) {
        size_t size = unhex(text, bytes);
        printf("event %d\n", lkw_event(&bench->device, (uint8_t)b, bytes, size, a));
    } else if (sscanf(line, "door %u %u %u", &a, &b, &c) == 3) {
        lkw_set_door(&bench->device, (uint8_t)b, (int)c, a, 1);
        puts("ok");
    } else if (sscanf(line, "item %u %u %u", &a, &b, &c) == 3) {
        lkw_set_item(&bench->device, (uint8_t)b, (int)c, a, 1);
        puts("ok");
    } else if (sscanf(line, "tamper %u %u %u", &a, &b, &c) == 3) {
        lkw_set_tamper(&bench->device, (uint8_t)b, (int)c, a);
        puts("ok");
    } else if (sscanf(line, "power %u %u %u %u", &a, &b, &c, &d) == 4) {
        lkw_set_power(&bench->device, (uint8_t)b, (int)c, (uint8_t)d, a);
        puts("ok");
    } else if (sscanf(line, "tick %u", &a) == 1) {
        lkw_tick(&bench->device, a);
        puts("ok");
    } else if (sscanf(line, "challenges %u", &a) == 1) {
        bench->device.challenges = a;
        puts("ok");
    } else if (sscanf(line, "pairing %u", &a) == 1) {
        bench->pairing = (int)a;
        puts("ok");
    } else if (sscanf(line, "keep_fails %u", &a) == 1) {
        bench->keep_fails = (int)a;
        puts("ok");
    } else if (strcmp(line, "kept") == 0) {
        print_kept(&bench->kept);
    } else if (strcmp(line, "fired") == 0) {
        printf("fired %u\n", (unsigned)bench->fired);
    } else if (strcmp(line, "counts") == 0) {
        fputs("counts", stdout);
        for (i = 0; i < LKW_COUNTS; i++) {
            printf(" %u", (unsigned)bench->device.counts[i]);
        }
        putchar('\n');
    } else {
        puts("usage");
    }
}

/* ---- verdict ---- */

static const char *const verdicts[] = {"ok", "long", "cobs", "short", "crc", "version", "reserved", "address"};
static const char *const body_verdicts[] = {"ok", "type", "length", "value"};

static void judge(const lkw_frame *frame, const uint8_t keys[32])
{
    uint8_t nonce[13] = {0};
    uint8_t type = frame->type;
    const uint8_t *body = frame->body;
    size_t size = frame->body_size;
    printf("%s %s %u ", frame->sealed ? "sealed" : "open", frame->from_device ? "device" : "gateway",
           (unsigned)frame->address);
    if (frame->sealed) {
        nonce[0] = frame->from_device;
        lkw_put32(nonce + 1, frame->number);
        printf("%lu ", (unsigned long)frame->number);
        if (lkw_ccm_open(keys + (frame->from_device ? 16 : 0), nonce, frame->content, 6, frame->body,
                         frame->body_size, frame->body + frame->body_size) != 0) {
            fputs("tag;", stdout);
            return;
        }
        type = frame->body[0];
        body++;
        size--;
    }
    printf("%02x %s;", (unsigned)type, body_verdicts[lkw_check_body(frame->sealed, frame->from_device, type, body, size)]);
}

static void judge_line(const char *line, const uint8_t keys[32])
{
    static lkw_receiver receiver;
    size_t size = unhex(line, bytes);
    size_t i;
    receiver.size = 0;
    receiver.overflow = 0;
    for (i = 0; i < size; i++) {
        lkw_frame frame;
        lkw_verdict verdict;
        if (!lkw_receive_byte(&receiver, bytes[i], &frame, &verdict)) {
            continue;
        }
        if (verdict != LKW_OK) {
            printf("%s;", verdicts[verdict]);
        } else {
            judge(&frame, keys);
        }
    }
    putchar('\n');
}

/* ---- vectors ---- */

static void field(const char *name, const uint8_t *data, size_t size, const char *after)
{
    printf("\"%s\":\"", name);
    if (size > 0) {
        print_hex(data, size);
    }
    printf("\"%s", after);
}

/* Each line of input: `aes KEY BLOCK`, `cmac KEY DATA`, `kdf KEY LABEL CONTEXT`, `ccm KEY NONCE AAD DATA`, `crc DATA`, `cobs DATA`. */
static void compute(char *line)
{
    static char words[5][4096];
    static uint8_t parts[5][2048];
    size_t sizes[5] = {0};
    uint8_t out[16];
    uint8_t tag[8];
    int count = sscanf(line, "%4095s %4095s %4095s %4095s %4095s", words[0], words[1], words[2], words[3], words[4]);
    int i;
    for (i = 1; i < count; i++) {
        sizes[i] = unhex(words[i], parts[i]);
    }
    if (strcmp(words[0], "aes") == 0) {
        lkw_aes128(parts[1], parts[2]);
        print_hex(parts[2], 16);
    } else if (strcmp(words[0], "cmac") == 0) {
        lkw_cmac mac;
        lkw_cmac_start(&mac, parts[1]);
        for (i = 0; i < (int)sizes[2]; i++) {
            lkw_cmac_add(&mac, parts[2] + i, 1);
        }
        lkw_cmac_end(&mac, out);
        print_hex(out, 16);
    } else if (strcmp(words[0], "kdf") == 0) {
        lkw_kdf(parts[1], words[2], strlen(words[2]) + 1, parts[3], sizes[3], out);
        print_hex(out, 16);
    } else if (strcmp(words[0], "ccm") == 0) {
        uint8_t again[2048];
        lkw_ccm_seal(parts[1], parts[2], parts[3], (uint16_t)sizes[3], parts[4], (uint16_t)sizes[4], tag);
        memcpy(again, parts[4], sizes[4]);
        print_hex(parts[4], sizes[4]);
        print_hex(tag, 8);
        fputs(lkw_ccm_open(parts[1], parts[2], parts[3], (uint16_t)sizes[3], again, (uint16_t)sizes[4], tag) == 0
                  ? " opens" : " closed", stdout);
        tag[7] ^= 1;
        fputs(lkw_ccm_open(parts[1], parts[2], parts[3], (uint16_t)sizes[3], parts[4], (uint16_t)sizes[4], tag) == 0
                  ? " opens" : " closed", stdout);
    } else if (strcmp(words[0], "crc") == 0) {
        printf("%08lx", (unsigned long)lkw_crc32(parts[1], sizes[1]));
    } else if (strcmp(words[0], "cobs") == 0) {
        uint8_t coded[2100];
        size_t size = lkw_cobs_encode(parts[1], sizes[1], coded);
        int back;
        print_hex(coded, size);
        back = lkw_cobs_decode(coded, size);
        fputs(back == (int)sizes[1] && memcmp(coded, parts[1], sizes[1]) == 0 ? " same" : " other", stdout);
    } else {
        fputs("usage", stdout);
    }
    putchar('\n');
}

/* A handshake and some exchanges as the C device sees them: JSON, for whoever checks it. */
static void vectors(void)
{
    static bench_device bench;
    lkw_kept kept;
    uint8_t identity[8] = {0x4c, 0x4b, 0x57, 0x01, 0x02, 0x03, 0x04, 0x05};
    const uint8_t *answer;
    uint8_t line[LKW_LINE_MAX];
    uint8_t content[LKW_CONTENT_MAX + 4];
    size_t size, i;
    memset(&bench, 0, sizeof bench);
    memset(&kept, 0, sizeof kept);
    memcpy(bench.about.identity, identity, 8);
    memset(bench.about.label_key, 0x11, 16);
    memset(bench.digest, 0xd1, 32);
    bench.about.digest = bench.digest;
    bench.about.channels = 12;
    bench.about.features = 0xff;
    bench.about.debounce_ms = 30;
    bench.about.reply_max_ms = 50;
    bench.about.firmware = "1.2.3";
    bench.about.model = "bench";
    kept.address = 7;
    lkw_start(&bench.device, &bench.about, &hooks, &bench, &kept, 5);
    content[0] = LKW_CONTROL_GATEWAY;
    content[1] = 7;
    content[2] = LKW_HELLO;
    content[3] = 1;
    content[4] = 1;
    lkw_put16(content + 5, 0);
    for (i = 0; i < 16; i++) {
        content[7 + i] = (uint8_t)(0xa0 + i);
    }
    size = lkw_finish_frame(content, 23, line);
    putchar('{');
    field("identity", identity, 8, ",");
    field("key", bench.about.label_key, 16, ",");
    field("hello", line, size, ",");
    for (i = 0; i < size; i++) {
        size_t said = lkw_receive(&bench.device, line[i], 1000, &answer);
        if (said > 0) {
            field("challenge", answer, said, ",");
        }
    }
    field("transcript", bench.device.transcript, 51, ",");
    field("mac_d", bench.device.pending_mac, 16, "}\n");
}

static void bench_cpu(void)
{
    static uint8_t content[LKW_CONTENT_MAX + 4];
    static uint8_t line[LKW_LINE_MAX];
    static lkw_receiver receiver;
    static const uint8_t key[16] = {1};
    static const unsigned sizes[] = {5, 32, 250};
    unsigned s;
    for (s = 0; s < 3; s++) {
        const uint16_t size = (uint16_t)(sizes[s] + 1);
        const int rounds = 20000;
        struct timespec from, to;
        double us;
        int i;
        /* Of the processor, not of the clock: other work may run beside. */
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        for (i = 0; i < rounds; i++) {
            uint8_t nonce[13] = {0};
            lkw_frame frame;
            lkw_verdict verdict;
            size_t length, at;
            lkw_put32(nonce + 1, (uint32_t)i);
            content[0] = 0x28;
            content[1] = 1;
            lkw_put32(content + 2, (uint32_t)i);
            lkw_ccm_seal(key, nonce, content, 6, content + 6, size, content + 6 + size);
            length = lkw_finish_frame(content, 14u + size, line);
            for (at = 0; at < length; at++) {
                if (lkw_receive_byte(&receiver, line[at], &frame, &verdict) && verdict == LKW_OK) {
                    if (lkw_ccm_open(key, nonce, frame.content, 6, frame.body, frame.body_size,
                                     frame.body + frame.body_size) != 0) {
                        abort();
                    }
                }
            }
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        us = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
        printf("%u %.3f\n", sizes[s], us / rounds);
    }
}

int main(int argc, char **argv)
{
    static bench_device bench;
    static char line[1 << 21];
    uint8_t keys[32];
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "vectors") == 0) {
        vectors();
        return 0;
    }
    if (strcmp(mode, "bench") == 0) {
        bench_cpu();
        return 0;
    }
    if (strcmp(mode, "verdict") == 0 && (argc < 3 || unhex(argv[2], keys) != 32)) {
        return 64;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(mode, "device") == 0) {
            obey(&bench, line);
        } else if (strcmp(mode, "verdict") == 0) {
            judge_line(line, keys);
        } else {
            compute(line);
        }
        fflush(stdout);
    }
    return 0;
}
