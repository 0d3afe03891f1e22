/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sigaltstack */
#include "crash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/sim.h>

/* Programs have small stacks, and the report may be about one that overflowed. */
static char stack[256 * 1024];

/* Nothing of this may be done in a handler, by the book. The process dies anyway, one thread runs,
 * and what is left to lose is the report: if it fails in turn, the default action ends it. */
static void report_and_die(int number)
{
    static volatile sig_atomic_t reported;
    weir_sim *sim = weir_sim_current();

    if (!reported) {
        reported = 1;
        if (sim)
            weir_sim_report(sim, stderr);
        fflush(NULL);
    }
    raise(number); /* SA_RESETHAND, SA_NODEFER: at once. */
}

/* Unless somebody has a handler already, as sanitizers have. */
static void handle(int number, const struct sigaction *action)
{
    struct sigaction before;

    sigaction(number, NULL, &before);
    if (before.sa_handler == SIG_DFL)
        sigaction(number, action, NULL);
}

void crash_install(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {
        .sa_handler = report_and_die,
        .sa_flags = SA_ONSTACK | (int)SA_RESETHAND | SA_NODEFER,
    };

    if (sigaltstack(&alternate, NULL) != 0) {
        perror("weir-sim: sigaltstack");
        exit(1);
    }
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        handle(numbers[i], &action);
}
