/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_AGENDA_H
#define WEIR_SIM_AGENDA_H

/*
 * What is to happen when: alarms in the order of their times; those of one time in an order that
 * the seed chooses. Alarms are embedded in what they belong to.
 *
 * Source: compat/sim/agenda.c. Tests: tests/sim/test_agenda.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim_alarm sim_alarm;

/** Called when the alarm is due, which is not set any more. May set and clear any. */
typedef void sim_alarm_fn(sim_alarm *alarm);

/** Zero-initialised: not set. */
struct sim_alarm {
    int64_t at_ns;
    uint64_t tie; /* Order among alarms of one time. */
    size_t place; /* In the heap, from 1; 0: not set. */
    sim_alarm_fn *fired;
};

/** A binary heap. Zero-initialised: empty. */
struct sim_agenda {
    sim_alarm **heap; /* From 1. */
    size_t count;
    size_t capacity;
};

void weir_sim_agenda_fini(struct sim_agenda *agenda);

/** Set an alarm; one that is set is moved. */
void weir_sim_agenda_set(struct sim_agenda *agenda, sim_alarm *alarm, int64_t at_ns, uint64_t tie,
                         sim_alarm_fn *fired);

/** Harmless when it is not set. */
void weir_sim_agenda_clear(struct sim_agenda *agenda, sim_alarm *alarm);

static inline bool sim_alarm_is_set(const sim_alarm *alarm)
{
    return alarm->place != 0;
}

/** The next alarm, or NULL. */
sim_alarm *weir_sim_agenda_first(const struct sim_agenda *agenda);

#endif
