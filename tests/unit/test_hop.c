/* test_hop.c - what waits for the leader: sent, sent again to the next one, answered once; and which failure it is when
 * nobody answers. The scheduler is a counter here, a request is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "lib/loop.h"

static struct fixture {
    struct gateway g;
    struct gateway_settings settings;
    bool is_leading;
    unsigned sends, answers, failures;
    enum hop_failure failure;
    struct uuid failed_id;
    char reason[32];
} *f;

/* --- the parts around it --------------------------------------------------------------------------------------- */

struct ticket {
    struct request *r;
};

int scheds_send(struct scheds *s, enum msg_type type, uint64_t conn, const void *message)
{
    (void)s;
    (void)message;
    assert_int_equal(type, MSG_TASK_CANCEL);
    assert_int_equal(conn, 0);
    f->sends++;
    return f->is_leading ? 0 : -1;
}

struct ticket *request_wait(struct request *r)
{
    struct ticket *t = mem_zalloc(sizeof(*t));

    t->r = r;
    return t;
}

struct request *ticket_request(struct ticket **t)
{
    struct request *r = (*t)->r;

    mem_free(t);
    return r;
}

static void on_answer(struct gateway *g, struct request *r, const void *answer)
{
    assert_ptr_equal(g, &f->g);
    assert_non_null(r);
    assert_non_null(answer);
    f->answers++;
}

static void on_failure(struct gateway *g, struct request *r, const struct hop_end *end)
{
    (void)g;
    assert_non_null(r);
    f->failures++;
    f->failure = end->failure;
    f->failed_id = *end->id;
    if (end->failure == HOP_REFUSED)
        strncpy(f->reason, end->reason, sizeof(f->reason) - 1);
    if (f->g.loop)
        loop_stop(f->g.loop, 0);
}

static const struct hop_kind kind = { .question = MSG_TASK_CANCEL, .answer = MSG_CHANGE_DONE, .answered = on_answer,
                                      .failed = on_failure };

static int setup(void **state)
{
    f = mem_zalloc(sizeof(*f));
    f->settings.submit_deadline_ms = 60000;
    f->g.settings = &f->settings;
    f->g.loop = loop_new();
    f->g.hops = hops_new(&f->g);
    f->is_leading = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hops_free(&f->g.hops);
    loop_free(&f->g.loop);
    mem_free(&f);
    return 0;
}

static struct uuid start(const struct hop_kind *k)
{
    static struct request request;
    static const struct msg_task_cancel message;
    struct uuid id;

    uuid_random(&id);
    hop_start(f->g.hops, &request, k, &id, &message);
    return id;
}

static void done(struct uuid id)
{
    const struct msg_change_done answer = { .request_id = id };

    hop_answer(f->g.hops, MSG_CHANGE_DONE, &id, &answer);
}

/* --- tests ----------------------------------------------------------------------------------------------------- */

static void test_answered_once(void **state)
{
    struct uuid id = start(&kind);

    (void)state;
    assert_int_equal(f->sends, 1);
    hop_answer(f->g.hops, MSG_TASK_SUBMITTED, &id, "another kind's answer");
    assert_int_equal(f->answers, 0);
    done(id);
    done(id);
    hop_refuse(f->g.hops, &id, "not_found", NULL);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->failures, 0);
}

static void test_refused(void **state)
{
    struct uuid id = start(&kind);

    (void)state;
    hop_refuse(f->g.hops, &id, "overloaded", "too much");
    assert_int_equal(f->failures, 1);
    assert_int_equal(f->failure, HOP_REFUSED);
    assert_string_equal(f->reason, "overloaded");
    assert_int_equal(uuid_cmp(&f->failed_id, &id), 0);
}

static void test_sent_to_whoever_leads(void **state)
{
    struct uuid id;

    (void)state;
    f->is_leading = false;
    id = start(&kind);
    assert_int_equal(f->failures, 0);
    f->is_leading = true;
    hops_leader_up(f->g.hops);
    assert_int_equal(f->sends, 2);
    hop_refuse(f->g.hops, &id, "not_leader", NULL);
    assert_int_equal(f->failures, 0);
    hops_leader_up(f->g.hops);
    assert_int_equal(f->sends, 3);
    done(id);
    assert_int_equal(f->answers, 1);
}

/* The first leader may have done it: what the second refuses for want of room is no answer. */
static void test_doubt_outlives_a_leader(void **state)
{
    struct uuid id = start(&kind);

    (void)state;
    hops_leader_down(f->g.hops);
    hops_leader_up(f->g.hops);
    assert_int_equal(f->sends, 2);
    hop_refuse(f->g.hops, &id, "overloaded", NULL);
    assert_int_equal(f->failures, 0);
    hop_refuse(f->g.hops, &id, "not_found", NULL);
    assert_int_equal(f->failures, 1);
    assert_string_equal(f->reason, "not_found");
}

static void expire_with(bool is_leading, enum hop_failure failure)
{
    struct hop_kind hasty = kind;

    hasty.deadline_ms = 1;
    f->is_leading = is_leading;
    start(&hasty);
    assert_int_equal(f->failures, 0);
    loop_run(f->g.loop);
    assert_int_equal(f->failures, 1);
    assert_int_equal(f->failure, failure);
}

static void test_deadline_without_a_leader(void **state)
{
    (void)state;
    expire_with(false, HOP_UNSENT);
}

static void test_deadline_of_what_was_sent(void **state)
{
    (void)state;
    expire_with(true, HOP_DOUBTFUL);
}

/* A later start with an earlier deadline is not behind the first. */
static void test_deadlines_in_any_order(void **state)
{
    struct uuid id = start(&kind);

    (void)state;
    expire_with(true, HOP_DOUBTFUL);
    done(id);
    assert_int_equal(f->answers, 1);
}

static void test_optional_waits_for_no_leader(void **state)
{
    struct hop_kind optional = kind;

    (void)state;
    optional.is_optional = true;
    f->is_leading = false;
    start(&optional);
    assert_int_equal(f->failures, 1);
    assert_int_equal(f->failure, HOP_UNSENT);
}

static void test_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 4096; i++)
        start(&kind);
    assert_int_equal(f->failures, 0);
    assert_int_equal(f->sends, 4096);
    start(&kind);
    assert_int_equal(f->failures, 1);
    assert_int_equal(f->failure, HOP_FULL);
    assert_int_equal(f->sends, 4096);
    hops_free(&f->g.hops);
    assert_int_equal(f->failures, 4097);
    assert_int_equal(f->failure, HOP_DOUBTFUL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answered_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sent_to_whoever_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_doubt_outlives_a_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_without_a_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_of_what_was_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadlines_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_optional_waits_for_no_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
