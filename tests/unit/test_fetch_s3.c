/* test_fetch_s3.c - objects go to a server that checks every signature and come back as they were; wrong keys, missing
 * objects, a server that fails or is not there: each is told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fetch_s3.h"
#include "lib/mem.h"

struct server {
    char dir[64];
    pid_t pid;
    int life;          /* the server ends when this is closed */
    char url[64];
    struct s3_settings set;
};

static void run_server(const char *dir, int in, int out)
{
    const char *top = getenv("top_srcdir");
    char *path = mem_printf("%s/tests/s3_server.py", top ? top : ".");
    dup2(in, 0);
    dup2(out, 1);
    execlp("python3", "python3", path, "--dir", dir, (char *)NULL);
    _exit(127);
}

static int setup(void **state)
{
    struct server *s = mem_zalloc(sizeof(*s));
    int in[2], out[2];
    char port[16] = "";
    strcpy(s->dir, "/tmp/orion-s3-test-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    s->pid = fork();
    if (s->pid == 0)
        run_server(s->dir, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    s->life = in[1];
    for (size_t n = 0; n < sizeof(port) - 1 && read(out[0], port + n, 1) == 1 && port[n] != '\n'; n++)
        ;
    close(out[0]);
    assert_true(atoi(port) > 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/logs/farm-1", atoi(port));
    s->set = (struct s3_settings){ .url = s->url, .region = "us-east-1", .key_id = "test-key",
                                   .secret = "test-secret", .stall_ms = 10000 };
    *state = s;
    return 0;
}

static void end_server(struct server *s)
{
    if (s->life < 0)
        return;
    close(s->life);
    s->life = -1;
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct server *s = *state;
    end_server(s);
    nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(state);
    return 0;
}

static int temporary(const struct server *s)
{
    int fd = open(s->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void check_object(const struct server *server, struct s3 *s, size_t len)
{
    int out = temporary(server), in = temporary(server);
    char *data = mem_alloc(len + 1), *got = mem_alloc(len + 1);
    struct err e = { 0 };
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 + i / 255);
    assert_int_equal(pwrite(out, data, len, 0), len);
    assert_int_equal(s3_put(s, "log/ab/1.zst", out, len, &e), 0);
    assert_int_equal(s3_get(s, "log/ab/1.zst", in, len, &e), 0);
    assert_int_equal(pread(in, got, len + 1, 0), len);
    assert_memory_equal(got, data, len);
    if (len > 0) {
        assert_int_equal(s3_get(s, "log/ab/1.zst", in, len - 1, &e), -1);
        assert_int_equal(e.kind, ERR_TOO_LARGE);
    }
    close(in);
    close(out);
    mem_free(&data);
    mem_free(&got);
}

static void test_objects(void **state)
{
    static const size_t sizes[] = { 0, 1, 128, 70000, 3000001 };
    struct server *server = *state;
    struct s3 *s = s3_new(&server->set);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        check_object(server, s, sizes[i]);
    s3_free(&s);
}

static void test_bytes_and_deletion(void **state)
{
    struct server *server = *state;
    struct s3 *s = s3_new(&server->set);
    struct err e = { 0 };
    int fd = temporary(server);
    char got[10];
    assert_int_equal(s3_put_bytes(s, "a/b.seal", "sealed", 6, &e), 0);
    assert_int_equal(s3_get(s, "a/b.seal", fd, 10, &e), 0);
    assert_int_equal(pread(fd, got, sizeof(got), 0), 6);
    assert_memory_equal(got, "sealed", 6);
    assert_int_equal(s3_delete(s, "a/b.seal", &e), 0);
    assert_int_equal(s3_delete(s, "a/b.seal", &e), 0);
    assert_int_equal(s3_get(s, "a/b.seal", fd, 10, &e), -1);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "NoSuchKey"));
    close(fd);
    s3_free(&s);
}

static void check_refusal(const struct s3_settings *set, enum err_kind kind, const char *code)
{
    struct s3 *s = s3_new(set);
    struct err e = { 0 };
    assert_int_equal(s3_put_bytes(s, "a", "b", 1, &e), -1);
    assert_int_equal(e.kind, kind);
    if (!strstr(e.text, code))
        print_message("# %s\n", e.text);
    assert_non_null(strstr(e.text, code));
    s3_free(&s);
}

static void test_refusals(void **state)
{
    struct server *server = *state;
    struct s3_settings set = server->set;
    set.secret = "wrong";
    check_refusal(&set, ERR_DENIED, "SignatureDoesNotMatch");
    set = server->set;
    set.key_id = "nobody";
    check_refusal(&set, ERR_DENIED, "InvalidAccessKeyId");
    set = server->set;
    set.region = "eu-north-1";
    check_refusal(&set, ERR_INVALID, "AuthorizationHeaderMalformed");
    char *other = mem_strdup(server->url);
    strcpy(strstr(other, "/logs"), "/else");
    set = server->set;
    set.url = other;
    check_refusal(&set, ERR_NOT_FOUND, "NoSuchBucket");
    mem_free(&other);
    char *fail = mem_printf("%s/fail", server->dir);
    FILE *f = fopen(fail, "w");
    fputs("503", f);
    fclose(f);
    check_refusal(&server->set, ERR_UNAVAILABLE, "SlowDown");
    mem_free(&fail);
    end_server(server);
    check_refusal(&server->set, ERR_UNAVAILABLE, "127.0.0.1");
}

static void test_stopped(void **state)
{
    struct server *server = *state;
    const atomic_bool is_stopped = true;
    struct s3_settings set = server->set;
    set.is_stopped = &is_stopped;
    check_refusal(&set, ERR_UNAVAILABLE, "");
}

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        int rc;
    } urls[] = {
        { "http://127.0.0.1:9000/logs", 0 }, { "https://s3.example.org/logs/farm-1/a_b.c", 0 },
        { "", -1 }, { "ftp://host/logs", -1 }, { "http://host", -1 }, { "http://host/", -1 }, { "http://host/logs/", -1 },
        { "http:///logs", -1 }, { "http://host/lo gs", -1 }, { "http://host/logs?x=1", -1 }, { "http://host/l%20", -1 },
        { "http://user:word@host/logs", -1 }, { "http://host/logs//x", -1 }, { "http://host/logs/../x", -1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        if (s3_url_check(urls[i].url, "ORION_ARCHIVE_URL", NULL) != urls[i].rc)
            fail_msg("%s", urls[i].url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_and_deletion, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
