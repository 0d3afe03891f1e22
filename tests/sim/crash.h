/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_CRASH_H
#define WEIR_TEST_SIM_CRASH_H

/*
 * What a process says before it dies: the report of the world that it was running, unless that has
 * been printed. Then it dies as it would have. Sanitizers keep the signals that they explain.
 */
void crash_install(void);

#endif
