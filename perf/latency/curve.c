/* SPDX-License-Identifier: MIT */
/* The axes of a percentile curve. */
#include "curve.h"

#include <math.h>
#include <stdio.h>

/* The room a name needs on the axis. */
static const double NAME_NINES = 0.4;

/* The number of nines at which one of count values is left, at least one. */
static double nines_of(uint64_t count)
{
    double nines = count > 10 ? log10((double)count) : 1;

    return nines < WEIR_LAT_CURVE_NINES_MAX ? nines : WEIR_LAT_CURVE_NINES_MAX;
}

weir_lat_curve weir_lat_curve_of(const weir_lat_histogram *latencies)
{
    weir_lat_curve curve = {
        .latencies = latencies,
        .nines = nines_of(weir_lat_histogram_count(latencies)),
        .low_ns = (double)weir_lat_histogram_percentile(latencies, 0),
        .high_ns = (double)weir_lat_histogram_max(latencies),
    };

    if (curve.low_ns < 1)
        curve.low_ns = 1;
    if (curve.high_ns < curve.low_ns * 2)
        curve.high_ns = curve.low_ns * 2;
    return curve;
}

/* The largest 1, 2 or 5 and zeros that is at most the value. */
static double round_below(double value)
{
    double power = pow(10, floor(log10(value)));
    double digit = value / power;

    if (digit >= 5)
        return 5 * power;
    return digit >= 2 ? 2 * power : power;
}

double weir_lat_curve_next_round(double round_ns)
{
    return round_below(round_ns * 2.501);
}

weir_lat_curve weir_lat_curve_rounded(weir_lat_curve curve)
{
    double low = round_below(curve.low_ns);
    double high = round_below(curve.high_ns);

    curve.low_ns = low;
    curve.high_ns = high < curve.high_ns ? weir_lat_curve_next_round(high) : high;
    return curve;
}

int64_t weir_lat_curve_value(const weir_lat_curve *curve, double nines)
{
    double percentile = nines >= curve->nines ? 100.0 : 100.0 * (1.0 - pow(10, -nines));

    return weir_lat_histogram_percentile(curve->latencies, percentile);
}

double weir_lat_curve_height(const weir_lat_curve *curve, double value_ns)
{
    double value = value_ns < 1 ? 1 : value_ns;

    return log(value / curve->low_ns) / log(curve->high_ns / curve->low_ns);
}

double weir_lat_curve_value_at_height(const weir_lat_curve *curve, double height)
{
    return curve->low_ns * pow(curve->high_ns / curve->low_ns, height);
}

unsigned weir_lat_curve_named_places(const weir_lat_curve *curve)
{
    return (unsigned)ceil(curve->nines - NAME_NINES);
}

void weir_lat_curve_label(unsigned nines, char label[WEIR_LAT_CURVE_LABEL_MAX])
{
    int decimals = nines > 2 ? (int)nines - 2 : 0;

    snprintf(label, WEIR_LAT_CURVE_LABEL_MAX, "%.*f%%", decimals,
             100.0 * (1.0 - pow(10, -(double)nines)));
}
