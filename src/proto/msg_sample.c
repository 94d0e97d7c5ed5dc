/* msg_sample.c - valid messages made from the table, for round-trip tests and fuzz seeds. Given a type and a seed,
 * fills a struct in an arena; the same seed always makes the same message. */
#include "proto/msg_impl.h"

#include <string.h>

struct dice {
    uint64_t state;
    struct arena *a;
};

/* splitmix64 */
static uint64_t dice_roll(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static size_t dice_below(struct dice *d, size_t n)
{
    return (size_t)(dice_roll(d) % n);
}

/* Never empty: an empty optional text is an absent one. */
static const char *sample_text(struct dice *d, int64_t limit)
{
    static const char *const words[] = {
        "a", "root//:all", "--jobs=4", "zlib", "\"quoted\" \\ back", "line\nand\ttab", "Grüße", "日本語",
        "\xF0\x9F\x9A\x80", "\x01\x1f\x7f", "Ω/</script>", "refs/heads/main", " ", "-", "x=y", "e\xCC\x81",
    };
    const char *text = words[dice_below(d, ARRAY_LEN(words))];

    if (strlen(text) > (size_t)limit)
        text = "a";
    for (size_t more = dice_below(d, 4); more; more--) {
        const char *word = words[dice_below(d, ARRAY_LEN(words))];

        if (strlen(text) + strlen(word) <= (size_t)limit)
            text = arena_printf(d->a, "%s%s", text, word);
    }
    return text;
}

/* Small ones, the limit itself, and anything between. */
static int64_t sample_int(struct dice *d, const struct msg_field *f)
{
    int64_t max = f->kind == KIND_TIME && f->limit > MSG_TIME_MAX ? MSG_TIME_MAX : f->limit;
    uint64_t span = (uint64_t)max + 1, v = dice_roll(d);
    int64_t n;

    switch (dice_below(d, 4)) {
    case 0:
        n = max;
        break;
    case 1:
        n = (int64_t)(v % 3 % span);
        break;
    default:
        n = (int64_t)(v % span >> dice_below(d, 48));
        break;
    }
    return f->kind == KIND_S64 && v & 1 ? -n : n;
}

typedef void sample_fn(struct dice *d, const struct msg_field *f, void *member);

static void sample_str(struct dice *d, const struct msg_field *f, void *member)
{
    *(const char **)member = sample_text(d, f->limit);
}

static void sample_uuid(struct dice *d, const struct msg_field *f, void *member)
{
    const uint64_t v[2] = { dice_roll(d), dice_roll(d) };

    (void)f;
    memcpy(member, v, sizeof(struct uuid));
}

static void sample_number(struct dice *d, const struct msg_field *f, void *member)
{
    *(int64_t *)member = sample_int(d, f);
}

static void sample_bool(struct dice *d, const struct msg_field *f, void *member)
{
    (void)f;
    *(bool *)member = dice_below(d, 2);
}

static void sample_bytes(struct dice *d, const struct msg_field *f, void *member)
{
    size_t len = f->limit < 64 ? (size_t)f->limit : 1 + dice_below(d, 200);
    uint8_t *data = arena_alloc(d->a, len);

    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)dice_roll(d);
    *(struct msg_bytes *)member = (struct msg_bytes){ data, len };
}

static void sample_strs(struct dice *d, const struct msg_field *f, void *member)
{
    size_t n = 1 + dice_below(d, 3);
    const char **v = arena_alloc(d->a, n * sizeof(*v));

    for (size_t i = 0; i < n; i++)
        v[i] = dice_below(d, 5) ? sample_text(d, f->limit) : "";
    *(struct msg_strs *)member = (struct msg_strs){ v, n };
}

static void sample_ints(struct dice *d, const struct msg_field *f, void *member)
{
    size_t n = 1 + dice_below(d, 4);
    int64_t *v = arena_alloc(d->a, n * sizeof(*v));

    for (size_t i = 0; i < n; i++)
        v[i] = sample_int(d, f);
    *(struct msg_ints *)member = (struct msg_ints){ v, n };
}

static void sample_pairs(struct dice *d, const struct msg_field *f, void *member)
{
    size_t n = 1 + dice_below(d, 3);
    struct msg_pair *v = arena_alloc(d->a, n * sizeof(*v));

    for (size_t i = 0; i < n; i++) {
        v[i].key = arena_printf(d->a, "%s_%zu", dice_below(d, 2) ? "CFLAGS" : "GRÜẞE", i);
        v[i].value = sample_text(d, f->limit);
    }
    *(struct msg_pairs *)member = (struct msg_pairs){ v, n };
}

static void sample_message(struct dice *d, const struct msg_desc *desc, bool is_full, char *base);

static void sample_recs(struct dice *d, const struct msg_field *f, void *member)
{
    struct msg_recs recs = { .n = 1 + dice_below(d, 2) };
    char *v = arena_alloc(d->a, recs.n * f->record->size);

    for (size_t i = 0; i < recs.n; i++)
        sample_message(d, f->record, i == 0, v + i * f->record->size);
    recs.v = v;
    memcpy(member, &recs, sizeof(recs));
}

static sample_fn *const samplers[MSG_KINDS] = {
    [KIND_STR] = sample_str,     [KIND_UUID] = sample_uuid,   [KIND_I64] = sample_number,
    [KIND_S64] = sample_number,  [KIND_TIME] = sample_number, [KIND_BOOL] = sample_bool,
    [KIND_BYTES] = sample_bytes, [KIND_STRS] = sample_strs,   [KIND_INTS] = sample_ints,
    [KIND_PAIRS] = sample_pairs, [KIND_RECS] = sample_recs,
};

static void sample_message(struct dice *d, const struct msg_desc *desc, bool is_full, char *base)
{
    for (size_t i = 0; i < desc->n; i++) {
        const struct msg_field *f = &desc->fields[i];

        if (!is_full && f->need != NEED_REQ && !dice_below(d, 3))
            continue;
        samplers[f->kind](d, f, base + f->offset);
        *(bool *)(base + f->has) = true;
    }
}

void msg_sample(enum msg_type type, unsigned seed, struct arena *a, void **struct_r)
{
    const struct msg_desc *desc = msg_desc(type);
    struct dice d = { (uint64_t)type << 32 | seed, a };

    *struct_r = arena_alloc(a, desc->size);
    sample_message(&d, desc, seed == 0, *struct_r);
}
