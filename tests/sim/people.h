/* people.h - simulated clients: submissions (clients.c) and everything else that people ask for (changes.c). */
#ifndef ORION_TESTS_SIM_PEOPLE_H
#define ORION_TESTS_SIM_PEOPLE_H

#include "scheduler/core.h"

struct world;

struct sim_client {
    struct msg_task_submit plan;
    uint8_t body;
    int gateway;
    bool is_bad;             /* SQL refuses it */
    bool is_answered, is_kept, is_joined, is_abandoned;
    bool names_unknown;      /* waits for a task that nobody knows */
    const char *refusal;
    struct uuid answer;      /* the task it was told */
};
struct sim_change {
    enum msg_type type;
    union {
        struct msg_task_cancel cancel;
        struct msg_agent_set agent;
        struct msg_project_set project;
        struct msg_group_set group;
        struct msg_queue_set queue;
        struct msg_task_why why;
    } plan;
    struct uuid id;          /* request_id */
    const char *key;
    uint8_t body;
    int gateway;
    bool is_bad, is_unknown; /* is_unknown: names what does not exist */
    bool is_answered, is_done, is_replayed;
    const char *refusal;
};
void clients_start(struct world *w);
struct sim_client *client_by_task(struct world *w, const struct uuid *task); /* whose id that is; NULL: nobody's */
void client_gateway_died(struct world *w, int gateway);
void client_submitted(struct world *w, const struct msg_task_submitted *m);
void client_refused(struct world *w, const struct msg_task_refused *m);
void changes_start(struct world *w);
void change_answered(struct world *w, const struct msg_change_done *m);
void change_denied(struct world *w, const struct msg_change_refused *m);

#endif
