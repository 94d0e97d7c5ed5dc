/* workspace.c - from a repository's address and a ref to a checked out commit (ARCHITECTURE "What is built").
 *
 *   list      what object the ref is at the remote; not asked when the commit is known already
 *   probe     is that commit in the mirror? then nothing is fetched
 *   init      the mirror, made beside its place and moved there whole
 *   fetch     all refs, as the remote has them; one fetch per mirror at a time (mirrors.h), and after waiting for
 *             one the probe comes first again
 *   fetch_id  a commit that no ref leads to any more
 *   clone     a repository of its own that borrows the mirror's objects: builds may tag, commit and branch as they
 *             like and nobody else sees it
 *   checkout  the commit, detached
 *
 * git runs with a configuration of its own, asks nobody anything and speaks to no transport that runs commands. */
#include "agent/workspace.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/gitref.h"
#include "agent/mirrors.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { GIT_MS = 600 * 1000, WORDS_MAX = 24, SAID_MAX = 16 * 1024 };

enum step { STEP_LIST, STEP_PROBE, STEP_INIT, STEP_FETCH, STEP_FETCH_ID, STEP_CLONE, STEP_CHECKOUT, STEPS };
enum fetched { FETCHED_NOTHING, FETCHED_REFS, FETCHED_ID };

struct workspaces {
    struct helpers *helpers;
    struct trash *trash;
    struct mirrors *mirrors;
    char *mirror_dir;
    struct arena arena;        /* the environment */
    const char **env;
};

struct workspace_op {
    struct workspaces *all;
    struct arena arena;
    struct workspace_order order;
    struct msg_strs candidates;
    const char *mirror;        /* path */
    const char *object;        /* what is wanted: a whole id or the beginning of one */
    const char *commit;
    enum step step;
    enum fetched fetched;
    struct mirror_turn turn;
    struct helper *helper;
    bool is_stopped;
    struct buf said;           /* by git, to stderr */
    workspace_fn *fn;
    void *arg;
};

/* One step: its command line, and what follows from how it ended. */
struct step_row {
    const char *name;
    const char *doing;         /* for messages: "cannot DOING NAME"; NULL: failing means no */
    size_t (*argv)(struct workspace_op *op, const char **words);
    void (*done)(struct workspace_op *op, const struct helper_end *end);
};
static const struct step_row steps[STEPS];

/* --- the end --------------------------------------------------------------------------------------- */

static void op_free(struct workspace_op *op)
{
    mirror_leave(op->all->mirrors, &op->turn);
    helper_cancel(&op->helper);
    buf_fini(&op->said);
    arena_fini(&op->arena);
    mem_free(&op);
}

static void op_finish(struct workspace_op *op, const char *cause, const char *message)
{
    const struct workspace_end end = {
        .commit = cause ? NULL : op->commit,
        .cause = cause,
        .message = message,
        .output = op->said.data ? op->said.data : "",
    };

    op->fn(op->arg, &end);
    op_free(op);
}

static void op_not_found(struct workspace_op *op)
{
    const bool is_commit = op->order.commit || gitref_is_id(op->order.ref);
    const char *what = op->order.commit ? op->order.commit : op->order.ref;

    op_finish(op, "setup",
              arena_printf(&op->arena, "%s%s: not found in %s", is_commit ? "commit " : "", what, op->order.repo));
}

/* git's own reason is the line it calls fatal; the first line otherwise. */
static const char *reason_line(struct workspace_op *op, const char *said)
{
    const char *fatal = strstr(said, "fatal: ");
    const char *line = fatal ? fatal : said + strspn(said, "\n");

    return arena_strndup(&op->arena, line, strcspn(line, "\n"));
}

static void op_failed(struct workspace_op *op, const struct step_row *row, const char *said)
{
    op_finish(op, "infrastructure",
              arena_printf(&op->arena, "cannot %s %s: %s", row->doing, op->order.repo, reason_line(op, said)));
}

/* --- running a step -------------------------------------------------------------------------------- */

static void on_step(void *arg, const struct helper_end *end)
{
    struct workspace_op *op = arg;
    const struct step_row *row = &steps[op->step];

    op->helper = NULL;
    if (op->is_stopped) {
        op_finish(op, "agent", "stopped");
        return;
    }
    if (row->doing && op->said.len + strlen(end->err) < SAID_MAX)
        buf_puts(&op->said, end->err);
    if (!end->ok && row->doing)
        op_failed(op, row, end->err);
    else
        row->done(op, end);
}

static void op_go(struct workspace_op *op, enum step step)
{
    const char *words[WORDS_MAX] = { 0 };
    const struct helper_spec spec = { .argv = words, .env = op->all->env, .timeout_ms = GIT_MS };

    op->step = step;
    steps[step].argv(op, words);
    log_debug("git", log_str("step", steps[step].name), log_str("repo", op->order.repo),
              log_str("path", op->order.path));
    op->helper = helper_start(op->all->helpers, &spec, on_step, op);
}

static size_t words_fill(const char **words, const char *const *fixed)
{
    size_t n = 0;

    while (fixed[n]) {
        words[n] = fixed[n];
        n++;
    }
    return n;
}

/* --- what the remote has --------------------------------------------------------------------------- */

static size_t argv_list(struct workspace_op *op, const char **words)
{
    const char *const fixed[] = { "git", "ls-remote", "--quiet", "--end-of-options", op->order.url, NULL };
    size_t n = words_fill(words, fixed);

    for (size_t i = 0; i < op->candidates.n; i++)
        words[n++] = op->candidates.v[i];
    return n;
}

static void done_list(struct workspace_op *op, const struct helper_end *end)
{
    op->object = gitref_pick(end->out, op->candidates, &op->arena);
    if (!op->object && gitref_is_short_id(op->order.ref))
        op->object = op->order.ref;
    if (op->object)
        op_go(op, STEP_PROBE);
    else
        op_not_found(op);
}

/* --- the mirror ------------------------------------------------------------------------------------ */

static bool mirror_exists(const struct workspace_op *op)
{
    return access(op->mirror, F_OK) == 0;
}

static size_t argv_probe(struct workspace_op *op, const char **words)
{
    return words_fill(words, (const char *[]){ "git", "--git-dir", op->mirror, "rev-parse", "--verify", "--quiet",
                                               "--end-of-options", arena_printf(&op->arena, "%s^{commit}", op->object),
                                               NULL });
}

static const char *mirror_new_path(struct workspace_op *op)
{
    return arena_printf(&op->arena, "%s.new", op->mirror);
}

/* In the mirror's turn: whatever it takes to get the commit there. */
static void op_fetch(struct workspace_op *op)
{
    if (mirror_exists(op)) {
        op_go(op, op->fetched == FETCHED_NOTHING ? STEP_FETCH : STEP_FETCH_ID);
        return;
    }
    trash_put(op->all->trash, mirror_new_path(op)); /* half a one, from an agent that was killed */
    op_go(op, STEP_INIT);
}

/* Somebody else fetched meanwhile: the commit may be there. */
static void on_turn(void *arg)
{
    op_go(arg, STEP_PROBE);
}

static void op_missing(struct workspace_op *op)
{
    if (op->fetched == FETCHED_ID || (op->fetched == FETCHED_REFS && !gitref_is_id(op->object))) {
        op_not_found(op);
        return;
    }
    if (op->turn.mirror || mirror_enter(op->all->mirrors, op->mirror, &op->turn))
        op_fetch(op);
}

static void done_probe(struct workspace_op *op, const struct helper_end *end)
{
    if (!end->ok) {
        op_missing(op);
        return;
    }
    op->commit = arena_strndup(&op->arena, end->out, strcspn(end->out, "\n"));
    mirror_leave(op->all->mirrors, &op->turn);
    trash_put(op->all->trash, op->order.path);
    op_go(op, STEP_CLONE);
}

static size_t argv_init(struct workspace_op *op, const char **words)
{
    return words_fill(words, (const char *[]){ "git", "init", "--quiet", "--bare", "--template=", "--end-of-options",
                                               mirror_new_path(op), NULL });
}

static void done_init(struct workspace_op *op, const struct helper_end *end)
{
    (void)end;
    if (rename(mirror_new_path(op), op->mirror) < 0)
        op_failed(op, &steps[STEP_INIT], "the mirror cannot be moved to its place");
    else
        op_go(op, STEP_FETCH);
}

/* A pack appears when it is whole. Unpacked, a commit would be there before its trees, for whoever probes meanwhile and
 * for ever when the fetch is killed. */
#define WHOLE_PACKS "-c", "fetch.unpackLimit=1"

static size_t argv_fetch(struct workspace_op *op, const char **words)
{
    return words_fill(words, (const char *[]){ "git", WHOLE_PACKS, "--git-dir", op->mirror, "fetch", "--quiet",
                                               "--prune", "--force", "--no-tags", "--no-write-fetch-head",
                                               "--no-recurse-submodules", "--end-of-options", op->order.url,
                                               "+refs/*:refs/*", NULL });
}

static void done_fetch(struct workspace_op *op, const struct helper_end *end)
{
    (void)end;
    op->fetched = FETCHED_REFS;
    op_go(op, STEP_PROBE);
}

static size_t argv_fetch_id(struct workspace_op *op, const char **words)
{
    return words_fill(words, (const char *[]){ "git", WHOLE_PACKS, "--git-dir", op->mirror, "fetch", "--quiet",
                                               "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                                               "--end-of-options", op->order.url, op->object, NULL });
}

/* Remotes say no to ids they do not know, and some to all ids: either way the commit is not to be had. */
static void done_fetch_id(struct workspace_op *op, const struct helper_end *end)
{
    (void)end;
    op->fetched = FETCHED_ID;
    op_go(op, STEP_PROBE);
}

/* --- the workspace --------------------------------------------------------------------------------- */

static size_t argv_clone(struct workspace_op *op, const char **words)
{
    return words_fill(words, (const char *[]){ "git", "clone", "--quiet", "--shared", "--no-checkout", "--template=",
                                               "--end-of-options", op->mirror, op->order.path, NULL });
}

static void done_clone(struct workspace_op *op, const struct helper_end *end)
{
    (void)end;
    op_go(op, STEP_CHECKOUT);
}

static size_t argv_checkout(struct workspace_op *op, const char **words)
{
    return words_fill(words, (const char *[]){ "git", "-C", op->order.path, "checkout", "--quiet", "--force",
                                               "--detach", op->commit, NULL });
}

static void done_checkout(struct workspace_op *op, const struct helper_end *end)
{
    (void)end;
    op_finish(op, NULL, NULL);
}

static const struct step_row steps[STEPS] = {
    [STEP_LIST] = { "list", "read", argv_list, done_list },
    [STEP_PROBE] = { "probe", NULL, argv_probe, done_probe },
    [STEP_INIT] = { "init", "make a mirror of", argv_init, done_init },
    [STEP_FETCH] = { "fetch", "fetch", argv_fetch, done_fetch },
    [STEP_FETCH_ID] = { "fetch_id", NULL, argv_fetch_id, done_fetch_id },
    [STEP_CLONE] = { "clone", "make a workspace of", argv_clone, done_clone },
    [STEP_CHECKOUT] = { "checkout", "check out", argv_checkout, done_checkout },
};

/* --- from outside ---------------------------------------------------------------------------------- */

struct workspace_op *workspace_prepare(struct workspaces *w, const struct workspace_order *order, workspace_fn *fn,
                                       void *arg)
{
    struct workspace_op *op = mem_zalloc(sizeof(*op));
    struct arena *a = &op->arena;

    op->all = w;
    op->fn = fn;
    op->arg = arg;
    op->turn = (struct mirror_turn){ .fn = on_turn, .arg = op };
    op->order = (struct workspace_order){
        .repo = arena_strdup(a, order->repo),
        .url = arena_strdup(a, order->url),
        .ref = arena_strdup(a, order->ref ? order->ref : "HEAD"),
        .commit = arena_strdup(a, order->commit),
        .path = arena_strdup(a, order->path),
    };
    op->mirror = arena_printf(a, "%s/%s", w->mirror_dir, gitref_mirror_name(order->repo, order->url, a));
    op->object = op->order.commit ? op->order.commit : gitref_is_id(op->order.ref) ? op->order.ref : NULL;
    op->candidates = gitref_candidates(op->order.ref, a);
    op_go(op, op->object ? STEP_PROBE : STEP_LIST);
    return op;
}

/* The mirror stays this op's until then: no other git gets to see one that is being ended. */
bool workspace_stop(struct workspace_op **op)
{
    if (!*op || !(*op)->helper) {
        workspace_cancel(op);
        return true;
    }
    (*op)->is_stopped = true;
    helper_stop((*op)->helper);
    return false;
}

void workspace_cancel(struct workspace_op **op)
{
    if (*op)
        op_free(*op);
    *op = NULL;
}

/* The agent's environment without what would steer git, and with what keeps it quiet. */
static const char **env_make(struct arena *a, const char *config)
{
    const char *const own[] = {
        "GIT_CONFIG_NOSYSTEM=1",
        arena_printf(a, "GIT_CONFIG_GLOBAL=%s", config),
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ASKPASS=/bin/false",
        "GIT_SSH_COMMAND=ssh -o BatchMode=yes",
        "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh",
        "GIT_ADVICE=0",
        "LC_ALL=C.UTF-8",
    };
    const char **env;
    size_t n = 0;

    while (environ[n])
        n++;
    env = arena_alloc(a, (n + ARRAY_LEN(own) + 1) * sizeof(*env));
    n = 0;
    for (char **at = environ; *at; at++) {
        if (strncmp(*at, "GIT_", 4) != 0 && strncmp(*at, "LC_ALL=", 7) != 0)
            env[n++] = *at;
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        env[n++] = own[i];
    return env;
}

struct workspaces *workspaces_new(struct helpers *hs, struct trash *trash, const char *dir)
{
    struct workspaces *w = mem_zalloc(sizeof(*w));

    w->helpers = hs;
    w->trash = trash;
    w->mirrors = mirrors_new();
    w->mirror_dir = mem_printf("%s/mirror", dir);
    w->env = env_make(&w->arena, arena_printf(&w->arena, "%s/gitconfig", dir));
    return w;
}

void workspaces_free(struct workspaces **w)
{
    if (*w) {
        mirrors_free(&(*w)->mirrors);
        mem_free(&(*w)->mirror_dir);
        arena_fini(&(*w)->arena);
    }
    mem_free(w);
}
