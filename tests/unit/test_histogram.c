/* SPDX-License-Identifier: MIT */
/* The histogram of the latency harness: what it keeps, and how exactly. */
#include "histogram.h"

#include <stdlib.h>

#include "test.h"

static weir_lat_histogram *new_histogram(void)
{
    weir_lat_histogram *histogram = calloc(1, sizeof *histogram);

    CHECK(histogram);
    return histogram;
}

static void record_range(weir_lat_histogram *histogram, int64_t first_ns, int64_t last_ns)
{
    for (int64_t value_ns = first_ns; value_ns <= last_ns; value_ns++)
        weir_lat_histogram_record(histogram, value_ns);
}

/* The values that a small generator gives are spread over all magnitudes. */
static int64_t next_value(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return (int64_t)(*state >> (22 + (*state & 31)));
}

static int64_t difference(int64_t a, int64_t b)
{
    return a < b ? b - a : a - b;
}

WEIR_TEST(histogram, empty_has_no_values_and_reads_as_zero)
{
    weir_lat_histogram *histogram = new_histogram();
    weir_lat_steps steps = weir_lat_steps_of(histogram);

    CHECK_EQ(weir_lat_histogram_count(histogram), 0);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 50), 0);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 100), 0);
    CHECK_EQ(weir_lat_histogram_max(histogram), 0);
    CHECK(weir_lat_histogram_mean(histogram) == 0);
    CHECK(weir_lat_histogram_stddev(histogram) == 0);
    CHECK(!weir_lat_steps_next(&steps));
    CHECK(!weir_lat_steps_next(&steps));
    free(histogram);
}

WEIR_TEST(histogram, slots_follow_each_other_without_gaps)
{
    size_t previous = 0;

    CHECK_EQ(weir_lat_histogram_slot(0), 0);
    for (int64_t value_ns = 1; value_ns < 1 << 20; value_ns++) {
        size_t slot = weir_lat_histogram_slot(value_ns);

        CHECK(slot == previous || slot == previous + 1);
        previous = slot;
    }
    CHECK_EQ(weir_lat_histogram_slot(WEIR_LAT_HISTOGRAM_MAX_NS), WEIR_LAT_HISTOGRAM_SLOTS - 1);
}

WEIR_TEST(histogram, every_value_keeps_three_digits)
{
    weir_lat_histogram *histogram = new_histogram();
    uint64_t state = 1;

    for (int i = 0; i < 500; i++) {
        int64_t value_ns = next_value(&state);
        int64_t read_ns;

        if (value_ns > WEIR_LAT_HISTOGRAM_MAX_NS)
            continue;
        *histogram = (weir_lat_histogram){.max_ns = INT64_MAX};
        histogram->counts[weir_lat_histogram_slot(value_ns)] = 1;
        read_ns = weir_lat_histogram_percentile(histogram, 50);
        CHECK(read_ns >= value_ns);
        CHECK(difference(read_ns, value_ns) * 1000 <= value_ns);
    }
    free(histogram);
}

WEIR_TEST(histogram, an_hour_is_in_range)
{
    weir_lat_histogram *histogram = new_histogram();
    int64_t hour_ns = INT64_C(3600) * 1000000000;

    weir_lat_histogram_record(histogram, hour_ns);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 100), hour_ns);
    CHECK_EQ(weir_lat_histogram_clamped(histogram), 0);
    free(histogram);
}

WEIR_TEST(histogram, values_out_of_range_are_kept_at_the_ends_and_counted)
{
    weir_lat_histogram *histogram = new_histogram();

    weir_lat_histogram_record(histogram, -5);
    weir_lat_histogram_record(histogram, INT64_MIN);
    weir_lat_histogram_record(histogram, WEIR_LAT_HISTOGRAM_MAX_NS + 1);
    weir_lat_histogram_record(histogram, INT64_MAX);
    weir_lat_histogram_record(histogram, 0);
    CHECK_EQ(weir_lat_histogram_count(histogram), 5);
    CHECK_EQ(weir_lat_histogram_clamped(histogram), 4);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 60), 0);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 61), WEIR_LAT_HISTOGRAM_MAX_NS);
    CHECK_EQ(weir_lat_histogram_max(histogram), INT64_MAX);
    free(histogram);
}

WEIR_TEST(histogram, percentiles_of_a_thousand_values_are_exact)
{
    weir_lat_histogram *histogram = new_histogram();

    record_range(histogram, 1, 1000);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 0), 1);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 0.1), 1);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 0.11), 2);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 50), 500);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 90), 900);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 99), 990);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 99.9), 999);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 99.99), 1000);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 100), 1000);
    free(histogram);
}

/* Doubles do not hold 99.9 or 0.1 exactly; the count a percentile stands for must
 * not depend on it. */
WEIR_TEST(histogram, round_percentiles_cover_round_counts)
{
    weir_lat_histogram *histogram = new_histogram();

    for (uint64_t thousands = 1; thousands < 2000; thousands++) {
        histogram->counts[1] = thousands * 999;
        histogram->counts[2] = thousands;
        histogram->max_ns = 2;
        if (thousands % 97 == 0)
            CHECK_EQ(weir_lat_histogram_percentile(histogram, 99.9), 1);
    }
    free(histogram);
}

WEIR_TEST(histogram, a_percentile_is_never_above_the_maximum)
{
    weir_lat_histogram *histogram = new_histogram();

    weir_lat_histogram_record(histogram, 1000001);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 1), 1000001);
    CHECK_EQ(weir_lat_histogram_percentile(histogram, 100), 1000001);
    free(histogram);
}

WEIR_TEST(histogram, mean_and_deviation_are_those_of_the_population)
{
    weir_lat_histogram *histogram = new_histogram();

    record_range(histogram, 1, 9);
    CHECK(weir_lat_histogram_mean(histogram) == 5.0);
    CHECK(weir_lat_histogram_stddev(histogram) > 2.5819);
    CHECK(weir_lat_histogram_stddev(histogram) < 2.5820);
    free(histogram);
}

WEIR_TEST(histogram, mean_of_large_values_is_right_to_a_thousandth)
{
    weir_lat_histogram *histogram = new_histogram();

    for (int64_t value_ns = 1000000; value_ns < 2000000; value_ns += 7)
        weir_lat_histogram_record(histogram, value_ns);
    CHECK(weir_lat_histogram_mean(histogram) > 1500000 * 0.999);
    CHECK(weir_lat_histogram_mean(histogram) < 1500000 * 1.001);
    free(histogram);
}

WEIR_TEST(histogram, merging_is_recording_everything_in_one)
{
    weir_lat_histogram *all = new_histogram();
    weir_lat_histogram *even = new_histogram();
    weir_lat_histogram *odd = new_histogram();
    uint64_t state = 7;

    for (int i = 0; i < 100000; i++) {
        int64_t value_ns = next_value(&state);

        weir_lat_histogram_record(all, value_ns);
        weir_lat_histogram_record(i % 2 ? odd : even, value_ns);
    }
    weir_lat_histogram_merge(even, odd);
    CHECK_EQ(weir_lat_histogram_count(even), 100000);
    CHECK_EQ(weir_lat_histogram_max(even), weir_lat_histogram_max(all));
    CHECK_EQ(weir_lat_histogram_clamped(even), weir_lat_histogram_clamped(all));
    for (size_t slot = 0; slot < WEIR_LAT_HISTOGRAM_SLOTS; slot++)
        CHECK_EQ(even->counts[slot], all->counts[slot]);
    free(all);
    free(even);
    free(odd);
}

WEIR_TEST(histogram, steps_go_up_and_cover_every_value_once)
{
    weir_lat_histogram *histogram = new_histogram();
    weir_lat_steps steps = weir_lat_steps_of(histogram);
    uint64_t state = 3;
    uint64_t count = 0;
    int64_t previous_ns = -1;

    for (int i = 0; i < 10000; i++)
        weir_lat_histogram_record(histogram, next_value(&state));
    while (weir_lat_steps_next(&steps)) {
        CHECK(steps.value_ns > previous_ns);
        CHECK(steps.count > 0);
        count += steps.count;
        CHECK_EQ(steps.cumulative, count);
        previous_ns = steps.value_ns;
    }
    CHECK_EQ(count, 10000);
    free(histogram);
}

WEIR_ABORT_TEST(histogram, a_percentile_beyond_100_is_misuse)
{
    weir_lat_histogram_percentile(new_histogram(), 100.5);
}
