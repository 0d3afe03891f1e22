/* SPDX-License-Identifier: MIT */
/* The line on a terminal that says how far a run is. */
#include "progress.h"

#include <inttypes.h>

void weir_lat_progress_init(weir_lat_progress *progress, FILE *stream, int64_t now_ns)
{
    *progress = (weir_lat_progress){.stream = stream, .started_ns = now_ns, .shown_ns = now_ns};
}

void weir_lat_progress_show(weir_lat_progress *progress, int64_t now_ns, uint64_t answered)
{
    double elapsed_s = (double)(now_ns - progress->started_ns) / 1e9;
    double interval_s = (double)(now_ns - progress->shown_ns) / 1e9;
    double recent = (double)(answered - progress->answered);

    fprintf(progress->stream, "\r\033[K%6.1f s  %12" PRIu64 " messages  %10.0f/s", elapsed_s,
            answered, interval_s > 0 ? recent / interval_s : 0);
    fflush(progress->stream);
    progress->shown_ns = now_ns;
    progress->answered = answered;
}

void weir_lat_progress_fini(weir_lat_progress *progress)
{
    if (progress->shown_ns == progress->started_ns)
        return;
    fputs("\r\033[K", progress->stream);
    fflush(progress->stream);
}
