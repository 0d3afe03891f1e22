/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STOP_WALK_H
#define WEIR_STOP_WALK_H

/* What deadlines need of the walk that the public header does not offer. */

#include <weir/stop.h>

/** weir_task_stop for a deadline that the task armed inside its shield: the shield
 * does not apply. */
void weir_task_stop_inside_shield(weir_task *task, unsigned bits);

#endif
