/* SPDX-License-Identifier: MIT */
/* What is read from a histogram of latencies. Recording is inline, in the header. */
#include "histogram.h"

#include <float.h>
#include <math.h>

#include <weir/assert.h>

/* The values of a slot are low_ns to low_ns + width_ns - 1. */
struct range {
    int64_t low_ns;
    int64_t width_ns;
};

/* The inverse of weir_lat_histogram_slot: the first two rows of 1024 slots are one value wide. */
static struct range range_of(size_t slot)
{
    const size_t half = (size_t)1 << WEIR_LAT_HISTOGRAM_HALF_BITS;
    size_t row = slot >> WEIR_LAT_HISTOGRAM_HALF_BITS;
    unsigned shift = row > 1 ? (unsigned)row - 1 : 0;
    size_t first = slot - ((size_t)shift << WEIR_LAT_HISTOGRAM_HALF_BITS);

    WEIR_ASSERT(first < 2 * half, "a slot is one of the histogram's");
    return (struct range){(int64_t)((uint64_t)first << shift), INT64_C(1) << shift};
}

void weir_lat_histogram_merge(weir_lat_histogram *histogram, const weir_lat_histogram *other)
{
    for (size_t slot = 0; slot < WEIR_LAT_HISTOGRAM_SLOTS; slot++)
        histogram->counts[slot] += other->counts[slot];
    histogram->clamped += other->clamped;
    if (other->max_ns > histogram->max_ns)
        histogram->max_ns = other->max_ns;
}

uint64_t weir_lat_histogram_count(const weir_lat_histogram *histogram)
{
    uint64_t count = 0;

    for (size_t slot = 0; slot < WEIR_LAT_HISTOGRAM_SLOTS; slot++)
        count += histogram->counts[slot];
    return count;
}

uint64_t weir_lat_histogram_clamped(const weir_lat_histogram *histogram)
{
    return histogram->clamped;
}

int64_t weir_lat_histogram_max(const weir_lat_histogram *histogram)
{
    return histogram->max_ns;
}

/* How many values a percentile covers, at least one. 99.9 % of 1000 are 999, whatever 99.9 / 100
 * rounds to. */
static uint64_t covered_by(double percentile, uint64_t count)
{
    double exact = percentile / 100.0 * (double)count * (1.0 - 4 * DBL_EPSILON);
    uint64_t covered = (uint64_t)ceil(exact);

    if (covered > count)
        return count;
    return covered > 0 ? covered : 1;
}

int64_t weir_lat_histogram_percentile(const weir_lat_histogram *histogram, double percentile)
{
    uint64_t count = weir_lat_histogram_count(histogram);
    weir_lat_steps steps = weir_lat_steps_of(histogram);
    uint64_t covered;

    WEIR_ASSERT(percentile >= 0 && percentile <= 100, "a percentile is from 0 to 100");

    if (count == 0)
        return 0;
    covered = covered_by(percentile, count);
    while (weir_lat_steps_next(&steps)) {
        if (steps.cumulative >= covered)
            return steps.value_ns;
    }
    WEIR_UNREACHABLE("the last step covers every value");
}

double weir_lat_histogram_mean(const weir_lat_histogram *histogram)
{
    weir_lat_steps steps = weir_lat_steps_of(histogram);
    double sum = 0;

    while (weir_lat_steps_next(&steps))
        sum += (double)steps.middle_ns * (double)steps.count;
    return steps.cumulative > 0 ? sum / (double)steps.cumulative : 0;
}

double weir_lat_histogram_stddev(const weir_lat_histogram *histogram)
{
    weir_lat_steps steps = weir_lat_steps_of(histogram);
    double mean = weir_lat_histogram_mean(histogram);
    double sum = 0;

    while (weir_lat_steps_next(&steps)) {
        double distance = (double)steps.middle_ns - mean;

        sum += distance * distance * (double)steps.count;
    }
    return steps.cumulative > 0 ? sqrt(sum / (double)steps.cumulative) : 0;
}

weir_lat_steps weir_lat_steps_of(const weir_lat_histogram *histogram)
{
    return (weir_lat_steps){.histogram = histogram};
}

bool weir_lat_steps_next(weir_lat_steps *steps)
{
    const weir_lat_histogram *histogram = steps->histogram;
    size_t slot = steps->next_slot;
    struct range range;

    while (slot < WEIR_LAT_HISTOGRAM_SLOTS && histogram->counts[slot] == 0)
        slot++;
    steps->next_slot = slot + 1;
    if (slot >= WEIR_LAT_HISTOGRAM_SLOTS)
        return false;
    range = range_of(slot);
    steps->value_ns = range.low_ns + range.width_ns - 1;
    if (steps->value_ns > histogram->max_ns)
        steps->value_ns = histogram->max_ns;
    steps->middle_ns = range.low_ns + range.width_ns / 2;
    steps->count = histogram->counts[slot];
    steps->cumulative += steps->count;
    return true;
}
