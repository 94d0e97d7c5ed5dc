/* db_farm.c - reading what the farm has besides tasks: agents, projects, concurrency groups, the queue.
 *
 * What is counted are open tasks only (index orion.task_open): history may be long. */
#include "gateway/db_impl.h"

/* Open tasks by what they wait for; `assigned` is on its way to run. */
#define WAITING "count(*) FILTER (WHERE t.state = 'waiting')"
#define QUEUED "count(*) FILTER (WHERE t.state = 'queued')"
#define RUNNING "count(*) FILTER (WHERE t.state IN ('assigned', 'running'))"
#define OPEN_TASKS "FROM orion.task t WHERE t.ended_at IS NULL"

#define AGENT_SELECT                                                                                                  \
    "SELECT g.id, g.name, g.state, g.labels, g.slots, count(a.task_id), g.version, " MS("g.seen_at") ", g.draining "  \
    "FROM orion.agent g LEFT JOIN orion.attempt a ON a.agent_id = g.id AND a.ended_at IS NULL "
#define PROJECT_COLUMNS                                                                                               \
    "p.name, p.weight, p.paused, p.supersede, coalesce(c.waiting, 0), coalesce(c.queued, 0), coalesce(c.running, 0), "\
    "p.log_max_bytes, p.log_keep_ms / 1000 "
#define PROJECT_COUNTS "SELECT " WAITING " AS waiting, " QUEUED " AS queued, " RUNNING " AS running"

void db_farm_prepare(struct pg_stmt *s)
{
    s[AGENT_GET] = (struct pg_stmt){ "agent_get", AGENT_SELECT "WHERE g.id = $1::uuid GROUP BY g.id" };
    s[AGENT_LIST] = (struct pg_stmt){
        "agent_list", AGENT_SELECT "GROUP BY g.id ORDER BY g.name, g.id LIMIT 4096" };
    s[PROJECT_GET] = (struct pg_stmt){
        "project_get", "SELECT " PROJECT_COLUMNS "FROM orion.project p "
                       "CROSS JOIN (" PROJECT_COUNTS " " OPEN_TASKS " AND t.project = $1) c WHERE p.name = $1" };
    s[PROJECT_LIST] = (struct pg_stmt){
        "project_list", "SELECT " PROJECT_COLUMNS "FROM orion.project p "
                        "LEFT JOIN (" PROJECT_COUNTS ", t.project " OPEN_TASKS " GROUP BY t.project) c "
                        "ON c.project = p.name ORDER BY p.name LIMIT 4096" };
    s[GROUP_GET] = (struct pg_stmt){
        "group_get", "SELECT $1::text, "
                     "coalesce((SELECT g.capacity FROM orion.concurrency_group g WHERE g.name = $1), 1), "
                     QUEUED ", " RUNNING " " OPEN_TASKS " AND t.concurrency_group = $1" };
    s[GROUP_LIST] = (struct pg_stmt){
        "group_list", "SELECT name, coalesce(g.capacity, 1), coalesce(c.queued, 0), coalesce(c.running, 0) "
                      "FROM orion.concurrency_group g FULL JOIN (SELECT t.concurrency_group AS name, "
                      QUEUED " AS queued, " RUNNING " AS running " OPEN_TASKS " AND t.concurrency_group IS NOT NULL "
                      "GROUP BY t.concurrency_group) c USING (name) ORDER BY name LIMIT 4096" };
    s[QUEUE_GET] = (struct pg_stmt){
        "queue_get", "SELECT (SELECT q.paused FROM orion.queue q), " WAITING ", " QUEUED ", " RUNNING ", "
                     "(SELECT coalesce(sum(g.slots), 0) FROM orion.agent g WHERE g.state = 'up' AND NOT g.draining), "
                     MS("min(t.created_at) FILTER (WHERE t.state = 'queued')") " " OPEN_TASKS };
}

/* --- agents ---------------------------------------------------------------------------------------------------- */

static struct msg_v1_agent *agents_of(struct call *c, const struct pg_result *r)
{
    struct msg_v1_agent *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));

    for (int row = 0; row < r->rows; row++) {
        v[row].id = uuid_of(r, row, 0);
        v[row].name = text_of(c, r, row, 1);
        v[row].state = text_of(c, r, row, 2);
        v[row].labels = strs_of(c, r, row, 3);
        v[row].slots = pg_int(r, row, 4);
        v[row].busy = pg_int(r, row, 5);
        v[row].version = text_of(c, r, row, 6);
        v[row].seen_at = pg_int(r, row, 7);
        v[row].draining = pg_bool(r, row, 8);
        v[row].has.draining = true;
    }
    return v;
}

static void take_agent(struct call *c, const struct pg_result *r)
{
    if (!r)
        call_silent(c);
    else
        call_answer(c, r->rows > 0 ? agents_of(c, r) : NULL);
}

static void take_agents(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    const struct msg_v1_agents agents = { .agents = { agents_of(c, r), (size_t)r->rows } };
    call_answer(c, arena_dup(&c->arena, &agents, sizeof(agents)));
}

/* --- projects -------------------------------------------------------------------------------------------------- */

static struct msg_v1_project *projects_of(struct call *c, const struct pg_result *r)
{
    struct msg_v1_project *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));

    for (int row = 0; row < r->rows; row++) {
        v[row].name = text_of(c, r, row, 0);
        v[row].weight = pg_int(r, row, 1);
        v[row].paused = pg_bool(r, row, 2);
        v[row].supersede = text_of(c, r, row, 3);
        v[row].waiting = pg_int(r, row, 4);
        v[row].queued = pg_int(r, row, 5);
        v[row].running = pg_int(r, row, 6);
        number_of(r, row, 7, &v[row].log_max_bytes, &v[row].has.log_max_bytes);
        number_of(r, row, 8, &v[row].log_keep_s, &v[row].has.log_keep_s);
    }
    return v;
}

static void take_project(struct call *c, const struct pg_result *r)
{
    if (!r)
        call_silent(c);
    else
        call_answer(c, r->rows > 0 ? projects_of(c, r) : NULL);
}

static void take_projects(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    const struct msg_v1_projects projects = { .projects = { projects_of(c, r), (size_t)r->rows } };
    call_answer(c, arena_dup(&c->arena, &projects, sizeof(projects)));
}

/* --- groups ---------------------------------------------------------------------------------------------------- */

static struct msg_v1_group *groups_of(struct call *c, const struct pg_result *r)
{
    struct msg_v1_group *v = arena_alloc(&c->arena, (size_t)r->rows * sizeof(*v));

    for (int row = 0; row < r->rows; row++) {
        v[row].name = text_of(c, r, row, 0);
        v[row].capacity = pg_int(r, row, 1);
        v[row].queued = pg_int(r, row, 2);
        v[row].running = pg_int(r, row, 3);
    }
    return v;
}

/* There is every group: one that nobody has set has its capacity by default. */
static void take_group(struct call *c, const struct pg_result *r)
{
    if (!r)
        call_silent(c);
    else
        call_answer(c, groups_of(c, r));
}

static void take_groups(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    const struct msg_v1_groups groups = { .groups = { groups_of(c, r), (size_t)r->rows } };
    call_answer(c, arena_dup(&c->arena, &groups, sizeof(groups)));
}

/* --- the queue ------------------------------------------------------------------------------------------------- */

static void take_queue(struct call *c, const struct pg_result *r)
{
    if (!r) {
        call_silent(c);
        return;
    }
    struct msg_v1_queue *q = arena_alloc(&c->arena, sizeof(*q));
    q->paused = pg_bool(r, 0, 0);
    q->waiting = pg_int(r, 0, 1);
    q->queued = pg_int(r, 0, 2);
    q->running = pg_int(r, 0, 3);
    q->slots = pg_int(r, 0, 4);
    number_of(r, 0, 5, &q->oldest, &q->has.oldest);
    call_answer(c, q);
}

/* --------------------------------------------------------------------------------------------------------------- */

static const struct db_kind kinds[] = {
    { MSG_V1_AGENT, AGENT_GET, take_agent, true },          { MSG_V1_AGENTS, AGENT_LIST, take_agents, false },
    { MSG_V1_PROJECT, PROJECT_GET, take_project, true },    { MSG_V1_PROJECTS, PROJECT_LIST, take_projects, false },
    { MSG_V1_GROUP, GROUP_GET, take_group, true },          { MSG_V1_GROUPS, GROUP_LIST, take_groups, false },
    { MSG_V1_QUEUE, QUEUE_GET, take_queue, false },
};

const struct db_kind *db_farm_kind(enum msg_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}
