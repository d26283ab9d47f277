/* See lkw_device.h. The tables of PROTOCOL.md section 4 are the states here: pending and in_session. */
#include "lkw_device.h"
#include "lkw_crypto.h"
#include "lkw_memory.h"

#define HEAD 6u
#define TRANSCRIPT 51u

static void wipe(void *what, size_t size)
{
    volatile uint8_t *bytes = what;
    while (size > 0) {
        size--;
        bytes[size] = 0;
    }
}

static void end_session(lkw_device *device)
{
    device->in_session = 0;
    wipe(device->g2d, 16);
    wipe(device->d2g, 16);
}

void lkw_start(lkw_device *device, const lkw_about *about, const lkw_hooks *hooks, void *context, const lkw_kept *kept,
               uint32_t boot)
{
    wipe(device, sizeof *device);
    device->about = about;
    device->hooks = hooks;
    device->context = context;
    device->kept = *kept;
    device->boot = boot;
    device->next_event = 1;
}

/* ---- open messages ---- */

static size_t answer_open(lkw_device *device, uint8_t type, const uint8_t *body, size_t size, const uint8_t **answer)
{
    uint8_t content[3 + 47 + 4];
    content[0] = LKW_CONTROL_GATEWAY | LKW_CONTROL_DEVICE;
    content[1] = device->kept.address;
    content[2] = type;
    if (size > 0) {
        memcpy(content + 3, body, size);
    }
    *answer = device->open_line;
    return lkw_finish_frame(content, 3 + size, device->open_line);
}

size_t lkw_attention(lkw_device *device, const uint8_t **line)
{
    return answer_open(device, LKW_ATTENTION, NULL, 0, line);
}

static int prefix_fits(const uint8_t *identity, const uint8_t *prefix, uint8_t bits)
{
    uint8_t i;
    for (i = 0; i < bits; i++) {
        const uint8_t mask = (uint8_t)(0x80u >> (i & 7u));
        if (((identity[i / 8u] ^ prefix[i / 8u]) & mask) != 0) {
            return 0;
        }
    }
    return 1;
}

static size_t answer_who(lkw_device *device, const uint8_t *body, const uint8_t **answer)
{
    uint8_t out[14];
    if (body[0] == 1) {
        device->hushed = 0;
    }
    if (device->hushed || !prefix_fits(device->about->identity, body + 2, body[1])) {
        return 0;
    }
    memcpy(out, device->about->identity, 8);
    out[8] = device->kept.address;
    lkw_put32(out + 9, device->boot);
    out[13] = 1;
    return answer_open(device, LKW_HERE, out, sizeof out, answer);
}

static int keep(lkw_device *device, const lkw_kept *kept)
{
    if (device->hooks->keep(device->context, kept) != 0) {
        return -1;
    }
    device->kept = *kept;
    return 0;
}

/* A session in which no new request came for a minute is over, whether or not anybody speaks (section 1). */
void lkw_tick(lkw_device *device, uint32_t uptime_ms)
{
    if (device->in_session && uptime_ms - device->heard_at > LKW_SESSION_IDLE_MS) {
        end_session(device);
    }
}

static size_t answer_assign(lkw_device *device, const uint8_t *body, const uint8_t **answer)
{
    lkw_kept kept = device->kept;
    uint8_t out[9];
    if (device->in_session) {
        device->counts[LKW_COUNT_REFUSED]++;
        return 0;
    }
    kept.address = body[8];
    if (kept.address != device->kept.address && keep(device, &kept) != 0) {
        return 0;
    }
    memcpy(out, body, 9);
    return answer_open(device, LKW_ASSIGNED, out, sizeof out, answer);
}

static const uint8_t *key_numbered(lkw_device *device, uint16_t number)
{
    if (number != 0) {
        if (device->kept.current.number == number) {
            return device->kept.current.key;
        }
        return device->kept.next.number == number ? device->kept.next.key : NULL;
    }
    if (device->kept.current.number == 0 || device->hooks->is_pairing(device->context)) {
        return device->about->label_key;
    }
    return NULL;
}

static size_t refuse(lkw_device *device, uint8_t code, const uint8_t **answer)
{
    uint8_t out[3];
    device->counts[LKW_COUNT_REFUSED]++;
    out[0] = code;
    lkw_put16(out + 1, device->kept.current.number);
    return answer_open(device, LKW_REFUSED, out, sizeof out, answer);
}

/* rnd_d of PROTOCOL.md section 4: never the same under a key, and not to be guessed without it. */
static void draw_challenge(lkw_device *device, const uint8_t key[16], uint8_t out[16])
{
    static const char label[] = "lkw1 rnd";
    uint8_t k_rnd[16];
    uint8_t seed[24];
    lkw_cmac mac;
    wipe(seed, sizeof seed);
    device->challenges++;
    lkw_put32(seed, device->boot);
    lkw_put32(seed + 4, device->challenges);
    if (device->hooks->randomness != NULL) {
        device->hooks->randomness(device->context, seed + 8);
    }
    lkw_kdf(key, label, sizeof label, NULL, 0, k_rnd);
    lkw_cmac_start(&mac, k_rnd);
    lkw_cmac_add(&mac, seed, sizeof seed);
    lkw_cmac_end(&mac, out);
    wipe(k_rnd, sizeof k_rnd);
}

static void handshake_mac(const uint8_t key[16], uint8_t side, const uint8_t *transcript, const uint8_t *mac_d,
                          uint8_t out[16])
{
    static const char label[] = "lkw1 auth";
    uint8_t k_auth[16];
    lkw_cmac mac;
    lkw_kdf(key, label, sizeof label, NULL, 0, k_auth);
    lkw_cmac_start(&mac, k_auth);
    lkw_cmac_add(&mac, &side, 1);
    lkw_cmac_add(&mac, transcript, TRANSCRIPT);
    if (mac_d != NULL) {
        lkw_cmac_add(&mac, mac_d, 16);
    }
    lkw_cmac_end(&mac, out);
    wipe(k_auth, sizeof k_auth);
}

static size_t answer_hello(lkw_device *device, const uint8_t *body, const uint8_t **answer)
{
    const uint16_t number = lkw_get16(body + 2);
    const uint8_t *key = key_numbered(device, number);
    uint8_t out[47];
    if (body[0] > 1) {
        return refuse(device, 1, answer);
    }
    if (key == NULL) {
        return refuse(device, 2, answer);
    }
    if (!device->pending || lkw_differ(device->transcript, body, 20) != 0) {
        /* A number that came again would let a whole session of before be said again. */
        uint8_t *challenge = device->transcript + 20;
        if (device->challenges == 0xffffffffu) {
            device->counts[LKW_COUNT_REFUSED]++;
            return 0;
        }
        memcpy(device->transcript, body, 20);
        challenge[0] = 1;
        lkw_put16(challenge + 1, number);
        memcpy(challenge + 3, device->about->identity, 8);
        lkw_put32(challenge + 11, device->boot);
        draw_challenge(device, key, challenge + 15);
        handshake_mac(key, 1, device->transcript, NULL, device->pending_mac);
        device->pending = 1;
    }
    memcpy(out, device->transcript + 20, 31);
    memcpy(out + 31, device->pending_mac, 16);
    return answer_open(device, LKW_CHALLENGE, out, sizeof out, answer);
}

/* ---- sealed messages ---- */

static void make_nonce(uint8_t nonce[13], uint8_t direction, uint32_t number)
{
    uint8_t i;
    nonce[0] = direction;
    lkw_put32(nonce + 1, number);
    for (i = 5; i < 13; i++) {
        nonce[i] = 0;
    }
}

/* The body stands in the receiver's buffer already, where an answer's body stands. */
static size_t answer_sealed(lkw_device *device, uint8_t type, uint16_t size, const uint8_t **answer)
{
    uint8_t *content = device->receiver.bytes;
    uint8_t nonce[13];
    make_nonce(nonce, 1, device->number);
    content[0] = LKW_CONTROL_GATEWAY | LKW_CONTROL_DEVICE | LKW_CONTROL_SEALED;
    content[1] = device->kept.address;
    lkw_put32(content + 2, device->number);
    content[HEAD] = type;
    lkw_ccm_seal(device->d2g, nonce, content, HEAD, content + HEAD, (uint16_t)(size + 1u), content + HEAD + 1 + size);
    device->answer_size = (uint16_t)lkw_finish_frame(content, HEAD + 1u + size + LKW_TAG, device->answer);
    *answer = device->answer;
    return device->answer_size;
}

static size_t answer_failed(lkw_device *device, uint8_t code, const uint8_t **answer)
{
    device->receiver.bytes[HEAD + 1] = code;
    return answer_sealed(device, LKW_FAILED, 1, answer);
}

/* The next key that opens a session takes the place of the one before (section 11, step 5). */
static void take_key(lkw_device *device, uint16_t number)
{
    lkw_kept kept = device->kept;
    if (number == 0 || number != kept.next.number) {
        return;
    }
    kept.current = kept.next;
    wipe(&kept.next, sizeof kept.next);
    /* When it cannot be kept, both stay, and the next session tries again. */
    (void)keep(device, &kept);
    wipe(&kept, sizeof kept);
}

static size_t answer_prove(lkw_device *device, const uint8_t *mac_g, uint32_t uptime_ms, const uint8_t **answer)
{
    static const char g2d[] = "lkw1 g2d";
    static const char d2g[] = "lkw1 d2g";
    const uint16_t number = lkw_get16(device->transcript + 2);
    const uint8_t *key = device->pending ? key_numbered(device, number) : NULL;
    uint8_t expected[16];
    uint8_t *body = device->receiver.bytes + HEAD + 1;
    if (device->in_session && device->number == 0 && lkw_differ(device->mark, mac_g, 8) == 0) {
        device->counts[LKW_COUNT_REPEATED]++;
        *answer = device->answer;
        return device->answer_size;
    }
    if (key != NULL) {
        handshake_mac(key, 2, device->transcript, device->pending_mac, expected);
    }
    /* Started anew between HELLO and PROVE: nobody's forgery. */
    if (!device->pending && !device->in_session) {
        device->counts[LKW_COUNT_NO_SESSION]++;
        return 0;
    }
    if (key == NULL || lkw_differ(expected, mac_g, 16) != 0) {
        device->counts[LKW_COUNT_FORGED]++;
        return 0;
    }
    lkw_kdf(key, g2d, sizeof g2d, device->transcript, TRANSCRIPT, device->g2d);
    lkw_kdf(key, d2g, sizeof d2g, device->transcript, TRANSCRIPT, device->d2g);
    memcpy(device->mark, mac_g, 8);
    device->pending = 0;
    device->in_session = 1;
    device->session_key = number;
    device->number = 0;
    device->heard_at = uptime_ms;
    device->counts[LKW_COUNT_SESSIONS]++;
    take_key(device, number);
    lkw_put32(body, device->boot);
    lkw_put32(body + 4, uptime_ms);
    lkw_put32(body + 8, device->next_event);
    return answer_sealed(device, LKW_READY, 12, answer);
}

static void forget_events(lkw_device *device, uint32_t acknowledged)
{
    uint16_t gone = 0;
    uint16_t i;
    while (gone < device->queue_size && lkw_get32(device->queue + gone + 2) <= acknowledged) {
        gone = (uint16_t)(gone + LKW_EVENT_HEAD + device->queue[gone + 1]);
    }
    for (i = gone; i < device->queue_size; i++) {
        device->queue[i - gone] = device->queue[i];
    }
    device->queue_size = (uint16_t)(device->queue_size - gone);
}

static size_t answer_poll(lkw_device *device, const uint8_t *request, uint32_t uptime_ms, const uint8_t **answer)
{
    const uint32_t acknowledged = lkw_get32(request);
    const uint8_t size_max = request[4];
    const uint8_t channels = device->about->channels;
    const uint8_t bit_bytes = (uint8_t)((channels + 7u) / 8u);
    uint8_t *body = device->receiver.bytes + HEAD + 1;
    uint16_t size = (uint16_t)(10u + 2u * bit_bytes);
    uint16_t from = 0;
    if (acknowledged > device->sent_event) {
        return answer_failed(device, LKW_FAILED_BODY, answer);
    }
    forget_events(device, acknowledged);
    lkw_put32(body, uptime_ms);
    lkw_put32(body + 4, device->next_event);
    body[9] = channels;
    memcpy(body + 10, device->doors, bit_bytes);
    memcpy(body + 10 + bit_bytes, device->items, bit_bytes);
    while (from < device->queue_size) {
        const uint16_t event_size = (uint16_t)(LKW_EVENT_HEAD + device->queue[from + 1]);
        const uint32_t number = lkw_get32(device->queue + from + 2);
        if (size + event_size > size_max) {
            break;
        }
        memcpy(body + size, device->queue + from, event_size);
        size = (uint16_t)(size + event_size);
        from = (uint16_t)(from + event_size);
        if (number > device->sent_event) {
            device->sent_event = number;
        }
    }
    body[8] = (uint8_t)(device->flags | (from < device->queue_size ? 1u : 0u));
    return answer_sealed(device, LKW_POLLED, size, answer);
}

static uint8_t *put_tag(uint8_t *to, uint8_t tag, uint8_t size)
{
    to[0] = tag;
    to[1] = size;
    return to + 2;
}

static uint8_t *put_tag16(uint8_t *to, uint8_t tag, uint16_t value)
{
    lkw_put16(put_tag(to, tag, 2), value);
    return to + 4;
}

static uint8_t *put_text(uint8_t *to, uint8_t tag, const char *text)
{
    uint8_t size = 0;
    while (size < 32 && text[size] != 0) {
        to[2 + size] = (uint8_t)text[size];
        size++;
    }
    return put_tag(to, tag, size) + size;
}

static size_t answer_capabilities(lkw_device *device, const uint8_t **answer)
{
    const lkw_about *about = device->about;
    uint8_t *body = device->receiver.bytes + HEAD + 1;
    uint8_t *to = put_tag16(body, 1, about->features);
    to = put_tag(to, 2, 1);
    *to++ = about->channels;
    to = put_tag(to, 3, 1);
    *to++ = LKW_BODY_MAX;
    to = put_tag16(to, 4, about->debounce_ms);
    to = put_tag16(to, 5, about->reply_max_ms);
    to = put_text(to, 6, about->firmware);
    to = put_text(to, 7, about->model);
    to = put_tag16(to, 8, (uint16_t)(LKW_QUEUE_BYTES / (LKW_EVENT_HEAD + LKW_EVENT_DATA_MAX)));
    return answer_sealed(device, LKW_CAPABLE, (uint16_t)(to - body), answer);
}

static size_t answer_measure(lkw_device *device, const uint8_t *request, const uint8_t **answer)
{
    static const char label[] = "lkw1 attest";
    static const char purpose[] = "lkw1 measured";
    const uint8_t *key = key_numbered(device, device->session_key);
    uint8_t *body = device->receiver.bytes + HEAD + 1;
    uint8_t k_attest[16];
    uint8_t nonce[16];
    lkw_cmac mac;
    if (device->about->digest == NULL || key == NULL) {
        return answer_failed(device, LKW_FAILED_TYPE, answer);
    }
    memcpy(nonce, request, 16);
    lkw_put32(body, device->boot);
    body[4] = 1;
    memcpy(body + 5, device->about->digest, 32);
    lkw_kdf(key, label, sizeof label, device->about->identity, 8, k_attest);
    lkw_cmac_start(&mac, k_attest);
    lkw_cmac_add(&mac, purpose, sizeof purpose - 1);
    lkw_cmac_add(&mac, device->about->identity, 8);
    lkw_cmac_add(&mac, body, 4);
    lkw_cmac_add(&mac, nonce, 16);
    lkw_cmac_add(&mac, body + 4, 33);
    lkw_cmac_end(&mac, body + 37);
    wipe(k_attest, sizeof k_attest);
    return answer_sealed(device, LKW_MEASURED, 53, answer);
}

static uint8_t fire(lkw_device *device, const uint8_t *request, uint32_t uptime_ms)
{
    const uint8_t *command = request + 7;
    uint8_t result;
    uint8_t i;
    if (request[0] > device->about->channels || device->hooks->open == NULL) {
        return LKW_NO_CHANNEL;
    }
    for (i = 0; i < device->commands_known; i++) {
        if (lkw_differ(device->commands[i], command, 8) == 0) {
            return LKW_FIRED_BEFORE;
        }
    }
    /* A signed difference modulo 2^32, without a signed overflow. */
    if (uptime_ms - lkw_get32(request + 3) - 1u < 0x7fffffffu) {
        return LKW_TOO_LATE;
    }
    result = device->hooks->open(device->context, request[0], lkw_get16(request + 1));
    if (result == LKW_FIRED) {
        memcpy(device->commands[device->command_at], command, 8);
        device->command_at = (uint8_t)((device->command_at + 1u) % LKW_COMMANDS_KEPT);
        if (device->commands_known < LKW_COMMANDS_KEPT) {
            device->commands_known++;
        }
    }
    return result;
}

static size_t answer_set_key(lkw_device *device, const uint8_t *request, const uint8_t **answer)
{
    const uint16_t number = lkw_get16(request);
    lkw_kept kept = device->kept;
    int kept_now;
    if (number <= kept.current.number) {
        return answer_failed(device, LKW_FAILED_BODY, answer);
    }
    kept.next.number = number;
    memcpy(kept.next.key, request + 2, 16);
    kept_now = keep(device, &kept);
    wipe(&kept, sizeof kept);
    if (kept_now != 0) {
        return answer_failed(device, LKW_FAILED_STORE, answer);
    }
    /* The number stands where the answer's stands. */
    return answer_sealed(device, LKW_KEY_SET, 2, answer);
}

static size_t answer_set_address(lkw_device *device, uint8_t address, const uint8_t **answer)
{
    lkw_kept kept = device->kept;
    const uint8_t old = kept.address;
    size_t size;
    kept.address = address;
    if (address != old && keep(device, &kept) != 0) {
        return answer_failed(device, LKW_FAILED_STORE, answer);
    }
    device->kept.address = old;
    size = answer_sealed(device, LKW_ADDRESS_SET, 1, answer);
    device->kept.address = address;
    return size;
}

static size_t perform(lkw_device *device, uint8_t type, uint16_t size, uint32_t uptime_ms, const uint8_t **answer)
{
    uint8_t *body = device->receiver.bytes + HEAD + 1;
    uint8_t i;
    const lkw_body_verdict verdict = lkw_check_body(1, 0, type, body, size);
    if (verdict != LKW_BODY_OK) {
        return answer_failed(device, verdict == LKW_BODY_TYPE ? LKW_FAILED_TYPE : LKW_FAILED_BODY, answer);
    }
    switch (type) {
    case LKW_POLL:
        return answer_poll(device, body, uptime_ms, answer);
    case LKW_CAPABILITIES:
        return answer_capabilities(device, answer);
    case LKW_MEASURE:
        return answer_measure(device, body, answer);
    case LKW_TIME:
        if (device->hooks->time != NULL) {
            device->hooks->time(device->context, body);
        }
        lkw_put32(body, uptime_ms);
        return answer_sealed(device, LKW_TIMED, 4, answer);
    case LKW_OPEN:
        body[1] = fire(device, body, uptime_ms);
        return answer_sealed(device, LKW_OPENED, 2, answer);
    case LKW_SET_KEY:
        return answer_set_key(device, body, answer);
    case LKW_SET_ADDRESS:
        return answer_set_address(device, body[0], answer);
    case LKW_COUNTERS:
        for (i = 0; i < LKW_COUNTS; i++) {
            lkw_put32(body + 4u * i, device->counts[i]);
        }
        return answer_sealed(device, LKW_COUNTED, 4 * LKW_COUNTS, answer);
    default:
        return answer_sealed(device, LKW_ECHOED, size, answer);
    }
}

static size_t take_sealed(lkw_device *device, const lkw_frame *frame, uint32_t uptime_ms, const uint8_t **answer)
{
    const uint8_t *tag = frame->body + frame->body_size;
    uint8_t nonce[13];
    uint8_t mark[8];
    if (!device->in_session) {
        device->counts[LKW_COUNT_NO_SESSION]++;
        return 0;
    }
    memcpy(mark, tag, 8);
    make_nonce(nonce, 0, frame->number);
    if (lkw_ccm_open(device->g2d, nonce, frame->content, HEAD, frame->body, frame->body_size, tag) != 0) {
        device->counts[LKW_COUNT_FORGED]++;
        return 0;
    }
    if (frame->number == device->number && frame->number != 0 && lkw_differ(mark, device->mark, 8) == 0) {
        /* Anybody can say it again, so it keeps no session alive (PROTOCOL.md section 1). */
        device->counts[LKW_COUNT_REPEATED]++;
        *answer = device->answer;
        return device->answer_size;
    }
    if (frame->number != device->number + 1u || frame->number == 0xffffffffu) {
        device->counts[frame->number <= device->number ? LKW_COUNT_REPLAYED : LKW_COUNT_SKIPPED]++;
        return 0;
    }
    device->number = frame->number;
    device->heard_at = uptime_ms;
    memcpy(device->mark, mark, 8);
    return perform(device, frame->body[0], (uint16_t)(frame->body_size - 1u), uptime_ms, answer);
}

static size_t take_open(lkw_device *device, const lkw_frame *frame, uint32_t uptime_ms, const uint8_t **answer)
{
    const uint8_t to_all = (uint8_t)(frame->type <= LKW_ASSIGN);
    if (to_all != (frame->address == LKW_ADDRESS_ALL) ||
        lkw_check_body(0, 0, frame->type, frame->body, frame->body_size) != LKW_BODY_OK) {
        device->counts[LKW_COUNT_REFUSED]++;
        return 0;
    }
    switch (frame->type) {
    case LKW_WHO:
        return answer_who(device, frame->body, answer);
    case LKW_HUSH:
        if (lkw_differ(frame->body, device->about->identity, 8) != 0) {
            return 0;
        }
        device->hushed = 1;
        return answer_open(device, LKW_HUSHED, device->about->identity, 8, answer);
    case LKW_ASSIGN:
        return lkw_differ(frame->body, device->about->identity, 8) != 0 ? 0
                                                                         : answer_assign(device, frame->body, answer);
    case LKW_HELLO:
        return answer_hello(device, frame->body, answer);
    default:
        return answer_prove(device, frame->body, uptime_ms, answer);
    }
}

size_t lkw_receive(lkw_device *device, uint8_t byte, uint32_t uptime_ms, const uint8_t **answer)
{
    lkw_frame frame;
    lkw_verdict verdict;
    if (!lkw_receive_byte(&device->receiver, byte, &frame, &verdict)) {
        return 0;
    }
    if (verdict != LKW_OK) {
        device->counts[LKW_COUNT_DAMAGED]++;
        return 0;
    }
    /* On a shared line the answers of others are heard too. */
    if (frame.from_device || (frame.address != device->kept.address && frame.address != LKW_ADDRESS_ALL)) {
        return 0;
    }
    device->counts[LKW_COUNT_FRAMES]++;
    lkw_tick(device, uptime_ms);
    return frame.sealed ? take_sealed(device, &frame, uptime_ms, answer)
                        : take_open(device, &frame, uptime_ms, answer);
}

/* ---- what happens ---- */

int lkw_event(lkw_device *device, uint8_t kind, const uint8_t *data, size_t size, uint32_t uptime_ms)
{
    uint8_t *at;
    uint32_t number;
    if (size > LKW_EVENT_DATA_MAX || lkw_check_event(kind, data, size) != LKW_BODY_OK) {
        return -2;
    }
    number = device->next_event;
    device->next_event++;
    if (device->queue_size + LKW_EVENT_HEAD + size > LKW_QUEUE_BYTES) {
        device->counts[LKW_COUNT_DROPPED]++;
        return -1;
    }
    at = device->queue + device->queue_size;
    at[0] = kind;
    at[1] = (uint8_t)size;
    lkw_put32(at + 2, number);
    lkw_put32(at + 6, uptime_ms);
    if (size > 0) {
        memcpy(at + LKW_EVENT_HEAD, data, size);
    }
    device->queue_size = (uint16_t)(device->queue_size + LKW_EVENT_HEAD + size);
    return 0;
}

static void set_bit(lkw_device *device, uint8_t *bits, uint8_t channel, int value, uint8_t kind, uint32_t uptime_ms,
                    int tell)
{
    uint8_t data[2];
    uint8_t *byte;
    uint8_t mask;
    if (channel < 1 || channel > device->about->channels) {
        return;
    }
    byte = bits + (channel - 1u) / 8u;
    mask = (uint8_t)(1u << ((channel - 1u) & 7u));
    if (((*byte & mask) != 0) == (value != 0)) {
        return;
    }
    *byte ^= mask;
    data[0] = channel;
    data[1] = value != 0;
    if (tell) {
        (void)lkw_event(device, kind, data, 2, uptime_ms);
    }
}

void lkw_set_door(lkw_device *device, uint8_t channel, int shut, uint32_t uptime_ms, int tell)
{
    set_bit(device, device->doors, channel, shut, LKW_EVENT_DOOR, uptime_ms, tell);
}

void lkw_set_item(lkw_device *device, uint8_t channel, int there, uint32_t uptime_ms, int tell)
{
    set_bit(device, device->items, channel, there, LKW_EVENT_ITEM, uptime_ms, tell);
}

void lkw_set_tamper(lkw_device *device, uint8_t input, int raised, uint32_t uptime_ms)
{
    uint8_t data[2];
    data[0] = input;
    data[1] = raised != 0;
    device->flags = (uint8_t)((device->flags & ~2u) | (raised ? 2u : 0u));
    (void)lkw_event(device, LKW_EVENT_TAMPER, data, 2, uptime_ms);
}

void lkw_set_power(lkw_device *device, uint8_t source, int there, uint8_t percent, uint32_t uptime_ms)
{
    uint8_t data[3];
    data[0] = source;
    data[1] = there != 0;
    data[2] = percent;
    if (source == 0) {
        device->flags = (uint8_t)((device->flags & ~4u) | (there ? 0u : 4u));
    }
    (void)lkw_event(device, LKW_EVENT_POWER, data, 3, uptime_ms);
}
