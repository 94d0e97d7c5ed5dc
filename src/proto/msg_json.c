/* msg_json.c - JSON to messages: HTTP bodies, control frames of agents, the runner's order. The only file that knows
 * json-c; msg_json_write.c is the way back. Given text from anybody, fills a struct in an arena. One reader per kind
 * of field; docs/PROTOCOL.md "JSON form" is the rule.
 *
 * What json-c would let pass (control bytes, NUL in names) or pay dearly for (containers) is refused before it sees
 * the text. */
#include "proto/msg_impl.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/clock.h"

#define JSON_DEPTH 8
/* An empty object costs json-c some 800 bytes for two of input: 16 MiB at most. The longest true message, a page of
 * 1000 tasks, has 4000. */
#define JSON_CONTAINERS_MAX 20000

struct msg_json {
    json_object *root;
    bool has_nul;   /* an escaped NUL somewhere: in a name json-c would end the name there */
};

struct json_ctx {
    struct arena *a;
    struct err *e;
};

/* --- before and around the parser --------------------------------------------------------------------------- */

/* From the opening quote; returns the closing one. */
static const char *scan_text(const char *p, const char *end, bool *has_nul_r)
{
    for (p++; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p != '\\' || p + 1 == end)
            continue;
        if (end - p > 6 && !memcmp(p + 1, "u0000", 5))
            *has_nul_r = true;
        p++;
    }
    return p < end ? p : end - 1;
}

static int scan(const char *data, size_t len, bool *has_nul_r, struct err *e)
{
    const char *end = data + len;
    size_t containers = 0;

    *has_nul_r = false;
    if (memchr(data, 0, len))
        return err_set(e, ERR_INVALID, "the JSON text must not contain NUL bytes");
    for (const char *p = data; p < end; p++) {
        if (*p == '{' || *p == '[')
            containers++;
        if (*p == '"')
            p = scan_text(p, end, has_nul_r);
        if (!p)
            return err_set(e, ERR_INVALID, "not valid JSON: a control character in a text; write \\n for a line break");
    }
    if (containers > JSON_CONTAINERS_MAX)
        return err_set(e, ERR_TOO_LARGE, "%zu objects and lists are too many; at most %d are allowed", containers,
                       JSON_CONTAINERS_MAX);
    return 0;
}

static int fail_syntax(const char *data, size_t len, size_t at, const char *why, struct err *e)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at && i < len; i++) {
        column++;
        if (data[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return err_set(e, ERR_INVALID, "not valid JSON at line %zu, column %zu: %s", line, column, why);
}

static const char *syntax_reason(enum json_tokener_error error)
{
    switch (error) {
    case json_tokener_continue:
        return "the text ends too early";
    case json_tokener_error_depth:
        return "nested more than 8 levels deep";
    case json_tokener_error_parse_utf8_string:
        return "not valid UTF-8";
    default:
        return json_tokener_error_desc(error);
    }
}

static json_object *parse(const char *data, size_t len, struct err *e)
{
    struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
    json_object *root;
    size_t at;

    /* Trailing text is let through here and refused below, with a better sentence. */
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS | JSON_TOKENER_VALIDATE_UTF8);
    root = json_tokener_parse_ex(tok, data, (int)len);
    at = json_tokener_get_parse_end(tok);
    if (!root || at < len) {
        enum json_tokener_error error = json_tokener_get_error(tok);

        fail_syntax(data, len, at, root ? "text after the end of the object" : syntax_reason(error), e);
        json_object_put(root);
        root = NULL;
    }
    json_tokener_free(tok);
    return root;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct msg_json *msg_json_open(const char *data, size_t len, struct err *e)
{
    json_object *root = NULL;
    struct msg_json *j;
    bool has_nul = false;
    size_t first = 0;

    if (len > MSG_JSON_MAX) {
        err_set(e, ERR_TOO_LARGE, "%zu bytes of JSON are too many; at most %d are allowed", len, MSG_JSON_MAX);
        return NULL;
    }
    while (len && is_blank(data[len - 1]))
        len--;
    while (first < len && is_blank(data[first]))
        first++;
    if (!len)
        err_set(e, ERR_INVALID, "a JSON object is needed and nothing was sent");
    else if (data[first] != '{')
        err_set(e, ERR_INVALID, "a JSON object is needed: {\"name\": value, ...}");
    else if (!scan(data, len, &has_nul, e))
        root = parse(data, len, e);
    if (!root)
        return NULL;
    j = mem_zalloc(sizeof(*j));
    *j = (struct msg_json){ root, has_nul };
    return j;
}

void msg_json_close(struct msg_json **j)
{
    if (!*j)
        return;
    json_object_put((*j)->root);
    mem_free(j);
}

/* --- fields --------------------------------------------------------------------------------------------------- */

static const char *value_name(json_object *v)
{
    static const char *const names[] = {
        [json_type_null] = "null",      [json_type_boolean] = "true or false", [json_type_double] = "a number",
        [json_type_int] = "a number",   [json_type_string] = "text",           [json_type_array] = "a list",
        [json_type_object] = "an object",
    };

    return names[json_object_get_type(v)];
}

static int fail_type(struct json_ctx *c, const struct msg_where *w, const char *wanted, json_object *v)
{
    return msg_fail(c->e, w, "must be %s, not %s", wanted, value_name(v));
}

typedef int read_fn(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                    void *member);

static int read_text(struct json_ctx *c, int64_t limit, const struct msg_where *w, json_object *v, const char **text_r)
{
    size_t len;

    if (!json_object_is_type(v, json_type_string))
        return fail_type(c, w, "text", v);
    len = (size_t)json_object_get_string_len(v);
    if (msg_check_text(json_object_get_string(v), len, limit, w, c->e))
        return -1;
    *text_r = arena_strndup(c->a, json_object_get_string(v), len);
    return 0;
}

static int read_str(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                    void *member)
{
    return read_text(c, f->limit, w, v, member);
}

static int read_uuid(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     void *member)
{
    (void)f;
    if (!json_object_is_type(v, json_type_string))
        return fail_type(c, w, "text", v);
    if (uuid_parse(json_object_get_string(v), (size_t)json_object_get_string_len(v), member))
        return msg_fail(c->e, w, "must be a UUID such as 0192e4a0-7b3c-7def-8123-456789abcdef");
    return 0;
}

static int read_int(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                    void *member)
{
    int64_t n;

    if (json_object_is_type(v, json_type_double))
        return msg_fail(c->e, w, "must be a whole number");
    if (!json_object_is_type(v, json_type_int))
        return fail_type(c, w, "a whole number", v);
    n = json_object_get_int64(v);
    /* Past the largest int64_t json-c keeps a uint64_t and hands out the largest int64_t. */
    if (n == INT64_MAX && json_object_get_uint64(v) != INT64_MAX)
        n = INT64_MIN;
    *(int64_t *)member = n;
    return msg_check_int(n, f, w, c->e);
}

static int read_time(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     void *member)
{
    if (!json_object_is_type(v, json_type_string))
        return fail_type(c, w, "text", v);
    if (clock_parse(json_object_get_string(v), (size_t)json_object_get_string_len(v), member))
        return msg_fail(c->e, w, "must be a time such as 2026-11-21T03:14:15.123Z");
    if (*(int64_t *)member < 0)
        return msg_fail(c->e, w, "must not be before 1970");
    return msg_check_int(*(int64_t *)member, f, w, c->e);
}

static int read_bool(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     void *member)
{
    (void)f;
    if (!json_object_is_type(v, json_type_boolean))
        return fail_type(c, w, "true or false", v);
    *(bool *)member = json_object_get_boolean(v);
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_bytes(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                      void *member)
{
    const char *text;
    uint8_t *data;
    size_t n;

    if (!json_object_is_type(v, json_type_string))
        return fail_type(c, w, "hexadecimal text", v);
    text = json_object_get_string(v);
    n = (size_t)json_object_get_string_len(v);
    if (n % 2)
        return msg_fail(c->e, w, "must be hexadecimal with two digits for each byte");
    n /= 2;
    if (msg_check_len(n, f->limit, "bytes", w, c->e))
        return -1;
    data = arena_alloc(c->a, n);
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return msg_fail(c->e, w, "must be hexadecimal with two digits for each byte");
        data[i] = (uint8_t)(high << 4 | low);
    }
    *(struct msg_bytes *)member = (struct msg_bytes){ data, n };
    return 0;
}

static int list_open(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     size_t *n_r)
{
    if (!json_object_is_type(v, json_type_array))
        return fail_type(c, w, "a list", v);
    *n_r = json_object_array_length(v);
    return msg_check_len(*n_r, f->kind == KIND_RECS ? f->limit : PROTO_ELEMENTS_MAX, "elements", w, c->e);
}

static int read_strs(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     void *member)
{
    const char **texts;
    size_t n;

    if (list_open(c, f, w, v, &n))
        return -1;
    texts = arena_alloc(c->a, n * sizeof(*texts));
    for (size_t i = 0; i < n; i++) {
        const struct msg_where at = { w, f->name, i };

        if (read_text(c, f->limit, &at, json_object_array_get_idx(v, i), &texts[i]))
            return -1;
    }
    *(struct msg_strs *)member = (struct msg_strs){ texts, n };
    return 0;
}

static int read_ints(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     void *member)
{
    int64_t *ints;
    size_t n;

    if (list_open(c, f, w, v, &n))
        return -1;
    ints = arena_alloc(c->a, n * sizeof(*ints));
    for (size_t i = 0; i < n; i++) {
        const struct msg_where at = { w, f->name, i };

        if (read_int(c, f, &at, json_object_array_get_idx(v, i), &ints[i]))
            return -1;
    }
    *(struct msg_ints *)member = (struct msg_ints){ ints, n };
    return 0;
}

static int read_pairs(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                      void *member)
{
    struct msg_pair *pairs;
    size_t n = 0;

    if (!json_object_is_type(v, json_type_object))
        return fail_type(c, w, "an object of texts", v);
    if (msg_check_len((size_t)json_object_object_length(v), PROTO_ELEMENTS_MAX, "elements", w, c->e))
        return -1;
    pairs = arena_alloc(c->a, (size_t)json_object_object_length(v) * sizeof(*pairs));
    json_object_object_foreach(v, key, value) {
        const struct msg_where at = { w, key, MSG_NO_INDEX };

        if (msg_check_key(key, strlen(key), w, c->e) || read_text(c, f->limit, &at, value, &pairs[n].value))
            return -1;
        pairs[n++].key = arena_strdup(c->a, key);
    }
    *(struct msg_pairs *)member = (struct msg_pairs){ pairs, n };
    return 0;
}

static int read_object(struct json_ctx *c, const struct msg_desc *d, const struct msg_where *up, json_object *o,
                       char *base);

static int read_recs(struct json_ctx *c, const struct msg_field *f, const struct msg_where *w, json_object *v,
                     void *member)
{
    struct msg_recs recs;
    char *records;

    if (list_open(c, f, w, v, &recs.n))
        return -1;
    records = arena_alloc(c->a, recs.n * f->record->size);
    for (size_t i = 0; i < recs.n; i++) {
        const struct msg_where at = { w, f->name, i };
        json_object *o = json_object_array_get_idx(v, i);

        if (!json_object_is_type(o, json_type_object))
            return fail_type(c, &at, "an object", o);
        if (read_object(c, f->record, &at, o, records + i * f->record->size))
            return -1;
    }
    recs.v = records;
    memcpy(member, &recs, sizeof(recs));
    return 0;
}

static read_fn *const readers[MSG_KINDS] = {
    [KIND_STR] = read_str,    [KIND_UUID] = read_uuid,   [KIND_I64] = read_int,     [KIND_S64] = read_int,
    [KIND_TIME] = read_time,  [KIND_BOOL] = read_bool,   [KIND_BYTES] = read_bytes, [KIND_STRS] = read_strs,
    [KIND_INTS] = read_ints,  [KIND_PAIRS] = read_pairs, [KIND_RECS] = read_recs,
};

/* --- messages --------------------------------------------------------------------------------------------------- */

static const struct msg_field *field_by_name(const struct msg_desc *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++) {
        if (!strcmp(d->fields[i].name, name))
            return &d->fields[i];
    }
    return NULL;
}

/* "type" names the message in whatever is not an HTTP body. */
static bool is_type_key(const struct msg_desc *d, const struct msg_where *up, const char *key)
{
    return !up && !((d->from | d->to) & FROM_CLIENT) && !strcmp(key, "type");
}

static int check_type(struct json_ctx *c, const struct msg_desc *d, json_object *v)
{
    if (json_object_is_type(v, json_type_string) && !strcmp(json_object_get_string(v), d->wire))
        return 0;
    return err_field(c->e, "type", "type must be \"%s\" here", d->wire);
}

static int read_member(struct json_ctx *c, const struct msg_field *f, const struct msg_where *up, json_object *v,
                       char *base)
{
    const struct msg_where w = { up, f->name, MSG_NO_INDEX };

    if (!v && f->need == NEED_NUL)
        return 0;
    if (readers[f->kind](c, f, &w, v, base + f->offset))
        return -1;
    *(bool *)(base + f->has) = true;
    return 0;
}

static int read_object(struct json_ctx *c, const struct msg_desc *d, const struct msg_where *up, json_object *o,
                       char *base)
{
    json_object_object_foreach(o, key, value) {
        const struct msg_field *f = field_by_name(d, key);

        if (f) {
            if (read_member(c, f, up, value, base))
                return -1;
        } else if (is_type_key(d, up, key)) {
            if (check_type(c, d, value))
                return -1;
        } else if (d->is_strict) {
            return msg_fail_unknown(c->e, up, d, key);
        }
    }
    return msg_check_required(d, base, up, c->e);
}

int msg_json_read(const struct msg_json *j, enum msg_type type, struct arena *a, void *struct_r, struct err *e)
{
    const struct msg_desc *d = msg_desc(type);
    struct json_ctx c = { a, e };

    memset(struct_r, 0, d->size);
    if (read_object(&c, d, NULL, j->root, struct_r))
        return -1;
    if (j->has_nul)
        return err_set(e, ERR_INVALID, "no text or name may contain NUL (\\u0000)");
    return 0;
}

enum msg_type msg_json_named(const struct msg_json *j, struct err *e)
{
    json_object *v;
    enum msg_type type;

    if (!json_object_object_get_ex(j->root, "type", &v)) {
        err_field(e, "type", "type is missing: the name of the message, such as \"agent.hello\"");
        return MSG_NONE;
    }
    if (!json_object_is_type(v, json_type_string)) {
        err_field(e, "type", "type must be text, not %s", value_name(v));
        return MSG_NONE;
    }
    type = msg_by_wire_name(json_object_get_string(v), (size_t)json_object_get_string_len(v));
    if (type == MSG_NONE)
        err_field(e, "type", "there is no message \"%.64s\" in protocol %d.%d", json_object_get_string(v), MSG_MAJOR,
                  MSG_MINOR);
    return type;
}

int msg_from_json(enum msg_type type, const char *data, size_t len, struct arena *a, void *struct_r, struct err *e)
{
    struct msg_json *j = msg_json_open(data, len, e);
    int rc;

    if (!j)
        return -1;
    rc = msg_json_read(j, type, a, struct_r, e);
    msg_json_close(&j);
    return rc;
}

enum msg_type msg_json_type(const char *data, size_t len, struct err *e)
{
    struct msg_json *j = msg_json_open(data, len, e);
    enum msg_type type = MSG_NONE;

    if (j)
        type = msg_json_named(j, e);
    msg_json_close(&j);
    return type;
}
