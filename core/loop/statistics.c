/* SPDX-License-Identifier: MIT */
/*
 * What a loop has counted, for reading.
 *
 * Whoever does the work counts it, a batch at a time; what need not be counted, because it can be
 * read off, is read off here.
 */
#include <inttypes.h>

#include "loop.h"
#include "zero_copy.h"

weir_loop_statistics weir_loop_statistics_get(const weir_loop *loop)
{
    const weir_frame_allocator *frames = &loop->context.frames;
    weir_loop_statistics statistics = loop->statistics;

    statistics.frames_live = weir_frame_live_count(frames);
    statistics.frames_fresh = frames->fresh_count;
    statistics.frames_recycled = frames->handed_out_count - frames->fresh_count;
    statistics.zero_copy_limit_bytes = loop->zero_copy_bytes_max;
    if (loop->zero_copy) {
        statistics.zero_copy_lent_bytes = loop->zero_copy->lent_bytes;
        statistics.zero_copy_limit_bytes = loop->zero_copy->limit_bytes;
    }
    return statistics;
}

void weir_loop_statistics_print(const weir_loop_statistics *statistics, FILE *stream)
{
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        {"iterations", statistics->iterations},
        {"resumptions", statistics->resumptions},
        {"sleeps", statistics->sleeps},
        {"spin_hits", statistics->spin_hits},
        {"spin_misses", statistics->spin_misses},
        {"wakeups", statistics->wakeups},
        {"accepts_backed_off", statistics->accepts_backed_off},
        {"enters", statistics->enters},
        {"completions", statistics->completions},
        {"deferred", statistics->deferred},
        {"overflows", statistics->overflows},
        {"lent_starved", statistics->lent_starved},
        {"direct_descriptors", statistics->direct_descriptors},
        {"direct_taken", statistics->direct_taken},
        {"frames_live", statistics->frames_live},
        {"frames_recycled", statistics->frames_recycled},
        {"frames_fresh", statistics->frames_fresh},
        {"zero_copy_sends", statistics->zero_copy_sends},
        {"zero_copy_copied", statistics->zero_copy_copied},
        {"zero_copy_refused", statistics->zero_copy_refused},
        {"zero_copy_capped", statistics->zero_copy_capped},
        {"zero_copy_late", statistics->zero_copy_late},
        {"zero_copy_lent_bytes", statistics->zero_copy_lent_bytes},
        {"zero_copy_limit_bytes", statistics->zero_copy_limit_bytes},
        {"sink_waits", statistics->sink_waits},
    };
    size_t i;

    _Static_assert(sizeof lines / sizeof lines[0] == sizeof *statistics / sizeof(uint64_t),
                   "every counter is printed");
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        fprintf(stream, "%s %" PRIu64 "\n", lines[i].name, lines[i].value);
}
