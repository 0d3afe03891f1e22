/* SPDX-License-Identifier: MIT */
/* The agenda, against a list that is searched. */
#include "agenda.h"
#include "random.h"
#include "test.h"

enum { ALARMS = 200, ROUNDS = 20000 };

struct agenda {
    struct sim_agenda agenda;
    struct sim_random random;
    sim_alarm alarms[ALARMS];
};

static void fired(sim_alarm *alarm)
{
    (void)alarm;
}

/* The alarm that comes first, by looking at all. */
static const sim_alarm *first_of(const struct agenda *t)
{
    const sim_alarm *first = NULL;
    int i;

    for (i = 0; i < ALARMS; i++) {
        const sim_alarm *alarm = &t->alarms[i];

        if (!sim_alarm_is_set(alarm))
            continue;
        if (!first || alarm->at_ns < first->at_ns ||
            (alarm->at_ns == first->at_ns && alarm->tie < first->tie))
            first = alarm;
    }
    return first;
}

/* Times and ties from small ranges, so that there are equals; no two alarms are. */
static void set_any(struct agenda *t)
{
    uint64_t i = sim_random_below(&t->random, ALARMS);

    weir_sim_agenda_set(&t->agenda, &t->alarms[i], (int64_t)sim_random_below(&t->random, 20),
                        sim_random_below(&t->random, 4) * ALARMS + i, fired);
}

WEIR_TEST(sim_agenda, the_first_of_any_alarms_comes_first)
{
    static struct agenda t;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        sim_alarm *any = &t.alarms[sim_random_below(&t.random, ALARMS)];

        /* It fills and empties in turn. */
        if (sim_random_chance(&t.random, round / 1000 % 2 ? 300 : 700))
            set_any(&t);
        else
            weir_sim_agenda_clear(&t.agenda, sim_random_chance(&t.random, 500) && t.agenda.count > 0
                                                 ? weir_sim_agenda_first(&t.agenda)
                                                 : any);
        CHECK(weir_sim_agenda_first(&t.agenda) == first_of(&t));
    }
    weir_sim_agenda_fini(&t.agenda);
}

WEIR_TEST(sim_agenda, a_new_one_is_empty)
{
    struct sim_agenda agenda = {0};
    sim_alarm alarm = {0};

    CHECK(!weir_sim_agenda_first(&agenda));
    CHECK(!sim_alarm_is_set(&alarm));
    weir_sim_agenda_clear(&agenda, &alarm);
    weir_sim_agenda_fini(&agenda);
}

WEIR_TEST(sim_agenda, an_alarm_that_is_set_again_is_moved)
{
    struct sim_agenda agenda = {0};
    sim_alarm a = {0}, b = {0};

    weir_sim_agenda_set(&agenda, &a, 10, 0, fired);
    weir_sim_agenda_set(&agenda, &b, 20, 0, fired);
    weir_sim_agenda_set(&agenda, &a, 30, 0, fired);
    CHECK(weir_sim_agenda_first(&agenda) == &b);
    weir_sim_agenda_set(&agenda, &a, 20, 1, fired);
    CHECK(weir_sim_agenda_first(&agenda) == &b);
    weir_sim_agenda_set(&agenda, &b, 20, 2, fired);
    CHECK(weir_sim_agenda_first(&agenda) == &a);
    CHECK_EQ(agenda.count, 2);
    weir_sim_agenda_fini(&agenda);
}
