/* test_scheds.c - which scheduler leads, and what of the others is heard: a leader that was stopped and wakes up may say
 * what it likes, nothing of it goes any further. The bus and the parts behind it are stand-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/gateway.h"
#include "gateway/peer.h"

enum { ONE, TWO };

struct peer {
    const struct peer_hooks *hooks;
    void *arg;
    unsigned sends;
};

static struct fixture {
    struct gateway g;
    struct gateway_settings settings;
    struct peer peers[2];
    size_t n_peers;
    unsigned relayed, ups, downs, agent_ups;
    uint64_t agents_epoch;
} *f;

/* --- the parts around it --------------------------------------------------------------------------------------- */

struct peer *peer_open(struct loop *l, struct bus *b, const char *endpoint, const char *own_name,
                       const struct peer_hooks *hooks, void *arg)
{
    struct peer *p = &f->peers[f->n_peers++];

    (void)l;
    (void)b;
    (void)endpoint;
    (void)own_name;
    *p = (struct peer){ .hooks = hooks, .arg = arg };
    return p;
}

void peer_close(struct peer **p)
{
    *p = NULL;
}

int peer_send(struct peer *p, enum msg_type type, uint64_t conn, const void *message)
{
    (void)type;
    (void)conn;
    (void)message;
    p->sends++;
    return 0;
}

void relay_from_scheduler(struct gateway *g, const uint8_t *data, size_t len)
{
    (void)g;
    (void)data;
    (void)len;
    f->relayed++;
}

void hops_leader_up(struct hops *h)
{
    (void)h;
    f->ups++;
}

void hops_leader_down(struct hops *h)
{
    (void)h;
    f->downs++;
}

void agents_leader_lost(struct agents *a)
{
    (void)a;
    f->agents_epoch = 0;
}

void agents_leader_up(struct agents *a, uint64_t epoch)
{
    (void)a;
    f->agent_ups++;
    f->agents_epoch = epoch;
}

static int setup(void **state)
{
    f = mem_zalloc(sizeof(*f));
    f->settings.schedulers = mem_strdup("ipc:///one,ipc:///two");
    f->g.settings = &f->settings;
    f->g.scheds = scheds_open(&f->g, NULL);
    assert_non_null(f->g.scheds);
    assert_int_equal(f->n_peers, 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scheds_close(&f->g.scheds);
    mem_free(&f->settings.schedulers);
    mem_free(&f);
    return 0;
}

static void welcome(int who, uint64_t epoch, bool is_leader)
{
    const struct msg_head head = { .type = MSG_BUS_WELCOME, .epoch = epoch };
    const struct msg_bus_welcome m = { .name = "s", .leader = is_leader };

    f->peers[who].hooks->on_welcome(f->peers[who].arg, &head, &m);
}

static void stop_task(int who, uint64_t epoch)
{
    const struct msg_head head = { .type = MSG_TASK_STOP, .epoch = epoch, .conn = 1 };
    const struct msg_task_stop m = { .attempt = 1, .reason = "r" };
    struct buf frame = { 0 };

    msg_to_bin(&head, &m, MSG_MINOR, &frame);
    f->peers[who].hooks->on_frame(f->peers[who].arg, (const uint8_t *)frame.data, frame.len);
    buf_fini(&frame);
}

static int ask(void)
{
    const struct msg_task_why m = { 0 };

    return scheds_send(f->g.scheds, MSG_TASK_WHY, 0, &m);
}

/* --- tests ----------------------------------------------------------------------------------------------------- */

static void test_who_leads(void **state)
{
    (void)state;
    assert_int_equal(ask(), -1);
    welcome(ONE, 1, false);
    assert_int_equal(ask(), -1);
    welcome(TWO, 1, true);
    assert_int_equal(ask(), 0);
    assert_int_equal(f->peers[TWO].sends, 1);
    assert_int_equal(scheds_leader(f->g.scheds), 1);
    assert_int_equal(f->ups, 1);
    assert_int_equal(f->agents_epoch, 1);
    welcome(TWO, 1, false);
    assert_int_equal(f->downs, 1);
    assert_int_equal(ask(), -1);
}

static void test_an_old_leader_is_not_heard(void **state)
{
    (void)state;
    welcome(ONE, 5, true);
    stop_task(ONE, 5);
    assert_int_equal(f->relayed, 1);
    welcome(TWO, 6, true);
    assert_int_equal(scheds_leader(f->g.scheds), 6);
    stop_task(ONE, 5);
    assert_int_equal(f->relayed, 1);
    welcome(ONE, 5, true);
    assert_int_equal(scheds_leader(f->g.scheds), 6);
    assert_int_equal(f->agents_epoch, 6);
    assert_int_equal(f->agent_ups, 2);
    assert_int_equal(ask(), 0);
    assert_int_equal(f->peers[TWO].sends, 1);
    stop_task(TWO, 6);
    assert_int_equal(f->relayed, 2);
}

/* Its first frame may come before its welcome: from then on the old one is past. */
static void test_a_higher_epoch_ends_the_old_one(void **state)
{
    (void)state;
    welcome(ONE, 5, true);
    stop_task(TWO, 6);
    assert_int_equal(f->relayed, 1);
    assert_int_equal(f->downs, 1);
    assert_int_equal(ask(), -1);
    stop_task(ONE, 5);
    assert_int_equal(f->relayed, 1);
    welcome(ONE, 5, true);
    assert_int_equal(scheds_leader(f->g.scheds), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_old_leader_is_not_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_higher_epoch_ends_the_old_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
