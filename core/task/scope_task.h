/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SCOPE_TASK_H
#define WEIR_SCOPE_TASK_H

/* Which child a link of weir_scope.children belongs to: for stops and dumps. */

#include <weir/list.h>
#include <weir/task.h>

weir_task *weir_scope_task_at(weir_list_node *link);

#endif
