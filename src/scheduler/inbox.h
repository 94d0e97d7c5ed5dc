/* inbox.h - who reacts to what on the bus: the functions of main.c's table. */
#ifndef ORION_SCHEDULER_INBOX_H
#define ORION_SCHEDULER_INBOX_H

#include "proto/dispatch.h"

msg_handler_fn handle_bus_hello, handle_bus_ping, handle_task_submit, handle_agent_hello, handle_agent_alive,
    handle_agent_gone, handle_task_accept, handle_task_decline, handle_task_prepared, handle_task_result,
    handle_log_sealed, handle_task_cancel, handle_task_why, handle_agent_set, handle_project_set, handle_group_set,
    handle_queue_set, handle_log_moved, handle_sink_state;

#endif
