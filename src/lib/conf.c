/* conf.c - loading settings from defaults, a file, the environment and flags, by rows.
 *
 * Given the rows and a zeroed settings struct; fills the struct and keeps, for each row, the text that was
 * given and where it came from. The file is shared by all programs: keys of others are ignored, but a key that
 * looks like one of ours misspelt is an error. Manual: orion.env(5). */
#include "lib/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf_impl.h"
#include "lib/mem.h"
#include "lib/text.h"

#define KEY_PREFIX "ORION_"

struct conf_value {
    char *text; /* as given; NULL: unset */
    char *origin;
};

struct conf {
    const struct conf_row *rows;
    size_t n_rows;
    struct conf_value *values; /* one per row */
};

/* A line of the file. */
struct conf_line {
    char *key, *value;
    unsigned number;
};

struct conf_lines {
    struct conf_line *at;
    size_t n;
};

static const char *row_name(const struct conf_row *row)
{
    return row->env ? row->env : row->flag;
}

/* --- values ----------------------------------------------------------------------------------------- */

static const char *const expectations[] = {
    [CONF_INT] = "a whole number",
    [CONF_MS] = "a time such as 500ms, 10s, 5m or 1h",
    [CONF_BYTES] = "a size such as 64k, 1M or 2G",
    [CONF_BOOL] = "yes or no",
};

static int row_refuse(const struct conf_row *row, const struct conf_value *v, struct err *e)
{
    return err_field(e, row_name(row), "%s: \"%s\" is not %s (from %s)", row_name(row), v->text,
                     expectations[row->type], v->origin);
}

/* Puts the row's text into the settings. */
static int row_apply(const struct conf_row *row, const struct conf_value *v, void *settings, struct err *e)
{
    char *member = (char *)settings + row->offset;
    bool is_limited = row->min != 0 || row->max != 0;
    int64_t number = 0;

    if (row->type == CONF_STR) {
        memcpy(member, &v->text, sizeof(v->text));
        return 0;
    }
    if (row->type == CONF_BOOL) {
        bool value = false;

        if (v->text && conf_bool_parse(v->text, &value))
            return row_refuse(row, v, e);
        memcpy(member, &value, sizeof(value));
        return 0;
    }
    if (v->text && conf_number_parse(row->type, v->text, &number))
        return row_refuse(row, v, e);
    if (v->text && is_limited && (number < row->min || number > row->max))
        return err_field(e, row_name(row), "%s: %s is not within %lld..%lld%s%s (from %s)", row_name(row), v->text,
                         (long long)row->min, (long long)row->max, row->unit && *row->unit ? " " : "",
                         row->unit ? row->unit : "", v->origin);
    memcpy(member, &number, sizeof(number));
    return 0;
}

static void value_set(struct conf_value *v, const char *text, const char *origin)
{
    mem_free(&v->text);
    mem_free(&v->origin);
    v->text = mem_strdup(text);
    v->origin = mem_strdup(origin);
}

/* Finds `name` in a blank-separated list. */
static bool list_has(const char *list, const char *name, size_t len)
{
    while (list && *list) {
        size_t n = strcspn(list, " ");

        if (n == len && strncmp(list, name, len) == 0)
            return true;
        list += n + strspn(list + n, " ");
    }
    return false;
}

/* --- the file --------------------------------------------------------------------------------------- */

static char *strip(char *text)
{
    size_t len;

    text += strspn(text, " \t\r\n");
    len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* "value" in double quotes loses them; \" and \\ stand for themselves inside. */
static int unquote(char *value)
{
    char *to = value, *from = value + 1;

    if (value[0] != '"')
        return 0;
    while (*from && *from != '"') {
        if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
            from++;
        *to++ = *from++;
    }
    if (from[0] != '"' || from[1])
        return -1;
    *to = '\0';
    return 0;
}

static int line_parse(struct conf_lines *lines, char *text, const char *file, unsigned number, struct err *e)
{
    char *key = strip(text), *equals, *value;

    if (!*key || *key == '#' || *key == ';')
        return 0;
    equals = strchr(key, '=');
    if (!equals || equals == key)
        return err_set(e, ERR_INVALID, "%s:%u: a line must be NAME=value", file, number);
    *equals = '\0';
    value = strip(equals + 1);
    if (unquote(value))
        return err_set(e, ERR_INVALID, "%s:%u: %s: the closing quote is missing or not at the end", file, number, key);
    lines->at = mem_resize(lines->at, lines->n + 1, sizeof(*lines->at));
    lines->at[lines->n++] = (struct conf_line){ mem_strdup(strip(key)), mem_strdup(value), number };
    return 0;
}

static void lines_fini(struct conf_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        mem_free(&lines->at[i].key);
        mem_free(&lines->at[i].value);
    }
    mem_free(&lines->at);
    lines->n = 0;
}

static int lines_read(struct conf_lines *lines, const char *file, bool is_required, struct err *e)
{
    FILE *f = fopen(file, "re");
    char *text = NULL;
    size_t cap = 0;
    unsigned number = 0;
    int rc = 0;

    if (!f)
        return errno == ENOENT && !is_required ? 0 : err_sys(e, "cannot read %s", file);
    while (!rc && getline(&text, &cap, f) >= 0)
        rc = line_parse(lines, text, file, ++number, e);
    if (!rc && ferror(f))
        rc = err_sys(e, "cannot read %s", file);
    free(text);
    fclose(f);
    return rc;
}

static bool row_has_key(const struct conf_row *row, const char *key)
{
    return row->env && (strcmp(row->env, key) == 0 || list_has(row->env_alias, key, strlen(key)));
}

/* An unknown ORION_ key belongs to another program, unless it is a slip of one of ours. */
static int lines_check(const struct conf *c, const struct conf_lines *lines, const char *file, struct err *e)
{
    const size_t prefix = strlen(KEY_PREFIX);

    for (size_t i = 0; i < lines->n; i++) {
        const char *key = lines->at[i].key, *meant = NULL;
        bool is_known = strncmp(key, KEY_PREFIX, prefix) != 0;

        for (size_t r = 0; r < c->n_rows && !is_known; r++) {
            const char *env = c->rows[r].env;

            is_known = row_has_key(&c->rows[r], key);
            if (env && !meant && strncmp(env, KEY_PREFIX, prefix) == 0 && conf_is_slip(key + prefix, env + prefix))
                meant = env;
        }
        if (!is_known && meant)
            return err_field(e, key, "%s:%u: unknown setting %s; did you mean %s?", file, lines->at[i].number, key,
                             meant);
    }
    return 0;
}

/* --- sources, in the order of precedence ------------------------------------------------------------ */

/* The next name of a row: `env`, then each alias. `at` starts as NULL; len_r is 0 behind the last one. */
static const char *row_next_name(const struct conf_row *row, const char *at, size_t *len_r)
{
    if (!at)
        at = row->env ? row->env : "";
    else if (at == row->env)
        at = row->env_alias ? row->env_alias : "";
    else
        at += *len_r + strspn(at + *len_r, " ");
    *len_r = strcspn(at, " ");
    return at;
}

static void row_from_lines(const struct conf_row *row, struct conf_value *v, const struct conf_lines *lines,
                           const char *file)
{
    size_t len = 0;

    for (const char *name = row_next_name(row, NULL, &len); len; name = row_next_name(row, name, &len)) {
        for (size_t i = lines->n; i-- > 0;) { /* of several lines the last counts */
            const struct conf_line *line = &lines->at[i];
            char *origin;

            if (strlen(line->key) != len || strncmp(line->key, name, len) != 0)
                continue;
            origin = mem_printf("%s:%u", file, line->number);
            value_set(v, line->value, origin);
            mem_free(&origin);
            return;
        }
    }
}

/* An empty variable counts as unset: that is how container files switch one off. */
static void row_from_environment(const struct conf_row *row, struct conf_value *v)
{
    size_t len = 0;

    for (const char *at = row_next_name(row, NULL, &len); len; at = row_next_name(row, at, &len)) {
        char *name = mem_strndup(at, len);
        const char *value = getenv(name);

        if (value && *value)
            value_set(v, value, name);
        mem_free(&name);
        if (value && *value)
            return;
    }
}

static int flag_refuse(const struct conf *c, const char *flag, size_t len, struct err *e)
{
    char *name = mem_strndup(flag, len);
    const char *meant = NULL;
    size_t closest = SIZE_MAX;

    for (size_t r = 0; r < c->n_rows; r++) {
        const char *known = c->rows[r].flag;
        size_t distance = known ? text_distance(name, known) : SIZE_MAX;

        if (distance < closest && distance <= 3 && distance < strlen(known)) {
            closest = distance;
            meant = known;
        }
    }
    if (meant)
        err_set(e, ERR_INVALID, "unknown option --%s; did you mean --%s?", name, meant);
    else
        err_set(e, ERR_INVALID, "unknown option --%s", name);
    mem_free(&name);
    return -1;
}

static bool row_has_flag(const struct conf_row *row, const char *flag, size_t len)
{
    return row->flag && strlen(row->flag) == len && strncmp(row->flag, flag, len) == 0;
}

/* Takes the flag at argv[*i]; its value may be the next argument. */
static int flag_take(struct conf *c, int argc, char **argv, int *i, struct err *e)
{
    const char *flag = argv[*i] + 2, *text;
    const size_t len = strcspn(flag, "=");
    size_t r = 0;
    char *origin;

    while (r < c->n_rows && !row_has_flag(&c->rows[r], flag, len))
        r++;
    if (r == c->n_rows)
        return flag_refuse(c, flag, len, e);
    if (flag[len] == '=')
        text = flag + len + 1;
    else if (c->rows[r].type == CONF_BOOL)
        text = "yes";
    else if (*i + 1 < argc)
        text = argv[++*i];
    else
        return err_set(e, ERR_INVALID, "--%s needs a value", flag);
    origin = mem_printf("--%s", c->rows[r].flag);
    value_set(&c->values[r], text, origin);
    mem_free(&origin);
    return 0;
}

static int flags_take(struct conf *c, int *argc, char **argv, struct err *e)
{
    int operands = 1, i = 1;

    for (; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (argv[i][0] != '-' || !argv[i][1])
            argv[operands++] = argv[i];
        else if (argv[i][1] != '-')
            return err_set(e, ERR_INVALID, "unknown option %s", argv[i]);
        else if (flag_take(c, *argc, argv, &i, e))
            return -1;
    }
    while (i < *argc)
        argv[operands++] = argv[i++];
    if (operands < *argc)
        argv[operands] = NULL;
    *argc = operands;
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------------- */

static size_t rows_count(const struct conf_row *rows)
{
    size_t n = 0;

    while (rows[n].help)
        n++;
    return n;
}

static int conf_fill(struct conf *c, const struct conf_lines *lines, const char *file, void *settings, struct err *e)
{
    for (size_t r = 0; r < c->n_rows; r++) {
        if (!c->values[r].origin || strncmp(c->values[r].origin, "--", 2) != 0) {
            value_set(&c->values[r], c->rows[r].fallback, "default");
            row_from_lines(&c->rows[r], &c->values[r], lines, file);
            row_from_environment(&c->rows[r], &c->values[r]);
        }
        if (row_apply(&c->rows[r], &c->values[r], settings, e))
            return -1;
    }
    return 0;
}

struct conf *conf_load(const struct conf_row *rows, void *settings, const char *file, bool file_required, int *argc,
                       char **argv, struct err *e)
{
    struct conf *c = mem_zalloc(sizeof(*c));
    struct conf_lines lines = { 0 };

    c->rows = rows;
    c->n_rows = rows_count(rows);
    c->values = mem_array(c->n_rows, sizeof(*c->values));
    if ((argc && flags_take(c, argc, argv, e)) || (file && lines_read(&lines, file, file_required, e)) ||
        lines_check(c, &lines, file, e) || conf_fill(c, &lines, file, settings, e))
        conf_free(&c);
    lines_fini(&lines);
    return c;
}

void conf_free(struct conf **c)
{
    if (!*c)
        return;
    for (size_t r = 0; r < (*c)->n_rows; r++) {
        mem_free(&(*c)->values[r].text);
        mem_free(&(*c)->values[r].origin);
    }
    mem_free(&(*c)->values);
    mem_free(c);
}

const char *conf_origin(const struct conf *c, const char *env_or_flag)
{
    const char *flag = strncmp(env_or_flag, "--", 2) == 0 ? env_or_flag + 2 : env_or_flag;

    for (size_t r = 0; r < c->n_rows; r++) {
        const struct conf_row *row = &c->rows[r];

        if (row_has_key(row, env_or_flag) || (row->flag && strcmp(row->flag, flag) == 0))
            return c->values[r].origin;
    }
    return NULL;
}

/* --- for people ------------------------------------------------------------------------------------- */

static const char *const placeholders[] = {
    [CONF_STR] = " TEXT", [CONF_INT] = " N", [CONF_MS] = " TIME", [CONF_BYTES] = " SIZE", [CONF_BOOL] = "",
};

/* ORION_..._SECRET */
static bool is_secret(const struct conf_row *row)
{
    static const char word[] = "_SECRET";
    size_t len = strlen(row->env), end = strlen(word);

    return len > end && strcmp(row->env + len - end, word) == 0;
}

void conf_print(const struct conf *c, FILE *to)
{
    for (size_t r = 0; r < c->n_rows; r++) {
        struct buf value = { 0 };
        char *text;

        if (!c->rows[r].env)
            continue;
        if (c->values[r].text && is_secret(&c->rows[r]))
            buf_puts(&value, "***");
        else
            conf_put_masked(&value, c->values[r].text ? c->values[r].text : "");
        text = buf_take(&value);
        fprintf(to, "%s=%s  (%s)\n", c->rows[r].env, text, c->values[r].origin);
        mem_free(&text);
    }
}

void conf_usage(const struct conf_row *rows, FILE *to)
{
    for (const struct conf_row *row = rows; row->help; row++) {
        char *flag;

        if (!row->flag)
            continue;
        flag = mem_printf("--%s%s", row->flag, placeholders[row->type]);
        fprintf(to, "  %-24s %s", flag, row->help);
        if (row->fallback && *row->fallback)
            fprintf(to, " (default %s)", row->fallback);
        if (row->env)
            fprintf(to, " [%s]", row->env);
        fputc('\n', to);
        mem_free(&flag);
    }
}
