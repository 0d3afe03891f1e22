/* SPDX-License-Identifier: MIT */
/* What a run measured: the table, JSON, and the format of HdrHistogram's tools. */
#include "report.h"

#include <inttypes.h>
#include <math.h>

/* The percentiles that are reported, with their names in the table and in JSON. */
static const struct {
    const char *name;
    double percentile;
} reported[] = {
    {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99}, {"max", 100},
};

enum {
    REPORTED_COUNT = sizeof reported / sizeof *reported,
    HGRM_TICKS_PER_HALVING = 5,
};

static const double NS_PER_US = 1e3;
static const double NS_PER_S = 1e9;
static const double BYTES_PER_MIB = 1024.0 * 1024.0;

/* The maximum is exact; as a percentile it would be that of its slot. */
static double reported_us(const weir_lat_report *report, size_t index)
{
    double percentile = reported[index].percentile;
    int64_t value_ns = percentile < 100
                           ? weir_lat_histogram_percentile(report->latencies, percentile)
                           : weir_lat_histogram_max(report->latencies);

    return (double)value_ns / NS_PER_US;
}

static double per_second(const weir_lat_report *report, double amount)
{
    return report->elapsed_ns > 0 ? amount / ((double)report->elapsed_ns / NS_PER_S) : 0;
}

double weir_lat_report_rate(const weir_lat_report *report)
{
    return per_second(report, (double)report->rated);
}

bool weir_lat_report_is_out_of_reach(const weir_lat_report *report)
{
    return weir_lat_histogram_count(report->latencies) == 0 && report->unserved > 0 &&
           report->errors == 0 && report->elapsed_ns > 0;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

void weir_lat_report_configuration(FILE *stream, const weir_lat_report *report)
{
    const weir_lat_options *options = report->options;

    fprintf(stream, "%s, %u connection%s, %u thread%s, ", weir_lat_protocol_name(options->protocol),
            options->connections, plural(options->connections), options->threads,
            plural(options->threads));
    if (options->size_bytes > 0)
        fprintf(stream, "%zu byte%s, ", options->size_bytes, plural(options->size_bytes));
    fprintf(stream, "%s, ", report->backend);
    if (options->rate_per_second > 0)
        fprintf(stream, "open loop at %g/s", options->rate_per_second);
    else
        fprintf(stream, "closed loop");
}

static void print_counts(FILE *stream, const weir_lat_report *report)
{
    fprintf(stream, "  %-12s %14" PRIu64 "\n", "messages",
            weir_lat_histogram_count(report->latencies));
    fprintf(stream, "  %-12s %14.1f\n", "messages/s", weir_lat_report_rate(report));
    fprintf(stream, "  %-12s %14.2f\n", "MiB/s",
            per_second(report, (double)report->rated_bytes / BYTES_PER_MIB));
    fprintf(stream, "  %-12s %14" PRIu64 "\n", "errors", report->errors);
}

static void print_latencies(FILE *stream, const weir_lat_report *report)
{
    bool is_empty = weir_lat_histogram_count(report->latencies) == 0;

    for (size_t i = 0; i < REPORTED_COUNT; i++) {
        if (is_empty)
            fprintf(stream, "  %-12s %14s\n", reported[i].name, "-");
        else
            fprintf(stream, "  %-12s %14.2f us\n", reported[i].name, reported_us(report, i));
    }
}

/* What the figures above do not show. */
static void print_notes(FILE *stream, const weir_lat_report *report)
{
    uint64_t clamped = weir_lat_histogram_clamped(report->latencies);

    if (report->unserved > 0)
        fprintf(stream,
                "\n  The server did not keep up: %" PRIu64
                " requests were due and not sent, or not answered, in time.\n",
                report->unserved);
    if (clamped > 0)
        fprintf(stream, "\n  %" PRIu64 " latencies were beyond 73 minutes and count as that.\n",
                clamped);
}

void weir_lat_report_table(FILE *stream, const weir_lat_report *report)
{
    fprintf(stream, "%s: ", report->options->target);
    weir_lat_report_configuration(stream, report);
    fprintf(stream, ", %.1f s\n\n", (double)report->elapsed_ns / NS_PER_S);
    print_counts(stream, report);
    print_latencies(stream, report);
    print_notes(stream, report);
    if (weir_lat_histogram_count(report->latencies) > 0) {
        fputc('\n', stream);
        weir_lat_report_plot(stream, report);
    }
}

/* Every string comes from a fixed set of words, so that none needs an escape. */
static void print_json_configuration(FILE *stream, const weir_lat_report *report)
{
    const weir_lat_options *options = report->options;

    fprintf(stream, "  \"protocol\": \"%s\",\n", weir_lat_protocol_name(options->protocol));
    fprintf(stream, "  \"connections\": %u,\n", options->connections);
    fprintf(stream, "  \"threads\": %u,\n", options->threads);
    if (options->size_bytes > 0)
        fprintf(stream, "  \"size\": %zu,\n", options->size_bytes);
    else
        fprintf(stream, "  \"size\": null,\n");
    fprintf(stream, "  \"duration_s\": %.9g,\n", (double)options->duration_ns / NS_PER_S);
    if (options->rate_per_second > 0)
        fprintf(stream, "  \"rate\": %.12g,\n", options->rate_per_second);
    else
        fprintf(stream, "  \"rate\": null,\n");
    fprintf(stream, "  \"backend\": \"%s\",\n", report->backend);
    fprintf(stream, "  \"coordinated_omission_corrected\": %s\n",
            options->rate_per_second > 0 ? "true" : "false");
}

static void print_json_latencies(FILE *stream, const weir_lat_report *report)
{
    bool is_empty = weir_lat_histogram_count(report->latencies) == 0;

    fprintf(stream, "  \"latency_us\": {");
    for (size_t i = 0; i < REPORTED_COUNT; i++) {
        fprintf(stream, "%s\"%s\": ", i > 0 ? ", " : "", reported[i].name);
        if (is_empty)
            fprintf(stream, "null");
        else
            fprintf(stream, "%.3f", reported_us(report, i));
    }
    fprintf(stream, "},\n");
}

void weir_lat_report_json(FILE *stream, const weir_lat_report *report)
{
    fprintf(stream, "{\n  \"messages\": %" PRIu64 ",\n",
            weir_lat_histogram_count(report->latencies));
    fprintf(stream, "  \"errors\": %" PRIu64 ",\n", report->errors);
    fprintf(stream, "  \"messages_per_second\": %.3f,\n", weir_lat_report_rate(report));
    print_json_latencies(stream, report);
    print_json_configuration(stream, report);
    fprintf(stream, "}\n");
}

/* The share on a line: every HGRM_TICKS_PER_HALVING lines halve the distance to 1. */
static double share_of(unsigned line)
{
    double halvings = line / HGRM_TICKS_PER_HALVING;
    double ticks = line % HGRM_TICKS_PER_HALVING;

    return 1 - exp2(-halvings) * (1 - ticks / (2 * HGRM_TICKS_PER_HALVING));
}

/* The lines of one slot: every share that its values reach, but one for the last slot, which
 * reaches all. Returns the line that is next. */
static unsigned print_hgrm_slot(FILE *stream, const weir_lat_steps *slot, uint64_t count,
                                unsigned line)
{
    double reached = (double)slot->cumulative / (double)count;

    while (share_of(line) <= reached) {
        double share = share_of(line++);

        fprintf(stream, "%12.3f %14.12f %10" PRIu64 " %14.2f\n", (double)slot->value_ns / NS_PER_US,
                share, slot->cumulative, 1 / (1 - share));
        if (slot->cumulative == count)
            break;
    }
    return line;
}

static void print_hgrm_summary(FILE *stream, const weir_lat_report *report)
{
    const weir_lat_histogram *latencies = report->latencies;

    fprintf(stream, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
            weir_lat_histogram_mean(latencies) / NS_PER_US,
            weir_lat_histogram_stddev(latencies) / NS_PER_US);
    fprintf(stream, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
            (double)weir_lat_histogram_max(latencies) / NS_PER_US,
            weir_lat_histogram_count(latencies));
    fprintf(stream, "#[Buckets = %12d, SubBuckets     = %12d]\n", WEIR_LAT_HISTOGRAM_DOUBLINGS + 1,
            2 << WEIR_LAT_HISTOGRAM_HALF_BITS);
    fprintf(stream, "#[Unit    = microseconds]\n");
}

void weir_lat_report_hgrm(FILE *stream, const weir_lat_report *report)
{
    uint64_t count = weir_lat_histogram_count(report->latencies);
    weir_lat_steps slot = weir_lat_steps_of(report->latencies);
    unsigned line = 0;

    fprintf(stream, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    while (weir_lat_steps_next(&slot))
        line = print_hgrm_slot(stream, &slot, count, line);
    if (count > 0)
        fprintf(stream, "%12.3f %14.12f %10" PRIu64 "\n",
                (double)weir_lat_histogram_max(report->latencies) / NS_PER_US, 1.0, count);
    print_hgrm_summary(stream, report);
}
