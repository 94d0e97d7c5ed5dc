/* lab_conf.c - lab.conf (`key=value` lines) and agent.yaml as texts.
 *
 * Given: texts and structs; no I/O. Rules: man/orion-lab.1 FILES, orion-agent.yaml(5). Pure. */
#include "cli/lab_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 128, URL_MAX_BYTES = 4096 };

static const struct {
    const char *key;
    size_t offset;
    int64_t min, max;
} numbers[] = {
    { "port", offsetof(struct lab_conf, port), 1, 65535 },
    { "workers", offsetof(struct lab_conf, workers), 1, 64 },
    { "agents", offsetof(struct lab_conf, agents), 0, 64 },
    { "slots", offsetof(struct lab_conf, slots), 0, 4096 },
    { "sinks", offsetof(struct lab_conf, sinks), 1, 16 },
};

static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    { "path", offsetof(struct lab_conf, path) },
    { "sockets", offsetof(struct lab_conf, sockets) },
};

void lab_conf_init(struct lab_conf *c, struct arena *a)
{
    *c = (struct lab_conf){ .port = LAB_PORT, .workers = LAB_WORKERS, .agents = LAB_AGENTS, .sinks = LAB_SINKS,
                            .repos = arena_alloc(a, LAB_REPOS_MAX * sizeof(*c->repos)),
                            .sets = arena_alloc(a, LAB_SETS_MAX * sizeof(*c->sets)) };
}

static bool is_name(const char *name)
{
    if (!isalnum((unsigned char)name[0]) || strlen(name) > NAME_MAX_BYTES || strstr(name, ".."))
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("._-/+", *p))
            return false;
    }
    return name[strlen(name) - 1] != '/';
}

/* The agents refuse a whole table for one driver they do not know. */
static bool is_driver(const char *name)
{
    static const char *const drivers[] = { "buck2", "bazel", "cmake", "meson", "cargo", "ninja", "configure", "make" };

    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (strcmp(name, drivers[i]) == 0)
            return true;
    }
    return false;
}

/* One line, without what would divide a line of lab.conf. */
static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

static bool is_word(const char *text)
{
    return *text && is_plain(text) && !strchr(text, ' ');
}

int lab_conf_repo(struct lab_conf *c, const struct lab_repo *r, struct err *e)
{
    size_t at = 0;

    if (!is_name(r->name))
        return err_field(e, "name", "%s is not a repository's name: letters, digits and . _ - / +, beginning with a "
                                    "letter or digit", r->name);
    if (!is_plain(r->url) || !*r->url || *r->url == '-' || strlen(r->url) > URL_MAX_BYTES)
        return err_field(e, "url", "the URL of %s is empty, too long, begins with - or has control characters",
                         r->name);
    if (r->driver && !is_driver(r->driver))
        return err_field(e, "driver", "no driver %s; there are buck2, bazel, cmake, meson, cargo, ninja, configure and "
                                      "make", r->driver);
    if (r->mr_ref && (!is_word(r->mr_ref) || strncmp(r->mr_ref, "refs/", 5) != 0))
        return err_field(e, "mr-ref", "%s is not a full ref (such as refs/merge-requests/{mr}/head)", r->mr_ref);
    while (at < c->n_repos && strcmp(c->repos[at].name, r->name) != 0)
        at++;
    if (at == LAB_REPOS_MAX)
        return err_set(e, ERR_TOO_LARGE, "a lab keeps at most %d repositories", LAB_REPOS_MAX);
    c->repos[at] = *r;
    c->n_repos += at == c->n_repos;
    return 0;
}

int lab_conf_repo_word(struct lab_conf *c, const char *word, struct arena *a, struct err *e)
{
    const char *equals = strchr(word, '=');

    if (!equals)
        return err_field(e, "repo", "%s: a repository is given as NAME=URL", word);
    struct lab_repo r = { .name = arena_strndup(a, word, (size_t)(equals - word)), .url = equals + 1 };
    return lab_conf_repo(c, &r, e);
}

/* What the parts are told by options, which win over their environment, or are told by the supervisor. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "ORION_CONFIG",           "ORION_HOST",       "ORION_PORT",       "ORION_GATEWAY_WORKERS", "ORION_DATABASE_URL",
        "ORION_SCHEDULER_LISTEN", "ORION_SCHEDULERS", "ORION_SINKS",      "ORION_SINK_NAME",       "ORION_SINK_DIR",
        "ORION_SINK_LISTEN",      "ORION_SINK_LIVE",  "ORION_API_URL",    "ORION_NODE_NAME",       "ORION_WORKER_ID",
        "ORION_AGENT_DIR",        "ORION_RUNNER",     "ORION_AGENT_PATH", "ORION_AGENT_CONFIG",    "ORION_AGENT_SLOTS",
        "ORION_LAB_PART",         "ORION_READY_FD",
    };

    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (strcmp(name, ours[i]) == 0)
            return true;
    }
    return false;
}

static int check_set(const struct lab_set *s, struct err *e)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    if (strncmp(s->name, "ORION_", 6) != 0 || s->name[strspn(s->name, letters)] != '\0')
        return err_field(e, "set", "%s is not a setting's name (such as ORION_RETRY_DELAY)", s->name);
    if (is_ours(s->name))
        return err_field(e, "set", "%s is the lab's own to say", s->name);
    if (!is_plain(s->value) || strlen(s->value) > URL_MAX_BYTES)
        return err_field(e, "set", "the value of %s is too long or has control characters", s->name);
    return 0;
}

static size_t find_set(const struct lab_conf *c, const char *name)
{
    size_t at = 0;

    while (at < c->n_sets && strcmp(c->sets[at].name, name) != 0)
        at++;
    return at;
}

bool lab_conf_has_set(const struct lab_conf *c, const char *name)
{
    return find_set(c, name) < c->n_sets;
}

int lab_conf_set_word(struct lab_conf *c, const char *word, struct arena *a, struct err *e)
{
    const char *equals = strchr(word, '=');

    if (!equals)
        return err_field(e, "set", "%s: a setting is given as NAME=VALUE", word);
    struct lab_set s = { arena_strndup(a, word, (size_t)(equals - word)), arena_strdup(a, equals + 1) };
    if (check_set(&s, e) < 0)
        return -1;
    size_t at = find_set(c, s.name);
    if (*s.value == '\0') {
        if (at < c->n_sets)
            c->sets[at] = c->sets[--c->n_sets];
        return 0;
    }
    if (at == LAB_SETS_MAX)
        return err_set(e, ERR_TOO_LARGE, "a lab keeps at most %d settings", LAB_SETS_MAX);
    c->sets[at] = s;
    c->n_sets += at == c->n_sets;
    return 0;
}

/* repo=NAME DRIVER MR_REF URL; "-" for none. The URL comes last because only it may hold blanks. */
static int parse_repo(struct lab_conf *c, char *value, struct err *e)
{
    struct lab_repo r = { 0 };
    const char **const words[] = { &r.name, &r.driver, &r.mr_ref };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char *blank = strchr(value, ' ');
        if (!blank)
            return err_set(e, ERR_INVALID, "repo= is NAME DRIVER MR_REF URL");
        *blank = '\0';
        *words[i] = strcmp(value, "-") == 0 ? NULL : value;
        value = blank + 1;
    }
    r.url = value;
    return lab_conf_repo(c, &r, e);
}

static int parse_number(struct lab_conf *c, size_t row, const char *value, struct err *e)
{
    char *end = NULL;

    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || n < numbers[row].min || n > numbers[row].max)
        return err_set(e, ERR_INVALID, "%s is not within %lld and %lld", numbers[row].key, (long long)numbers[row].min,
                       (long long)numbers[row].max);
    *(int64_t *)((char *)c + numbers[row].offset) = n;
    return 0;
}

static int parse_line(struct lab_conf *c, char *line, struct arena *a, struct err *e)
{
    char *equals = strchr(line, '=');

    if (line[0] == '\0' || line[0] == '#')
        return 0;
    if (!equals)
        return err_set(e, ERR_INVALID, "not key=value");
    *equals = '\0';
    char *value = equals + 1;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(line, numbers[i].key) == 0)
            return parse_number(c, i, value, e);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(line, texts[i].key) == 0) {
            *(const char **)((char *)c + texts[i].offset) = *value ? value : NULL;
            return 0;
        }
    }
    if (strcmp(line, "repo") == 0)
        return parse_repo(c, value, e);
    if (strcmp(line, "set") == 0)
        return lab_conf_set_word(c, value, a, e);
    return err_set(e, ERR_INVALID, "unknown key %s", line);
}

int lab_conf_parse(struct lab_conf *c, const char *text, struct arena *a, struct err *e)
{
    char *at = arena_strdup(a, text);

    for (int number = 1; at; number++) {
        char *line = at;
        at = strchr(line, '\n');
        if (at)
            *at++ = '\0';
        if (parse_line(c, line, a, e) < 0)
            return err_prefix(e, "line %d", number);
    }
    return 0;
}

void lab_conf_print(const struct lab_conf *c, struct buf *out)
{
    buf_puts(out, "# Kept by `orion lab`: the options of its last `up`.\n");
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        buf_printf(out, "%s=%lld\n", numbers[i].key,
                   (long long)*(const int64_t *)((const char *)c + numbers[i].offset));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *text = *(const char *const *)((const char *)c + texts[i].offset);
        buf_printf(out, "%s=%s\n", texts[i].key, text ? text : "");
    }
    for (size_t i = 0; i < c->n_repos; i++)
        buf_printf(out, "repo=%s %s %s %s\n", c->repos[i].name, c->repos[i].driver ? c->repos[i].driver : "-",
                   c->repos[i].mr_ref ? c->repos[i].mr_ref : "-", c->repos[i].url);
    for (size_t i = 0; i < c->n_sets; i++)
        buf_printf(out, "set=%s=%s\n", c->sets[i].name, c->sets[i].value);
}

/* A YAML double-quoted text. */
static void yaml_text(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

static void yaml_member(struct buf *out, const char *key, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "    %s: ", key);
    yaml_text(out, text);
    buf_putc(out, '\n');
}

void lab_conf_agent_yaml(const struct lab_conf *c, struct buf *out)
{
    buf_puts(out, "# Written by `orion lab`: change it with `orion lab repo add`.\n"
                  "allow:\n  - \"file://*\"\n  - \"/*\"\n");
    buf_puts(out, c->n_repos > 0 ? "repositories:\n" : "repositories: []\n");
    for (size_t i = 0; i < c->n_repos; i++) {
        buf_puts(out, "  - name: ");
        yaml_text(out, c->repos[i].name);
        buf_putc(out, '\n');
        yaml_member(out, "url", c->repos[i].url);
        yaml_member(out, "driver", c->repos[i].driver);
        yaml_member(out, "mr_ref", c->repos[i].mr_ref);
    }
}
