/*
 * The main loop of a locker controller, on a host: the line is a pseudo-terminal that it opens and names, the doors are lines typed
 * at it. What a board puts in the place of each part is said beside it.
 *
 *     locker STATE_FILE IDENTITY LABEL_KEY DIGEST [LINK]      (hex; 8, 16 and 32 bytes)
 *
 *     door 1 open   item 1 1   scan ]C0 TEXT   keypad 1 1234   weight 1 1500   tamper 1 1   power 0 0 80   pairing 1
 *     reset   counts   kept   say 00...00 (those bytes on the line, as somebody else on it would)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "../lkw_device.h"

#define CHANNELS 12

typedef struct {
    int line;
    const char *state_file;
    lkw_about about;
    lkw_device device;
    uint8_t digest[32];
    uint32_t boot;
    int pairing;
    struct timespec started;
    /* What the switches say: they keep their places when the board is reset. */
    unsigned char is_open[CHANNELS + 1], holds[CHANNELS + 1];
} board;

/* On a board: its millisecond tick. */
static uint32_t uptime_ms(const board *own)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((now.tv_sec - own->started.tv_sec) * 1000 + (now.tv_nsec - own->started.tv_nsec) / 1000000);
}

/* On a board: a page of flash with two copies and a checksum, so that a cut leaves one of them whole. */
static int write_state(const board *own, const lkw_kept *kept, uint32_t boot)
{
    char fresh[4096];
    FILE *file;
    if (snprintf(fresh, sizeof fresh, "%s.new", own->state_file) >= (int)sizeof fresh) {
        return -1;
    }
    file = fopen(fresh, "wb");
    if (file == NULL) {
        return -1;
    }
    if (fwrite(&boot, sizeof boot, 1, file) != 1 || fwrite(kept, sizeof *kept, 1, file) != 1 || fflush(file) != 0 ||
        fsync(fileno(file)) != 0) {
        fclose(file);
        return -1;
    }
    fclose(file);
    return rename(fresh, own->state_file);
}

static int keep(void *context, const lkw_kept *kept)
{
    const board *own = context;
    return write_state(own, kept, own->boot);
}

/* On a board: the transistor of the lock, for pulse_ms. */
static uint8_t fire(void *context, uint8_t channel, uint16_t pulse_ms)
{
    (void)context;
    printf("fired %u %u\n", (unsigned)channel, (unsigned)pulse_ms);
    fflush(stdout);
    return LKW_FIRED;
}

static int is_pairing(void *context)
{
    return ((const board *)context)->pairing;
}

/* On a board: its random number generator, or noise of an analogue input. */
static void randomness(void *context, uint8_t out[16])
{
    int file = open("/dev/urandom", O_RDONLY);
    (void)context;
    memset(out, 0, 16);
    if (file >= 0) {
        if (read(file, out, 16) < 0) {
            memset(out, 0, 16);
        }
        close(file);
    }
}

/* On a board: its display, or the records that it keeps for itself. */
static void take_time(void *context, const uint8_t unix_ms[8])
{
    (void)context;
    printf("time %llu\n", (unsigned long long)lkw_get32(unix_ms) | (unsigned long long)lkw_get32(unix_ms + 4) << 32);
    fflush(stdout);
}

static const lkw_hooks hooks = {keep, fire, is_pairing, randomness, take_time};

/* On a board: the pins of its switches, before the first frame says anything of them. */
static void read_switches(board *own)
{
    uint8_t i;
    for (i = 1; i <= CHANNELS; i++) {
        lkw_set_door(&own->device, i, !own->is_open[i], 0, 0);
        lkw_set_item(&own->device, i, own->holds[i], 0, 0);
    }
}

/* The boot number is counted up and written before the first frame (PROTOCOL.md section 3). */
static int start(board *own)
{
    lkw_kept kept;
    FILE *file = fopen(own->state_file, "rb");
    memset(&kept, 0, sizeof kept);
    kept.address = 1;
    own->boot = 0;
    if (file != NULL) {
        if (fread(&own->boot, sizeof own->boot, 1, file) != 1 || fread(&kept, sizeof kept, 1, file) != 1) {
            fclose(file);
            return -1;
        }
        fclose(file);
    }
    own->boot++;
    if (write_state(own, &kept, own->boot) != 0) {
        return -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &own->started);
    lkw_start(&own->device, &own->about, &hooks, own, &kept, own->boot);
    read_switches(own);
    return 0;
}

static size_t unhex(const char *text, uint8_t *out, size_t max)
{
    size_t size = 0;
    unsigned value;
    while (size < max && text[0] != 0 && text[1] != 0 && sscanf(text, "%2x", &value) == 1) {
        out[size++] = (uint8_t)value;
        text += 2;
    }
    return size;
}

static void say(int line, const uint8_t *bytes, size_t size);

static void happen(board *own, char *line)
{
    const uint32_t now = uptime_ms(own);
    unsigned a = 0, b = 0, c = 0;
    long grams = 0;
    char word[8], text[201];
    uint8_t data[LKW_EVENT_DATA_MAX];
    if (sscanf(line, "door %u %7s", &a, word) == 2) {
        own->is_open[a <= CHANNELS ? a : 0] = word[0] != 's';
        lkw_set_door(&own->device, (uint8_t)a, word[0] == 's', now, 1);
    } else if (sscanf(line, "item %u %u", &a, &b) == 2) {
        own->holds[a <= CHANNELS ? a : 0] = b != 0;
        lkw_set_item(&own->device, (uint8_t)a, (int)b, now, 1);
    } else if (sscanf(line, "scan %3s %200[^\n]", word, text) == 2) {
        memset(data, 0, 3);
        if (word[0] == ']') {
            memcpy(data, word, 3);
        }
        memcpy(data + 3, text, strlen(text));
        (void)lkw_event(&own->device, LKW_EVENT_SCAN, data, 3 + strlen(text), now);
    } else if (sscanf(line, "keypad %u %16s", &a, text) == 2) {
        data[0] = (uint8_t)a;
        memcpy(data + 1, text, strlen(text));
        (void)lkw_event(&own->device, LKW_EVENT_KEYPAD, data, 1 + strlen(text), now);
    } else if (sscanf(line, "weight %u %ld", &a, &grams) == 2) {
        data[0] = (uint8_t)a;
        data[1] = 1;
        lkw_put32(data + 2, (uint32_t)grams);
        (void)lkw_event(&own->device, LKW_EVENT_WEIGHT, data, 6, now);
    } else if (sscanf(line, "tamper %u %u", &a, &b) == 2) {
        lkw_set_tamper(&own->device, (uint8_t)a, (int)b, now);
    } else if (sscanf(line, "power %u %u %u", &a, &b, &c) == 3) {
        lkw_set_power(&own->device, (uint8_t)a, (int)b, (uint8_t)c, now);
    } else if (sscanf(line, "pairing %u", &a) == 1) {
        own->pairing = (int)a;
    } else if (strncmp(line, "reset", 5) == 0) {
        if (start(own) != 0) {
            exit(1);
        }
    } else if (strncmp(line, "say ", 4) == 0) {
        say(own->line, data, unhex(line + 4, data, sizeof data));
    } else if (strncmp(line, "counts", 6) == 0) {
        unsigned i;
        for (i = 0; i < LKW_COUNTS; i++) {
            printf(" %u", (unsigned)own->device.counts[i]);
        }
        putchar('\n');
    } else if (strncmp(line, "kept", 4) == 0) {
        printf("kept %u %u %u\n", (unsigned)own->device.kept.address, (unsigned)own->device.kept.current.number,
               (unsigned)own->device.kept.next.number);
    } else {
        puts("?");
    }
    fflush(stdout);
}

/* On a board: the UART at 8N1. The slave stays open, so that a gateway may come and go. */
static int open_line(const char *link)
{
    struct termios raw;
    const char *name;
    int slave;
    int line = posix_openpt(O_RDWR | O_NOCTTY);
    if (line < 0 || grantpt(line) != 0 || unlockpt(line) != 0 || (name = ptsname(line)) == NULL) {
        return -1;
    }
    slave = open(name, O_RDWR | O_NOCTTY);
    if (slave < 0 || tcgetattr(slave, &raw) != 0) {
        return -1;
    }
    raw.c_iflag &= (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag &= (tcflag_t)~OPOST;
    raw.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag = (raw.c_cflag & (tcflag_t) ~(CSIZE | PARENB | HUPCL)) | CS8;
    if (tcsetattr(slave, TCSANOW, &raw) != 0) {
        return -1;
    }
    if (link != NULL) {
        unlink(link);
        if (symlink(name, link) != 0) {
            return -1;
        }
    }
    printf("line %s\n", name);
    fflush(stdout);
    return line;
}

static void say(int line, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(line, bytes, size);
        if (written <= 0) {
            return;
        }
        bytes += written;
        size -= (size_t)written;
    }
}

/* Whole lines of what is typed; 0 at its end. */
static int hear_hands(board *own)
{
    static char held[512];
    static size_t size;
    char *end;
    const ssize_t got = read(STDIN_FILENO, held + size, sizeof held - 1 - size);
    if (got <= 0) {
        return 0;
    }
    size += (size_t)got;
    held[size] = 0;
    while ((end = strchr(held, '\n')) != NULL) {
        *end = 0;
        happen(own, held);
        size -= (size_t)(end + 1 - held);
        memmove(held, end + 1, size + 1);
    }
    if (size == sizeof held - 1) {
        size = 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    static board own;
    struct pollfd wait[2];
    int line;
    if (argc < 5 || unhex(argv[2], own.about.identity, 8) != 8 || unhex(argv[3], own.about.label_key, 16) != 16 ||
        unhex(argv[4], own.digest, 32) != 32) {
        fputs("usage: locker STATE_FILE IDENTITY LABEL_KEY DIGEST [LINK]\n", stderr);
        return 64;
    }
    own.state_file = argv[1];
    own.about.features = 0xff;
    own.about.channels = CHANNELS;
    own.about.debounce_ms = 30;
    own.about.reply_max_ms = 50;
    own.about.firmware = "1.0.0";
    own.about.model = "example";
    own.about.digest = own.digest;
    if (start(&own) != 0 || (line = open_line(argc > 5 ? argv[5] : NULL)) < 0) {
        perror("locker");
        return 1;
    }
    own.line = line;
    wait[0].fd = line;
    wait[0].events = POLLIN;
    wait[1].fd = STDIN_FILENO;
    wait[1].events = POLLIN;
    for (;;) {
        uint8_t bytes[64];
        ssize_t got;
        ssize_t at;
        if (poll(wait, 2, 1000) < 0 && errno != EINTR) {
            return 1;
        }
        lkw_tick(&own.device, uptime_ms(&own));
        if ((wait[1].revents & (POLLIN | POLLHUP)) != 0 && !hear_hands(&own)) {
            return 0;
        }
        if ((wait[0].revents & POLLIN) == 0) {
            continue;
        }
        got = read(line, bytes, sizeof bytes);
        for (at = 0; at < got; at++) {
            const uint8_t *answer;
            const size_t size = lkw_receive(&own.device, bytes[at], uptime_ms(&own), &answer);
            if (size > 0) {
                say(line, answer, size);
            }
        }
    }
}
