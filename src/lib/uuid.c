/* uuid.c - making, reading and writing UUIDs (RFC 9562). */
#include "lib/uuid.h"

#include <string.h>

#include "lib/hash.h"

enum {
    STEP_BACK_MAX_MS = 10000,
};

/* RFC 9562 section 6.2, method 2: within one millisecond the random part is the last one plus a random step.
 * A clock set back by a few seconds goes on with the last millisecond, so that ids still ascend; one set back
 * further was wrong before and is believed. */
struct uuid_clock {
    int64_t ms;
    uint64_t high; /* 12 bits of rand_a */
    uint64_t low;  /* 62 bits of rand_b */
};

static const uint64_t LOW_MASK = (UINT64_C(1) << 62) - 1;

static void clock_advance(struct uuid_clock *c, int64_t wall_ms)
{
    uint64_t random[2];

    hash_random(random, sizeof(random));
    if (wall_ms > c->ms || c->ms - wall_ms > STEP_BACK_MAX_MS) {
        c->ms = wall_ms;
        c->high = random[0] & 0x7FF; /* the top bit is left clear: room to count up */
        c->low = random[1] & LOW_MASK;
        return;
    }
    c->low += 1 + (random[0] & 0xFFFFFFFFFFFF);
    if (c->low > LOW_MASK) {
        c->low &= LOW_MASK;
        c->high++;
    }
    if (c->high > 0xFFF) {
        c->high = random[1] & 0x7FF;
        c->ms++;
    }
}

static void put_big_endian(uint8_t *out, uint64_t n, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, n >>= 8)
        out[i] = (uint8_t)n;
}

void uuid_v7(struct uuid *u, int64_t wall_ms)
{
    /* The one thing a generator must remember. Per thread, so that it needs no lock: ids of two threads differ
     * by their random bits. */
    static _Thread_local struct uuid_clock last = { .ms = -1 };

    clock_advance(&last, wall_ms < 0 ? 0 : wall_ms);
    put_big_endian(u->b, (uint64_t)last.ms, 6);
    put_big_endian(u->b + 6, 0x7000 | last.high, 2);
    put_big_endian(u->b + 8, UINT64_C(2) << 62 | last.low, 8);
}

void uuid_random(struct uuid *u)
{
    hash_random(u->b, sizeof(u->b));
    u->b[6] = (uint8_t)((u->b[6] & 0x0F) | 0x40);
    u->b[8] = (uint8_t)((u->b[8] & 0x3F) | 0x80);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int parse_digits(const char *text, bool is_hyphenated, struct uuid *u_r)
{
    struct uuid u;
    const char *at = text;

    for (int i = 0; i < 16; i++) {
        int high, low;

        if (is_hyphenated && (i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
            return -1;
        high = hex_value(at[0]);
        low = high < 0 ? -1 : hex_value(at[1]);
        if (low < 0)
            return -1;
        u.b[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *u_r = u;
    return 0;
}

int uuid_parse(const char *text, size_t len, struct uuid *u_r)
{
    if (len == 45 && strncasecmp(text, "urn:uuid:", 9) == 0)
        return parse_digits(text + 9, true, u_r);
    if (len == 38 && text[0] == '{' && text[37] == '}')
        return parse_digits(text + 1, true, u_r);
    if (len == 36)
        return parse_digits(text, true, u_r);
    if (len == 32)
        return parse_digits(text, false, u_r);
    return -1;
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *at = out;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[u->b[i] >> 4];
        *at++ = digits[u->b[i] & 15];
    }
    *at = '\0';
}

int uuid_cmp(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b));
}

bool uuid_is_nil(const struct uuid *u)
{
    static const struct uuid nil;

    return uuid_cmp(u, &nil) == 0;
}

int64_t uuid_time_ms(const struct uuid *u)
{
    int64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | u->b[i];
    return ms;
}
