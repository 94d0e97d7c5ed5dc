/* db_month.c - the partition of now: its rows are updated in it itself, by statements that name it.
 *
 * An update by way of the partitioned table takes the locks and begins the plans of every month there is, which costs
 * more than the update. The name is known at run time only: it is asked for at every connect and when the month is
 * over. Until then, and for older rows, the statements on the whole table do. sql/0002_scheduling.sql: partition_at. */
#include <string.h>

#include "scheduler/db.h"

bool db_month_has(const struct db_month *m, const struct uuid *task_id)
{
    return m && !uuid_is_nil(&m->behind) && uuid_cmp(task_id, &m->first) >= 0 && uuid_cmp(task_id, &m->behind) < 0;
}

/* All of them name the partition now. */
static void on_defined(void *arg, const struct pg_result *r)
{
    struct db_month *m = arg;

    if (!r->ok)
        return;
    m->first = m->next_first;
    m->behind = m->next_behind;
}

static int read_uuid(const struct pg_result *r, int col, struct uuid *id_r)
{
    const char *text = pg_text(r, 0, col);

    return text ? uuid_parse(text, strlen(text), id_r) : -1;
}

static void on_month(void *arg, const struct pg_result *r)
{
    struct db_month *m = arg;

    m->is_asked = false;
    m->behind = (struct uuid){ 0 };   /* from here on the old month's rows go the other way */
    if (!r->ok || !r->rows || read_uuid(r, 1, &m->next_first) < 0 || read_uuid(r, 2, &m->next_behind) < 0)
        return;
    for (size_t i = 0; i < DB_MONTH_STMTS; i++) {
        const struct db_month_stmt *s = &db_month_stmts[i];
        char *sql = mem_printf("%s%s%s", s->before, pg_text(r, 0, 0), s->after);
        pg_redefine(m->pg, s->stmt, sql, NULL, NULL);
        mem_free(&sql);
    }
    pg_sync(m->pg, on_defined, m);
}

void db_month_find(struct db_month *m, struct pg *pg)
{
    m->pg = pg;
    m->is_asked = true;
    pg_call(pg, DB_PARTITION_AT, NULL, 0, on_month, m);
    pg_sync(pg, NULL, NULL);
}

void db_month_look(struct db_month *m, int64_t now_ms)
{
    if (m && !m->is_asked && !uuid_is_nil(&m->behind) && now_ms >= uuid_time_ms(&m->behind))
        db_month_find(m, m->pg);
}

void db_month_lost(struct db_month *m)
{
    *m = (struct db_month){ 0 };
}
