/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_HISTOGRAM_H
#define WEIR_LAT_HISTOGRAM_H

/*
 * A histogram of latencies: log-linear, fixed memory, three significant digits.
 *
 * Values below 2048 ns have a slot each; above, every doubling is divided into 1024 slots, so that
 * a slot is never wider than a thousandth of its values. What is outside 0 to 2^42 - 1 ns (73
 * minutes) is recorded at the nearer end and counted as clamped: no value is lost. The largest
 * value is kept exactly; every other figure is right to a slot.
 *
 * One histogram belongs to one thread; merge them when the threads have ended.
 *
 * Source: perf/latency/histogram.c. Tests: tests/unit/test_histogram.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEIR_LAT_HISTOGRAM_HALF_BITS = 10, /* 1024 slots for each doubling. */
    WEIR_LAT_HISTOGRAM_VALUE_BITS = 42,
    WEIR_LAT_HISTOGRAM_DOUBLINGS = WEIR_LAT_HISTOGRAM_VALUE_BITS - WEIR_LAT_HISTOGRAM_HALF_BITS - 1,
    WEIR_LAT_HISTOGRAM_SLOTS = (WEIR_LAT_HISTOGRAM_DOUBLINGS + 2) << WEIR_LAT_HISTOGRAM_HALF_BITS,
};

/** The largest latency that has a slot of its own. */
#define WEIR_LAT_HISTOGRAM_MAX_NS ((INT64_C(1) << WEIR_LAT_HISTOGRAM_VALUE_BITS) - 1)

/** Zero-initialised: empty. Fields are private. 264 KiB, so not for a stack. */
typedef struct weir_lat_histogram {
    int64_t max_ns;   /* Before clamping; 0 when empty. */
    uint64_t clamped; /* Values that were moved into the range. */
    uint64_t counts[WEIR_LAT_HISTOGRAM_SLOTS];
} weir_lat_histogram;

/** The slot of a value from 0 to WEIR_LAT_HISTOGRAM_MAX_NS. */
static inline size_t weir_lat_histogram_slot(int64_t value_ns)
{
    uint64_t value = (uint64_t)value_ns;
    uint64_t linear = (UINT64_C(2) << WEIR_LAT_HISTOGRAM_HALF_BITS) - 1;
    unsigned top_bit = 63u - (unsigned)__builtin_clzll(value | linear);
    unsigned shift = top_bit - WEIR_LAT_HISTOGRAM_HALF_BITS;

    return (size_t)(((uint64_t)shift << WEIR_LAT_HISTOGRAM_HALF_BITS) + (value >> shift));
}

/** Count one value. The conditions compile to conditional moves. */
static inline void weir_lat_histogram_record(weir_lat_histogram *histogram, int64_t value_ns)
{
    int64_t clamped_ns = value_ns < 0 ? 0 : value_ns;

    clamped_ns = clamped_ns > WEIR_LAT_HISTOGRAM_MAX_NS ? WEIR_LAT_HISTOGRAM_MAX_NS : clamped_ns;
    histogram->counts[weir_lat_histogram_slot(clamped_ns)]++;
    histogram->clamped += clamped_ns != value_ns;
    histogram->max_ns = value_ns > histogram->max_ns ? value_ns : histogram->max_ns;
}

/** Add everything that another histogram holds. */
void weir_lat_histogram_merge(weir_lat_histogram *histogram, const weir_lat_histogram *other);

/** How many values were recorded. */
uint64_t weir_lat_histogram_count(const weir_lat_histogram *histogram);

/** How many values were outside the range, and stand at its ends. */
uint64_t weir_lat_histogram_clamped(const weir_lat_histogram *histogram);

/** The largest value, exactly, also when it was clamped; 0 when empty. */
int64_t weir_lat_histogram_max(const weir_lat_histogram *histogram);

/**
 * The value that this share of all values does not exceed: the highest one of its slot, and never
 * more than the maximum. 0 when empty.
 *
 * @percentile  0 to 100; 0 gives the smallest value
 */
int64_t weir_lat_histogram_percentile(const weir_lat_histogram *histogram, double percentile);

/** The arithmetic mean of the slots' middles; 0 when empty. */
double weir_lat_histogram_mean(const weir_lat_histogram *histogram);

/** The standard deviation of the population; 0 when empty. */
double weir_lat_histogram_stddev(const weir_lat_histogram *histogram);

/** A walk over the slots that hold values, from small to large. Start it with weir_lat_steps_of. */
typedef struct weir_lat_steps {
    const weir_lat_histogram *histogram;
    size_t next_slot;
    int64_t value_ns;    /* The highest value of the slot, at most the maximum. */
    int64_t middle_ns;   /* Of the slot. */
    uint64_t count;      /* In the slot. */
    uint64_t cumulative; /* In this slot and all below. */
} weir_lat_steps;

weir_lat_steps weir_lat_steps_of(const weir_lat_histogram *histogram);

/** Go to the next slot with values. False when there is none. */
bool weir_lat_steps_next(weir_lat_steps *steps);

#endif
