/* submission.c - checks a submission of /v1 and translates it for the scheduler; shows it as a task again.
 *
 * Pure: given decoded messages, fills structs. Times are whole seconds outside and milliseconds inside. What is wrong
 * is said with the field and what it may be. */
#include "gateway/submission.h"

#include <stdio.h>
#include <string.h>

#include "proto/state.h"

enum { AFTER_MAX = 100, TRIES_MAX = 100, EXIT_CODE_MAX = 255 };

/* --- words ----------------------------------------------------------------------------------------------------- */

static const char *const priorities[] = { "critical", "high", "normal", "low", NULL };
static const char *const conditions[] = { "succeeded", "finished", "any", NULL };
static const char *const supersedes[] = { "off", "queued", "running", NULL };
static const char *const retries[] = { "agent", "infrastructure", "none", NULL };

/* "critical, high, normal, low" */
static void list_words(const char *const *words, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; words[i] && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i ? ", " : "", words[i]);
}

static int check_word(const char *field, const char *word, const char *const *words, struct err *e)
{
    char list[64];

    if (!word || !word[0])
        return 0;
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return 0;
    list_words(words, list, sizeof(list));
    return err_field(e, field, "%s: \"%.32s\" is not one of %s", field, word, list);
}

int submission_check_supersede(const char *word, struct err *e)
{
    return check_word("supersede", word, supersedes, e);
}

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* --- checks ---------------------------------------------------------------------------------------------------- */

static int check_time(const char *field, bool is_there, int64_t seconds, struct err *e)
{
    if (is_there && seconds < 1)
        return err_field(e, field, "%s must be at least 1 second; leave it out for no limit", field);
    return 0;
}

static int check_times(const struct msg_v1_submit *in, struct err *e)
{
    if (check_time("timeout_s", in->has.timeout_s, in->timeout_s, e) < 0 ||
        check_time("silence_timeout_s", in->has.silence_timeout_s, in->silence_timeout_s, e) < 0)
        return -1;
    return check_time("queue_timeout_s", in->has.queue_timeout_s, in->queue_timeout_s, e);
}

static int check_retry_on(const struct msg_strs *words, struct err *e)
{
    char field[48];

    for (size_t i = 0; i < words->n; i++) {
        snprintf(field, sizeof(field), "retry_on[%zu]", i);
        if (!words->v[i][0])
            return err_field(e, field, "%s is empty: name agent, infrastructure or none", field);
        if (check_word(field, words->v[i], retries, e) < 0)
            return -1;
        if (strcmp(words->v[i], "none") == 0 && words->n > 1)
            return err_field(e, field, "%s: none stands alone; leave the others out", field);
    }
    return 0;
}

static int check_retries(const struct msg_v1_submit *in, struct err *e)
{
    char field[48];

    if (in->has.tries && (in->tries < 1 || in->tries > TRIES_MAX))
        return err_field(e, "tries", "tries must be from 1 to %d; leave it out for the farm's", TRIES_MAX);
    for (size_t i = 0; i < in->retry_exit_codes.n; i++) {
        int64_t code = in->retry_exit_codes.v[i];
        snprintf(field, sizeof(field), "retry_exit_codes[%zu]", i);
        if (code < 1 || code > EXIT_CODE_MAX)
            return err_field(e, field, "%s must be an exit code from 1 to %d", field, EXIT_CODE_MAX);
    }
    if (in->retry_exit_codes.n > EXIT_CODE_MAX)
        return err_field(e, "retry_exit_codes", "retry_exit_codes has %zu codes; there are %d", in->retry_exit_codes.n,
                         EXIT_CODE_MAX);
    return check_retry_on(&in->retry_on, e);
}

static int check_words(const struct msg_v1_submit *in, struct err *e)
{
    if (check_word("priority", in->priority, priorities, e) < 0 ||
        check_word("after_condition", in->after_condition, conditions, e) < 0)
        return -1;
    if (or_null(in->after_condition) && in->after.n == 0)
        return err_field(e, "after_condition", "after_condition says how the tasks in after must end: name some there");
    return submission_check_supersede(in->supersede, e);
}

/* --- the tasks it waits for ------------------------------------------------------------------------------------ */

/* Ids in their usual form, so that an id is one text everywhere. */
static int read_after(const struct msg_v1_submit *in, struct arena *a, struct msg_pairs *after_r, struct err *e)
{
    char field[48];

    if (in->after.n > AFTER_MAX)
        return err_field(e, "after", "after names %zu tasks; at most %d are allowed", in->after.n, AFTER_MAX);
    struct msg_pair *v = in->after.n ? arena_alloc(a, in->after.n * sizeof(*v)) : NULL;
    for (size_t i = 0; i < in->after.n; i++) {
        const char *text = in->after.v[i];
        char *id = arena_alloc(a, UUID_TEXT_SIZE);
        struct uuid uuid;
        snprintf(field, sizeof(field), "after[%zu]", i);
        if (uuid_parse(text, strlen(text), &uuid) < 0)
            return err_field(e, field, "%s: \"%.40s\" is no task's id (a UUID)", field, text);
        uuid_format(&uuid, id);
        for (size_t j = 0; j < i; j++)
            if (strcmp(v[j].key, id) == 0)
                return err_field(e, field, "%s names the same task as after[%zu]: name it once", field, j);
        v[i] = (struct msg_pair){ id, "" };
    }
    *after_r = (struct msg_pairs){ v, in->after.n };
    return 0;
}

static const char *final_state(const struct msg_v1_tasks *rows, const char *id)
{
    struct uuid wanted;

    uuid_parse(id, strlen(id), &wanted);
    for (size_t i = 0; i < rows->tasks.n; i++) {
        const struct msg_v1_task *t = &rows->tasks.v[i];
        int state = task_state_by_name(t->state);
        if (uuid_cmp(&t->id, &wanted) == 0)
            return state >= 0 && task_is_terminal((enum task_state)state) ? t->state : "";
    }
    return "";
}

void submission_after(struct msg_task_submit *task, const struct msg_v1_tasks *rows, struct arena *a)
{
    struct msg_pair *v = arena_alloc(a, task->after.n * sizeof(*v));

    for (size_t i = 0; i < task->after.n; i++)
        v[i] = (struct msg_pair){ task->after.v[i].key, arena_strdup(a, final_state(rows, task->after.v[i].key)) };
    task->after.v = v;
}

/* --- translation ----------------------------------------------------------------------------------------------- */

static void put_ms(bool is_there, int64_t seconds, int64_t *ms_r, bool *has_r)
{
    *has_r = is_there;
    *ms_r = is_there ? seconds * 1000 : 0;
}

static void put_seconds(bool is_there, int64_t ms, int64_t *seconds_r, bool *has_r)
{
    *has_r = is_there;
    *seconds_r = is_there ? ms / 1000 : 0;
}

/* An empty list says what "none" says. */
static struct msg_strs retry_words(struct msg_strs given, bool is_given)
{
    static const char *const none[] = { "none" };

    return is_given && given.n == 0 ? (struct msg_strs){ none, 1 } : given;
}

static void translate(const struct msg_v1_submit *in, struct msg_task_submit *t)
{
    *t = (struct msg_task_submit){
        .project = or_null(in->project) ? in->project : "default", .repo = in->repo, .target = or_null(in->target),
        .args = in->args, .ref = or_null(in->ref), .mr = or_null(in->mr), .driver = or_null(in->driver),
        .labels = in->labels, .env = in->env, .separate_streams = in->separate_streams, .force = in->force,
        .priority = or_null(in->priority), .concurrency_group = or_null(in->concurrency_group),
        .after_condition = or_null(in->after_condition), .tries = in->tries,
        .retry_on = retry_words(in->retry_on, in->has.retry_on), .retry_exit_codes = in->retry_exit_codes,
        .supersede = or_null(in->supersede), .join = !in->force,
    };
    t->has.separate_streams = in->separate_streams;
    t->has.force = in->force;
    t->has.join = t->join;
    t->has.tries = in->has.tries;
    put_ms(in->has.timeout_s, in->timeout_s, &t->timeout_ms, &t->has.timeout_ms);
    put_ms(in->has.silence_timeout_s, in->silence_timeout_s, &t->silence_timeout_ms, &t->has.silence_timeout_ms);
    put_ms(in->has.queue_timeout_s, in->queue_timeout_s, &t->queue_timeout_ms, &t->has.queue_timeout_ms);
}

int submission_read(const struct msg_v1_submit *in, struct arena *a, struct msg_task_submit *task_r, struct err *e)
{
    if (!in->repo[0])
        return err_field(e, "repo", "repo is empty: name a repository or give its URL");
    if (check_words(in, e) < 0 || check_times(in, e) < 0 || check_retries(in, e) < 0)
        return -1;
    translate(in, task_r);
    return read_after(in, a, &task_r->after, e);
}

/* A retry is no newer state of its merge request: it ends no other task. */
void submission_again(const struct msg_v1_task *t, struct arena *a, struct msg_task_submit *task_r)
{
    struct msg_pair *after = arena_alloc(a, t->after.n * sizeof(*after));

    for (size_t i = 0; i < t->after.n; i++)
        after[i] = (struct msg_pair){ t->after.v[i], "" };
    *task_r = (struct msg_task_submit){
        .project = t->project, .repo = t->repo, .target = t->target, .args = t->args, .ref = t->ref, .mr = t->mr,
        .driver = t->driver, .labels = t->labels, .env = t->env, .separate_streams = t->separate_streams,
        .force = true, .priority = t->priority, .concurrency_group = t->concurrency_group,
        .after = { after, t->after.n }, .after_condition = t->after_condition, .tries = t->tries,
        .retry_on = t->retry_on, .retry_exit_codes = t->retry_exit_codes, .supersede = "off", .retry_of = t->id,
    };
    task_r->has.separate_streams = t->separate_streams;
    task_r->has.force = task_r->has.retry_of = true;
    task_r->has.tries = t->has.tries;
    put_ms(t->has.timeout_s, t->timeout_s, &task_r->timeout_ms, &task_r->has.timeout_ms);
    put_ms(t->has.silence_timeout_s, t->silence_timeout_s, &task_r->silence_timeout_ms,
           &task_r->has.silence_timeout_ms);
    put_ms(t->has.queue_timeout_s, t->queue_timeout_s, &task_r->queue_timeout_ms, &task_r->has.queue_timeout_ms);
}

void submission_show(const struct msg_task_submit *task, struct arena *a, struct msg_v1_task *t_r)
{
    const char **after = arena_alloc(a, task->after.n * sizeof(*after));

    for (size_t i = 0; i < task->after.n; i++)
        after[i] = task->after.v[i].key;
    *t_r = (struct msg_v1_task){
        .id = task->task_id, .project = task->project, .repo = task->repo, .target = task->target, .args = task->args,
        .ref = task->ref, .mr = task->mr, .driver = task->driver, .labels = task->labels, .env = task->env,
        .separate_streams = task->separate_streams, .created_at = uuid_time_ms(&task->task_id),
        .priority = task->priority ? task->priority : "normal", .concurrency_group = task->concurrency_group,
        .after = { after, task->after.n }, .tries = task->tries, .retry_on = task->retry_on,
        .retry_exit_codes = task->retry_exit_codes, .retry_of = task->retry_of,
    };
    if (task->after.n > 0)
        t_r->after_condition = task->after_condition ? task->after_condition : "succeeded";
    t_r->has.separate_streams = true;
    t_r->has.tries = task->has.tries;
    t_r->has.retry_of = task->has.retry_of;
    put_seconds(task->has.timeout_ms, task->timeout_ms, &t_r->timeout_s, &t_r->has.timeout_s);
    put_seconds(task->has.silence_timeout_ms, task->silence_timeout_ms, &t_r->silence_timeout_s,
                &t_r->has.silence_timeout_s);
    put_seconds(task->has.queue_timeout_ms, task->queue_timeout_ms, &t_r->queue_timeout_s, &t_r->has.queue_timeout_s);
}
