/* main.c - `orion`: the verbs, their help, and the way from a command line to one of them.
 *
 * Given: argv. Rules: man/orion.1. The only file here that knows all verbs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct verb *const verbs[] = { &run_verb,    &submit_verb, &status_verb,  &logs_verb,  &list_verb,
                                            &cancel_verb, &retry_verb,  &queue_verb,   &group_verb, &project_verb,
                                            &agents_verb, &agent_verb,  &lab_verb,     &db_verb,    NULL };

enum { NAMES_MAX = 32 };

/* What Ctrl-C prints: written before the handler is installed, only read by it. */
static char interrupt_text[256];

static void on_interrupt(int signo)
{
    (void)signo;
    (void)!write(STDERR_FILENO, interrupt_text, strlen(interrupt_text));
    _exit(CLI_INTERRUPTED);
}

void cli_on_interrupt(const char *text)
{
    if (!text) {
        signal(SIGINT, SIG_DFL);
        return;
    }
    snprintf(interrupt_text, sizeof(interrupt_text), "%s", text);
    signal(SIGINT, on_interrupt);
}

int cli_exit_code(enum err_kind kind)
{
    switch (kind) {
    case ERR_INVALID:
    case ERR_TOO_LARGE:
    case ERR_CONFLICT:
        return CLI_USAGE;
    case ERR_DENIED:
        return CLI_DENIED;
    case ERR_NOT_FOUND:
        return CLI_NOT_FOUND;
    case ERR_UNAVAILABLE:
        return CLI_UNREACHABLE;
    default:
        return CLI_FAILED;
    }
}

int cli_fail(const struct err *e)
{
    fprintf(stderr, "orion: %s\n", e->text);
    return cli_exit_code(e->kind);
}

int cli_usage(const struct cli_call *call, const char *what)
{
    fprintf(stderr, "orion %s: %s\nusage: orion %s %s\n", call->verb->name, what, call->verb->name,
            call->verb->synopsis);
    return CLI_USAGE;
}

const char *cli_operand(const struct cli_call *call, const char *what)
{
    char text[128];

    if (call->args.operands.n == 1)
        return call->args.operands.v[0];
    snprintf(text, sizeof(text), call->args.operands.n == 0 ? "needs %s" : "takes one %s", what);
    cli_usage(call, text);
    return NULL;
}

static void print_verbs(const struct verb *const *list)
{
    for (; *list; list++) {
        if ((*list)->summary)
            printf("  %-16s %s\n", (*list)->name, (*list)->summary);
    }
}

static int print_overview(void)
{
    printf("usage: orion VERB [OPTION]... [ARGUMENT]...\n\nOrion, a build farm.\n\nVerbs:\n");
    print_verbs(verbs);
    printf("\n`orion help VERB` says more of each. The server is --url, ORION_URL, the default lab that runs, or\n"
           "http://127.0.0.1:8004.\n");
    return CLI_OK;
}

static int print_help(const struct verb *v)
{
    printf("usage: orion %s %s\n\n%s\n", v->name, v->synopsis, v->summary ? v->summary : "");
    if (v->details)
        printf("\n%s\n", v->details);
    if (v->subs) {
        printf("\n");
        print_verbs(v->subs);
    }
    if (v->rows) {
        printf("\n");
        opts_usage(v->rows, stdout);
    }
    return CLI_OK;
}

static const struct verb *find_verb(const struct verb *const *list, const char *name)
{
    const char *names[NAMES_MAX];
    size_t n = 0;

    for (const struct verb *const *v = list; *v; v++) {
        const char *last = strrchr((*v)->name, ' '); /* "lab up" is found as "up" behind "lab" */
        last = last ? last + 1 : (*v)->name;
        if (strcmp(last, name) == 0)
            return *v;
        if ((*v)->summary && n < NAMES_MAX)
            names[n++] = last;
    }
    const char *near = opts_nearest(name, names, n);
    fprintf(stderr, "orion: no verb %s", name);
    if (near)
        fprintf(stderr, " (did you mean %s?)", near);
    fprintf(stderr, "; `orion help` lists them\n");
    return NULL;
}

static int run_verb_words(const struct verb *v, int argc, char **argv)
{
    struct arena arena = { 0 };
    struct err e = { 0 };
    void *options = arena_alloc(&arena, v->options_size ? v->options_size : sizeof(struct cli_common));
    struct cli_call call = { .verb = v, .arena = &arena, .options = options, .argc = argc, .argv = argv };
    int rc;

    if (!v->rows)
        rc = v->run(&call);
    else if (opts_parse(v->rows, options, &arena, argc, argv, &call.args, &e) < 0)
        rc = cli_usage(&call, e.text);
    else if (((struct cli_common *)options)->help)
        rc = print_help(v);
    else
        rc = v->run(&call);
    arena_fini(&arena);
    return rc;
}

/* Does `word` speak to the verb and not to one of its subs? Those that run by themselves have options of their own. */
static bool is_for_itself(const struct verb *v, const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || (v->run && word[0] == '-');
}

/* Walks down the table of verbs along the words; `help` asks for the text of what it finds. */
static int walk(const struct verb *const *list, int argc, char **argv, bool help)
{
    const struct verb *v = find_verb(list, argv[0]);

    if (!v)
        return CLI_USAGE;
    argc--;
    argv++;
    if (v->subs && argc > 0 && !is_for_itself(v, argv[0]))
        return walk(v->subs, argc, argv, help);
    if (help)
        return print_help(v);
    if (v->subs && !v->run) {
        print_help(v);
        return argc > 0 ? CLI_OK : CLI_USAGE;
    }
    return run_verb_words(v, argc, argv);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview();
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("orion %s\n", PACKAGE_VERSION);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2))
        return print_overview();
    if (strcmp(argv[1], "help") == 0)
        return walk(verbs, argc - 2, argv + 2, true);
    return walk(verbs, argc - 1, argv + 1, false);
}
