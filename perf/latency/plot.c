/* SPDX-License-Identifier: MIT */
/* The percentile curve in ASCII: a column for each step along the nines, a row for
 * each of latency. */
#include "report.h"

#include <string.h>

#include "curve.h"

enum {
    COLUMNS = 60,
    ROWS = 13,
    LABEL_COLUMNS = 13, /* Of the latencies on the left, with the axis. */
    ROWS_PER_LABEL = 3,
};

/* Height in rows of the curve over each column. */
struct plot {
    weir_lat_curve curve;
    int height[COLUMNS];
};

static struct plot plot_of(const weir_lat_histogram *latencies)
{
    struct plot plot = {.curve = weir_lat_curve_of(latencies)};

    for (int column = 0; column < COLUMNS; column++) {
        double nines = plot.curve.nines * column / (COLUMNS - 1);
        double value_ns = (double)weir_lat_curve_value(&plot.curve, nines);

        plot.height[column] =
            (int)(weir_lat_curve_height(&plot.curve, value_ns) * (ROWS - 1) + 0.5);
    }
    return plot;
}

/* The curve itself, and the steps between two of its columns. */
static bool is_marked(const struct plot *plot, int column, int row)
{
    int height = plot->height[column];
    int before = column > 0 ? plot->height[column - 1] : height;

    return row == height || (row > before && row < height);
}

static void print_row(FILE *stream, const struct plot *plot, int row)
{
    double value_ns = weir_lat_curve_value_at_height(&plot->curve, (double)row / (ROWS - 1));
    char cells[COLUMNS + 1];
    int used = 0;

    for (int column = 0; column < COLUMNS; column++) {
        cells[column] = is_marked(plot, column, row) ? '*' : ' ';
        if (cells[column] == '*')
            used = column + 1;
    }
    if (row % ROWS_PER_LABEL == 0)
        fprintf(stream, "%*.1f |%.*s\n", LABEL_COLUMNS - 2, value_ns / 1e3, used, cells);
    else
        fprintf(stream, "%*s|%.*s\n", LABEL_COLUMNS - 1, "", used, cells);
}

static int column_of(const struct plot *plot, unsigned nines)
{
    return (int)((COLUMNS - 1) * nines / plot->curve.nines + 0.5);
}

/* The axis below, with a mark at each nine and its name under the mark. */
static void print_axis(FILE *stream, const struct plot *plot)
{
    char marks[COLUMNS + 1];
    char names[COLUMNS + WEIR_LAT_CURVE_LABEL_MAX];
    size_t end = 0;

    memset(marks, '-', COLUMNS);
    marks[COLUMNS] = '\0';
    memset(names, ' ', sizeof names);
    for (unsigned nines = 0; nines < weir_lat_curve_named_places(&plot->curve); nines++) {
        char label[WEIR_LAT_CURVE_LABEL_MAX];
        size_t column = (size_t)column_of(plot, nines);

        weir_lat_curve_label(nines, label);
        marks[column] = '+';
        memcpy(names + column, label, strlen(label));
        end = column + strlen(label);
    }
    fprintf(stream, "%*s+%s\n", LABEL_COLUMNS - 1, "", marks);
    fprintf(stream, "%*s%.*s\n", LABEL_COLUMNS, "", (int)end, names);
}

void weir_lat_report_plot(FILE *stream, const weir_lat_report *report)
{
    struct plot plot = plot_of(report->latencies);

    fprintf(stream, "  latency in us (logarithmic) by percentile, up to the maximum\n");
    for (int row = ROWS - 1; row >= 0; row--)
        print_row(stream, &plot, row);
    print_axis(stream, &plot);
}
