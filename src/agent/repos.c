/* repos.c - agent.yaml (orion-agent.yaml(5)): the repositories a task may name, and the patterns of addresses it
 * may give directly. Nothing else is fetched, and without the file nothing at all is.
 *
 * Strict: an unknown key, a missing one, a value of another kind is an error with its line and column, and the
 * table that was there before stays. */
#include "agent/repos.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <yaml.h>

#include "agent/drivers.h"
#include "lib/buf.h"
#include "lib/mem.h"

enum { FILE_MAX = 1024 * 1024, ROWS_MAX = 10000 };

struct table {
    struct repos_row *rows;
    size_t n_rows;
    const char **allow;
    size_t n_allow;
    struct arena arena;
};
struct repos {
    char *file;
    struct stat seen;     /* of the file as last read; zero: it was not there */
    struct table table;
};

/* What is being read. */
struct reader {
    const char *file;
    yaml_document_t *doc;
    struct table *table;
    struct err *e;
};

/* --- reading YAML ---------------------------------------------------------------------------------- */

static int fail_at(const struct reader *r, yaml_mark_t mark, const char *text)
{
    return err_set(r->e, ERR_INVALID, "%s:%zu:%zu: %s", r->file, mark.line + 1, mark.column + 1, text);
}

static int fail_word(const struct reader *r, yaml_mark_t mark, const char *before, const char *word, const char *after)
{
    char *text = mem_printf("%s\"%.64s\"%s", before, word, after);
    int rc = fail_at(r, mark, text);

    mem_free(&text);
    return rc;
}

static const char *scalar_text(const yaml_node_t *n)
{
    return (const char *)n->data.scalar.value;
}

static int text_read(const struct reader *r, const yaml_node_t *n, const char **text_r)
{
    const size_t len = n->type == YAML_SCALAR_NODE ? n->data.scalar.length : 0;

    if (n->type != YAML_SCALAR_NODE || !len)
        return fail_at(r, n->start_mark, "a text is expected here");
    if (strlen(scalar_text(n)) != len || strcspn(scalar_text(n), "\n\r\t") != len)
        return fail_at(r, n->start_mark, "no control characters may stand here");
    *text_r = arena_strndup(&r->table->arena, scalar_text(n), len);
    return 0;
}

/* One key of a mapping: where its value goes, or what reads it. */
struct key {
    const char *name;
    int (*read)(const struct reader *r, const yaml_node_t *value, void *to);
    size_t offset;
    bool is_required;
};

static const struct key *key_find(const struct key *keys, size_t n, const yaml_node_t *node)
{
    for (size_t i = 0; node->type == YAML_SCALAR_NODE && i < n; i++) {
        if (strcmp(keys[i].name, scalar_text(node)) == 0)
            return &keys[i];
    }
    return NULL;
}

static int fail_unknown(const struct reader *r, const yaml_node_t *node, const struct key *keys, size_t n)
{
    struct buf known = { 0 };
    int rc;

    for (size_t i = 0; i < n; i++)
        buf_printf(&known, "%s%s", i ? ", " : "; known are ", keys[i].name);
    rc = fail_word(r, node->start_mark, "unknown key ", node->type == YAML_SCALAR_NODE ? scalar_text(node) : "?",
                   known.data);
    buf_fini(&known);
    return rc;
}

/* Reads a mapping by its table of keys into the struct at `to`. */
static int mapping_read(const struct reader *r, const yaml_node_t *node, const struct key *keys, size_t n, void *to)
{
    bool seen[8] = { false };

    if (node->type != YAML_MAPPING_NODE)
        return fail_at(r, node->start_mark, "keys and values are expected here");
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *name = yaml_document_get_node(r->doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(r->doc, p->value);
        const struct key *k = key_find(keys, n, name);

        if (!k)
            return fail_unknown(r, name, keys, n);
        if (seen[k - keys])
            return fail_word(r, name->start_mark, "", k->name, " stands here twice");
        seen[k - keys] = true;
        if (k->read(r, value, (char *)to + k->offset))
            return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (keys[i].is_required && !seen[i])
            return fail_word(r, node->start_mark, "", keys[i].name, " is missing");
    }
    return 0;
}

/* --- the table ------------------------------------------------------------------------------------- */

static int read_text(const struct reader *r, const yaml_node_t *value, void *to)
{
    return text_read(r, value, to);
}

static int read_driver(const struct reader *r, const yaml_node_t *value, void *to)
{
    const char **name = to;
    char *known;
    int rc = 0;

    if (text_read(r, value, name))
        return -1;
    if (!drivers_is_known(*name)) {
        known = mem_printf("; known are %s", drivers_names(&r->table->arena));
        rc = fail_word(r, value->start_mark, "unknown driver ", *name, known);
        mem_free(&known);
    }
    return rc;
}

static int read_mr_ref(const struct reader *r, const yaml_node_t *value, void *to)
{
    const char **ref = to;

    if (text_read(r, value, ref))
        return -1;
    if (strncmp(*ref, "refs/", 5) != 0)
        return fail_at(r, value->start_mark, "mr_ref is a full ref, for example refs/merge-requests/{mr}/head");
    return 0;
}

static const struct key row_keys[] = {
    { "name", read_text, offsetof(struct repos_row, name), true },
    { "url", read_text, offsetof(struct repos_row, url), true },
    { "driver", read_driver, offsetof(struct repos_row, driver), false },
    { "mr_ref", read_mr_ref, offsetof(struct repos_row, mr_ref), false },
};

static const struct repos_row *row_named(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    }
    return NULL;
}

static int sequence_check(const struct reader *r, const yaml_node_t *node, size_t *n_r)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(r, node->start_mark, "a list is expected here");
    *n_r = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    return *n_r > ROWS_MAX ? fail_at(r, node->start_mark, "the list is too long") : 0;
}

static int read_rows(const struct reader *r, const yaml_node_t *node, void *to)
{
    struct table *t = to;
    size_t n;

    if (sequence_check(r, node, &n))
        return -1;
    t->rows = arena_alloc(&t->arena, (n + 1) * sizeof(*t->rows));
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *item = yaml_document_get_node(r->doc, node->data.sequence.items.start[i]);
        struct repos_row row = { 0 };

        if (mapping_read(r, item, row_keys, ARRAY_LEN(row_keys), &row))
            return -1;
        if (row_named(t, row.name))
            return fail_word(r, item->start_mark, "repository ", row.name, " stands here twice");
        if (row.url[0] == '-')
            return fail_at(r, item->start_mark, "an address cannot begin with a dash");
        t->rows[t->n_rows++] = row;
    }
    return 0;
}

static int read_allow(const struct reader *r, const yaml_node_t *node, void *to)
{
    struct table *t = to;
    size_t n;

    if (sequence_check(r, node, &n))
        return -1;
    t->allow = arena_alloc(&t->arena, (n + 1) * sizeof(*t->allow));
    for (size_t i = 0; i < n; i++) {
        if (text_read(r, yaml_document_get_node(r->doc, node->data.sequence.items.start[i]), &t->allow[i]))
            return -1;
        t->n_allow++;
    }
    return 0;
}

static const struct key root_keys[] = {
    { "repositories", read_rows, 0, false },
    { "allow", read_allow, 0, false },
};

static int root_read(const struct reader *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(r->doc);

    return root ? mapping_read(r, root, root_keys, ARRAY_LEN(root_keys), r->table) : 0;
}

static int table_read(struct table *t, const char *file, const char *text, size_t len, struct err *e)
{
    yaml_document_t doc;
    yaml_parser_t parser;
    struct reader r = { .file = file, .doc = &doc, .table = t, .e = e };
    int rc;

    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (yaml_parser_load(&parser, &doc)) {
        rc = root_read(&r);
        yaml_document_delete(&doc);
    } else {
        rc = fail_at(&r, parser.problem_mark, parser.problem ? parser.problem : "not YAML");
    }
    yaml_parser_delete(&parser);
    if (rc)
        arena_fini(&t->arena);
    return rc;
}

/* --- the file -------------------------------------------------------------------------------------- */

struct repos *repos_parse(const char *file, const char *text, size_t len, struct err *e)
{
    struct table t = { 0 };
    struct repos *r;

    if (table_read(&t, file, text, len, e))
        return NULL;
    r = mem_zalloc(sizeof(*r));
    r->file = mem_strdup(file);
    r->table = t;
    return r;
}

static int file_read(const char *file, struct buf *text, struct err *e)
{
    FILE *f = fopen(file, "re");
    size_t n;

    if (!f)
        return err_sys(e, "cannot read %s", file);
    do {
        n = fread(buf_reserve(text, 65536), 1, 65536, f);
        buf_commit(text, n);
    } while (n && text->len <= FILE_MAX);
    if (ferror(f) || text->len > FILE_MAX) {
        fclose(f);
        return err_set(e, ERR_TOO_LARGE, "cannot read %s: no file of at most %d bytes", file, FILE_MAX);
    }
    fclose(f);
    return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int repos_refresh(struct repos *r, struct err *e)
{
    struct table t = { 0 };
    struct buf text = { 0 };
    struct stat now = { 0 };
    int rc = 0;

    if (stat(r->file, &now) < 0 && errno != ENOENT)
        return err_sys(e, "cannot read %s", r->file);
    if (is_same_file(&now, &r->seen))
        return 0;
    r->seen = now; /* also when it is wrong: the error is told once */
    if (now.st_ino)
        rc = file_read(r->file, &text, e);
    if (!rc)
        rc = table_read(&t, r->file, text.data ? text.data : "", text.len, e);
    buf_fini(&text);
    if (rc)
        return -1;
    arena_fini(&r->table.arena);
    r->table = t;
    return 0;
}

struct repos *repos_open(const char *file, struct err *e)
{
    struct repos *r = mem_zalloc(sizeof(*r));

    r->file = mem_strdup(file);
    if (repos_refresh(r, e))
        repos_free(&r);
    return r;
}

void repos_free(struct repos **r)
{
    if (*r) {
        arena_fini(&(*r)->table.arena);
        mem_free(&(*r)->file);
    }
    mem_free(r);
}

/* --- asking ---------------------------------------------------------------------------------------- */

/* An address with dot segments, plain or encoded, can mean another place than the pattern sees. */
static bool has_dot_segment(const char *address)
{
    for (const char *at = strchr(address, '/'); at; at = strchr(at, '/')) {
        size_t dots = 0;

        for (at++; *at; dots++) {
            if (*at == '.')
                at++;
            else if (strncasecmp(at, "%2e", 3) == 0)
                at += 3;
            else
                break;
        }
        if ((dots == 1 || dots == 2) && (*at == '/' || !*at))
            return true;
    }
    return false;
}

static bool is_allowed(const struct table *t, const char *address)
{
    if (address[0] == '-' || has_dot_segment(address))
        return false;
    for (const unsigned char *p = (const unsigned char *)address; *p; p++) {
        if (*p < ' ' || *p == 0x7f)
            return false;
    }
    for (size_t i = 0; i < t->n_allow; i++) {
        if (fnmatch(t->allow[i], address, 0) == 0)
            return true;
    }
    return false;
}

int repos_find(const struct repos *r, const char *repo, struct repos_row *row_r, struct err *e)
{
    const struct repos_row *row = row_named(&r->table, repo);

    if (row) {
        *row_r = *row;
        return 0;
    }
    if (!is_allowed(&r->table, repo))
        return err_set(e, ERR_DENIED,
                       "repository \"%.200s\" is not in the agent's table (%s) and matches no allowed pattern", repo,
                       r->file);
    *row_r = (struct repos_row){ .name = repo, .url = repo };
    return 0;
}
