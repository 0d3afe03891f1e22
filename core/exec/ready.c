/* SPDX-License-Identifier: MIT */
/* Inboxes. */
#include "ready.h"

void weir_inbox_drain(weir_task **inbox, weir_ready *ready)
{
    weir_task *task;
    weir_task *oldest = NULL;

    if (__atomic_load_n(inbox, __ATOMIC_RELAXED) == NULL)
        return;
    task = __atomic_exchange_n(inbox, NULL, __ATOMIC_ACQUIRE);
    while (task) {
        weir_task *next = task->down.next;

        task->down.next = oldest;
        oldest = task;
        task = next;
    }
    while (oldest) {
        weir_task *next = oldest->down.next;

        weir_ready_push(ready, oldest);
        oldest = next;
    }
}
