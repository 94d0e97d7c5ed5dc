/* ingest.c - what ingest.sh needs besides a farm: a build that only writes, the floors, and who used the processors.
 *
 *   ingest lines [-g GATE] [-s SIZE] [-n COUNT] [-b BLOCK] [-u FILE]
 *       COUNT numbered lines of SIZE bytes to standard output, BLOCK bytes (whole lines) at a time. With GATE: only
 *       once a shared lock of that file is to be had. With FILE: its own processor time in us is added there as a line.
 *   ingest file [-s SIZE] [-n COUNT] PATH      the same lines to a file, with fdatasync every MiB: bytes per second
 *   ingest drain                               reads standard input to its end: bytes per second since the first
 *   ingest usage NAME=PID[,PID]...             processor seconds of those processes and their descendants, as JSON */
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/usage.h"
#include "lib/mem.h"

enum { DIGITS = 12, SIZE_MIN = DIGITS + 2, SYNC_EVERY = 1 << 20, DRAIN_SIZE = 65536 };

struct lines {
    const char *gate, *usage;
    size_t size, count, block;
    char *data;             /* of one block */
    size_t n;               /* lines in it */
};

static void die(const char *why)
{
    fprintf(stderr, "ingest: ");
    perror(why);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- lines ----------------------------------------------------------------------------------------------------- */

static void lines_make(struct lines *l)
{
    l->n = l->block / l->size ? l->block / l->size : 1;
    l->data = mem_alloc(l->n * l->size);
    for (size_t i = 0; i < l->n; i++) {
        char *line = l->data + i * l->size;

        memset(line, 'a' + (int)(i % 26), l->size);
        memset(line, '0', DIGITS);
        line[DIGITS] = ' ';
        line[l->size - 1] = '\n';
    }
}

/* Lines are numbered from 1. */
static void number_put(char *digits, size_t v)
{
    for (int i = DIGITS - 1; i >= 0; i--, v /= 10)
        digits[i] = (char)('0' + v % 10);
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0)
            die("write");
        data += n;
        len -= (size_t)n;
    }
}

/* sync_every: 0 never */
static void lines_write(struct lines *l, int fd, size_t sync_every)
{
    size_t unsynced = 0;

    for (size_t done = 0; done < l->count;) {
        size_t n = l->count - done < l->n ? l->count - done : l->n;

        for (size_t i = 0; i < n; i++)
            number_put(l->data + i * l->size, ++done);
        write_all(fd, l->data, n * l->size);
        unsynced += n * l->size;
        if (sync_every && (unsynced >= sync_every || done == l->count)) {
            if (fdatasync(fd))
                die("fdatasync");
            unsynced = 0;
        }
    }
}

static void gate_wait(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_SH))
        die(path);
    close(fd);
}

static void usage_note(const char *path)
{
    struct rusage u;
    char line[32];
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), n;

    getrusage(RUSAGE_SELF, &u);
    n = snprintf(line, sizeof(line), "%lld\n",
                 ((long long)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
                     u.ru_stime.tv_usec);
    if (fd < 0)
        die(path);
    write_all(fd, line, (size_t)n);
    close(fd);
}

static struct lines lines_options(int argc, char **argv)
{
    struct lines l = { .size = 64, .count = 1000, .block = 4096 };

    for (int c; (c = getopt(argc, argv, "g:u:s:n:b:")) != -1;) {
        switch (c) {
        case 'g': l.gate = optarg; break;
        case 'u': l.usage = optarg; break;
        case 's': l.size = strtoul(optarg, NULL, 10); break;
        case 'n': l.count = strtoul(optarg, NULL, 10); break;
        case 'b': l.block = strtoul(optarg, NULL, 10); break;
        default: exit(2);
        }
    }
    if (l.size < SIZE_MIN) {
        fprintf(stderr, "ingest: a line has at least %d bytes\n", SIZE_MIN);
        exit(2);
    }
    lines_make(&l);
    return l;
}

static int do_lines(int argc, char **argv)
{
    struct lines l = lines_options(argc, argv);

    if (l.gate)
        gate_wait(l.gate);
    lines_write(&l, STDOUT_FILENO, 0);
    if (l.usage)
        usage_note(l.usage);
    mem_free(&l.data);
    return 0;
}

/* --- floors ---------------------------------------------------------------------------------------------------- */

static int do_file(int argc, char **argv)
{
    struct lines l = lines_options(argc, argv);
    double start = now_s();
    int fd = optind < argc ? open(argv[optind], O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        die("the file");
    lines_write(&l, fd, SYNC_EVERY);
    printf("%.0f\n", (double)(l.count * l.size) / (now_s() - start));
    close(fd);
    mem_free(&l.data);
    return 0;
}

static int do_drain(int argc, char **argv)
{
    char *data = mem_alloc(DRAIN_SIZE);
    double start = 0;
    size_t total = 0;
    ssize_t n;

    (void)argc;
    (void)argv;
    while ((n = read(STDIN_FILENO, data, DRAIN_SIZE)) > 0) {
        start = total ? start : now_s();
        total += (size_t)n;
    }
    printf("%.0f\n", (double)total / (now_s() - start));
    mem_free(&data);
    return n < 0;
}

static int do_usage(int argc, char **argv)
{
    struct usage u = { 0 };

    for (int i = 1; i < argc; i++) {
        if (usage_add(&u, argv[i])) {
            fprintf(stderr, "ingest: %s: not NAME=PID\n", argv[i]);
            return 2;
        }
    }
    usage_read(&u);
    for (size_t i = 0; i < u.n; i++)
        printf("%s\"%s\":%.2f", i ? "," : "{", u.v[i].name, u.v[i].seconds);
    puts("}");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = { { "lines", do_lines }, { "file", do_file }, { "drain", do_drain }, { "usage", do_usage } };

    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    fputs("usage: ingest lines | file | drain | usage [OPTION]...\n", stderr);
    return 2;
}
