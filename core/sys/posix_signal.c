/* SPDX-License-Identifier: MIT */
/* Signal dispositions: one handler for every number that is caught. */
#define _POSIX_C_SOURCE 200809L

#include "sys.h"

#include <errno.h>
#include <signal.h>

enum { NUMBERS = 65 };

static struct sigaction previous[NUMBERS];     /* What weir_sys_signal_restore brings back. */
static weir_sys_signal_fn *functions[NUMBERS]; /* __atomic: the handler's load pairs with catch. */

static void handle(int number)
{
    int kept_errno = errno;
    weir_sys_signal_fn *function = __atomic_load_n(&functions[number], __ATOMIC_ACQUIRE);

    if (function)
        function(number);
    errno = kept_errno;
}

int weir_sys_signal_catch(int number, weir_sys_signal_fn *function)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

    if (number < 1 || number >= NUMBERS)
        return -EINVAL;
    (void)sigfillset(&action.sa_mask);
    __atomic_store_n(&functions[number], function, __ATOMIC_RELEASE);
    if (sigaction(number, &action, &previous[number]) < 0) {
        __atomic_store_n(&functions[number], NULL, __ATOMIC_RELEASE);
        return -errno;
    }
    return 0;
}

void weir_sys_signal_restore(int number)
{
    (void)sigaction(number, &previous[number], NULL);
    __atomic_store_n(&functions[number], NULL, __ATOMIC_RELEASE);
}
