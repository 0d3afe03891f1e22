/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_CURVE_H
#define WEIR_LAT_CURVE_H

/*
 * The axes of a percentile curve, shared by the plot in text and the one in SVG.
 *
 * The horizontal axis counts nines: 0 is the smallest value, 1 is 90 %, 2 is 99 %, 3 is 99.9 %. It
 * ends where one value of the histogram is left, so the curve ends at the maximum. The vertical
 * axis is logarithmic, since the tail of a latency is often a hundred times its median.
 *
 * Pure functions.
 *
 * Source: perf/latency/curve.c. Tests: tests/unit/test_lat_report.c.
 */

#include "histogram.h"

enum {
    WEIR_LAT_CURVE_NINES_MAX = 7, /* A longer tail ends there. */
    WEIR_LAT_CURVE_LABEL_MAX = 16,
};

/** What the axes span: 0 to nines, and low_ns to high_ns, which is larger. */
typedef struct weir_lat_curve {
    const weir_lat_histogram *latencies;
    double nines;
    double low_ns;
    double high_ns;
} weir_lat_curve;

/** The axes that hold all values of the histogram; some axes when it is empty. nines
 * is at least 1. */
weir_lat_curve weir_lat_curve_of(const weir_lat_histogram *latencies);

/** The same, with the vertical axis extended to round numbers (1, 2 or 5 and zeros). */
weir_lat_curve weir_lat_curve_rounded(weir_lat_curve curve);

/** The value at this many nines. */
int64_t weir_lat_curve_value(const weir_lat_curve *curve, double nines);

/** Where a value stands on the vertical axis: 0 is low_ns, 1 is high_ns; values
 * outside likewise. */
double weir_lat_curve_height(const weir_lat_curve *curve, double value_ns);

/** The value at a height. */
double weir_lat_curve_value_at_height(const weir_lat_curve *curve, double height);

/** The next round number (1, 2 or 5 and zeros) above one. */
double weir_lat_curve_next_round(double round_ns);

/** How many places from 0 on have a name on the horizontal axis, with room for
 * another at its end. */
unsigned weir_lat_curve_named_places(const weir_lat_curve *curve);

/** The name of a place on the horizontal axis: "0%", "90%", "99%", "99.9%". */
void weir_lat_curve_label(unsigned nines, char label[WEIR_LAT_CURVE_LABEL_MAX]);

#endif
