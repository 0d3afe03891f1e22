/* SPDX-License-Identifier: MIT */
/* The agenda: a binary heap whose entries know their places. Its order is that of time and tie
 * alone, so it is the same wherever the alarms stand in memory. */
#include "agenda.h"

#include <stdlib.h>
#include <string.h>

#include <weir/assert.h>

enum { CAPACITY_MIN = 64 };

static bool is_before(const sim_alarm *a, const sim_alarm *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->tie < b->tie;
}

static void put(struct sim_agenda *agenda, size_t place, sim_alarm *alarm)
{
    agenda->heap[place] = alarm;
    alarm->place = place;
}

static void rise(struct sim_agenda *agenda, sim_alarm *alarm)
{
    size_t place = alarm->place;

    while (place > 1 && is_before(alarm, agenda->heap[place / 2])) {
        put(agenda, place, agenda->heap[place / 2]);
        place /= 2;
    }
    put(agenda, place, alarm);
}

static void sink(struct sim_agenda *agenda, sim_alarm *alarm)
{
    size_t place = alarm->place;

    while (place * 2 <= agenda->count) {
        size_t child = place * 2;

        if (child < agenda->count && is_before(agenda->heap[child + 1], agenda->heap[child]))
            child++;
        if (!is_before(agenda->heap[child], alarm))
            break;
        put(agenda, place, agenda->heap[child]);
        place = child;
    }
    put(agenda, place, alarm);
}

static void settle(struct sim_agenda *agenda, sim_alarm *alarm)
{
    rise(agenda, alarm);
    sink(agenda, alarm);
}

/* The place after the last one. */
static void make_room(struct sim_agenda *agenda)
{
    sim_alarm **heap;
    size_t capacity;

    if (agenda->count + 1 < agenda->capacity)
        return;
    capacity = agenda->capacity ? agenda->capacity * 2 : CAPACITY_MIN;
    heap = realloc(agenda->heap, capacity * sizeof(*heap));
    WEIR_ASSERT(heap != NULL, "a simulated world finds memory for its agenda");
    agenda->heap = heap;
    agenda->capacity = capacity;
}

void weir_sim_agenda_fini(struct sim_agenda *agenda)
{
    free(agenda->heap);
    memset(agenda, 0, sizeof(*agenda));
}

void weir_sim_agenda_set(struct sim_agenda *agenda, sim_alarm *alarm, int64_t at_ns, uint64_t tie,
                         sim_alarm_fn *fired)
{
    alarm->at_ns = at_ns;
    alarm->tie = tie;
    alarm->fired = fired;
    if (!sim_alarm_is_set(alarm)) {
        make_room(agenda);
        put(agenda, ++agenda->count, alarm);
    }
    settle(agenda, alarm);
}

void weir_sim_agenda_clear(struct sim_agenda *agenda, sim_alarm *alarm)
{
    sim_alarm *last;
    size_t place = alarm->place;

    if (!sim_alarm_is_set(alarm))
        return;
    last = agenda->heap[agenda->count--];
    alarm->place = 0;
    if (last == alarm)
        return;
    put(agenda, place, last);
    settle(agenda, last);
}

sim_alarm *weir_sim_agenda_first(const struct sim_agenda *agenda)
{
    return agenda->count > 0 ? agenda->heap[1] : NULL;
}
