/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* clock_gettime */
#include "progress.h"

#include <stdio.h>
#include <time.h>

#include "coverage.h"
#include "tally.h"

static const int64_t SECOND_NS = INT64_C(1000000000);

int64_t progress_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

void progress_begin(struct progress *progress, uint64_t runs, bool is_terminal)
{
    int64_t now_ns = progress_now_ns();

    *progress = (struct progress){
        .runs = runs,
        .is_terminal = is_terminal,
        .begun_ns = now_ns,
        .shown_ns = now_ns,
    };
}

static void print(struct progress *progress, uint64_t done, unsigned failures,
                  const unsigned char *reached)
{
    double elapsed_s = (double)(progress_now_ns() - progress->begun_ns) / (double)SECOND_NS;
    char done_text[TALLY_GROUPED_BYTES], all_text[TALLY_GROUPED_BYTES];

    fprintf(stderr, "%s%s of %s runs, %.0f a second, %u failure%s",
            progress->is_shown ? "\r\033[K" : "", tally_grouped(done, done_text),
            tally_grouped(progress->runs, all_text), (double)done / (elapsed_s + 1e-9), failures,
            failures == 1 ? "" : "s");
    if (coverage_is_built_in()) {
        fprintf(stderr, ", %.1f %% of core",
                100 * (double)coverage_count(reached) / (double)coverage_edges());
    }
}

void progress_show(struct progress *progress, uint64_t done, unsigned failures,
                   const unsigned char *reached)
{
    int64_t now_ns = progress_now_ns();
    int64_t period_ns = progress->is_terminal ? SECOND_NS / 4 : 5 * SECOND_NS;

    if (progress->runs == 1 || now_ns - progress->shown_ns < period_ns)
        return;
    progress->shown_ns = now_ns;
    print(progress, done, failures, reached);
    progress->is_shown = progress->is_terminal;
    fputs(progress->is_terminal ? "" : "\n", stderr);
    fflush(stderr);
}

void progress_end(struct progress *progress, uint64_t done, unsigned failures,
                  const unsigned char *reached)
{
    if (progress->runs == 1)
        return;
    print(progress, done, failures, reached);
    fputs("\n", stderr);
    progress->is_shown = false;
}
