/* SPDX-License-Identifier: MIT */
/*
 * ring-choices [--rounds N] [EXPERIMENT]...
 *
 * Runs the experiments, or those whose names begin so, round by round, the choices of one in turn,
 * and prints of each the median cost and the ratio to the first: the median of the ratios of each
 * round, and the least and the greatest of them, from five rounds on without the extremes.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "choices.h"

enum { CHOICES_MAX = 16, ROUNDS_MAX = 999 };

static const struct {
    const struct experiment *experiments;
    const size_t *count;
} groups[] = {
    {ring_buffers, &ring_buffers_count},
    {ring_waits, &ring_waits_count},
    {ring_accepts, &ring_accepts_count},
};

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static void sort(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
}

static double median(const double *sorted, unsigned count)
{
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static void print_choice(const struct choice *choice, double *costs_ns, double *ratios,
                         unsigned rounds)
{
    unsigned cut = rounds >= 5; /* One disturbance either way says nothing. */

    if (costs_ns[0] < 0) {
        printf("    %-50s this kernel knows no such thing\n", choice->name);
        return;
    }
    sort(costs_ns, rounds);
    sort(ratios, rounds);
    printf("    %-50s %10.1f  %6.3f (%.3f-%.3f)\n", choice->name, median(costs_ns, rounds),
           median(ratios, rounds), ratios[cut], ratios[rounds - 1 - cut]);
}

static void run(const struct experiment *it, unsigned rounds)
{
    static double costs_ns[CHOICES_MAX][ROUNDS_MAX];
    static double ratios[CHOICES_MAX][ROUNDS_MAX];
    unsigned round;
    size_t i;

    for (round = 0; round < rounds; round++) {
        for (i = 0; i < it->choice_count; i++) {
            size_t at = (i + round) % it->choice_count; /* Another one first in each round. */

            costs_ns[at][round] = it->choices[at].measure(it, it->choices[at].number);
        }
        for (i = 0; i < it->choice_count; i++)
            ratios[i][round] = costs_ns[i][round] / costs_ns[0][round];
    }
    printf("%s: %s", it->name, it->what);
    if (it->connections)
        printf(", %u at a time", it->connections);
    if (it->size)
        printf(" of %zu bytes", it->size);
    (void)putchar('\n');
    for (i = 0; i < it->choice_count; i++)
        print_choice(&it->choices[i], costs_ns[i], ratios[i], rounds);
    (void)fflush(stdout);
}

/* Both ends of all connections, and a few of the program's own. */
static int is_possible(const struct experiment *it, size_t descriptors)
{
    if (2 * it->connections + 64 <= descriptors)
        return 1;
    printf("%s: left out, it needs more descriptors than this process may have\n", it->name);
    return 0;
}

static int is_wanted(const struct experiment *it, int count, char **names)
{
    int i;

    for (i = 0; i < count; i++)
        if (!strncmp(it->name, names[i], strlen(names[i])))
            return 1;
    return count == 0;
}

/* Those that are wanted. Returns how many there are. */
static unsigned run_wanted(unsigned rounds, size_t descriptors, int count, char **names)
{
    unsigned done = 0;
    size_t group;
    size_t i;

    for (group = 0; group < sizeof groups / sizeof groups[0]; group++)
        for (i = 0; i < *groups[group].count; i++) {
            const struct experiment *it = &groups[group].experiments[i];

            if (!is_wanted(it, count, names))
                continue;
            if (is_possible(it, descriptors))
                run(it, rounds);
            done++;
        }
    return done;
}

/* As many descriptors as the process may have. */
static size_t raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        weir_peer_die("getrlimit", errno);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        weir_peer_die("setrlimit", errno);
    return limit.rlim_cur;
}

static void usage_die(void)
{
    (void)fputs("usage: ring-choices [--rounds N] [EXPERIMENT]...\n", stderr);
    exit(2);
}

/* Both ends on one processor, and always the same: its cache is what is compared. */
static void pin(void)
{
    cpu_set_t set;
    int here = sched_getcpu();

    CPU_ZERO(&set);
    CPU_SET((size_t)(here < 0 ? 0 : here), &set);
    if (sched_setaffinity(0, sizeof set, &set))
        weir_peer_die("sched_setaffinity", errno);
}

int main(int argc, char **argv)
{
    unsigned rounds = 9;
    size_t allowed;
    int first = 1;

    if (argc > 2 && !strcmp(argv[1], "--rounds")) {
        char *end;
        unsigned long value = strtoul(argv[2], &end, 10);

        if (*end || end == argv[2] || value < 1 || value > ROUNDS_MAX)
            usage_die();
        rounds = (unsigned)value;
        first = 3;
    }
    if (argc > first && argv[first][0] == '-')
        usage_die();
    allowed = raise_descriptors();
    pin();
    if (!run_wanted(rounds, allowed, argc - first, argv + first)) {
        (void)fputs("ring-choices: no experiment is called so\n", stderr);
        return 2;
    }
    return 0;
}
