/* SPDX-License-Identifier: MIT */
/* The percentile curve as SVG: no script, no style sheet, no font beside it. */
#include "report.h"

#include <inttypes.h>
#include <math.h>

#include "curve.h"

/* The picture, in its own units: the axes' corners, and the places of the texts. */
enum {
    WIDTH = 960,
    HEIGHT = 540,
    LEFT = 92,
    RIGHT = 924,
    TOP = 92,
    BOTTOM = 470,
    SAMPLES = RIGHT - LEFT,
    LABEL_BYTES = 32,
};

static const char head[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"540\" "
    "viewBox=\"0 0 960 540\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" "
    "font-size=\"13\" fill=\"#333\">\n"
    "<rect width=\"960\" height=\"540\" fill=\"#fff\"/>\n";

static double x_of(const weir_lat_curve *curve, double nines)
{
    return LEFT + (RIGHT - LEFT) * nines / curve->nines;
}

static double y_of(const weir_lat_curve *curve, double value_ns)
{
    return BOTTOM - (BOTTOM - TOP) * weir_lat_curve_height(curve, value_ns);
}

/* Three significant digits or all before the point: "1.25", "12.5", "1250". */
static void format_us(double value_ns, char text[LABEL_BYTES])
{
    double value_us = value_ns / 1e3;
    int decimals = value_us >= 99.95 ? 0 : value_us >= 9.995 ? 1 : 2;

    snprintf(text, LABEL_BYTES, "%.*f", decimals, value_us);
}

/* The names in the titles are words of this program, a checked endpoint and numbers: nothing that
 * XML would need escaped. */
static void print_titles(FILE *stream, const weir_lat_report *report)
{
    fprintf(stream, "<text x=\"%d\" y=\"36\" font-size=\"18\" font-weight=\"bold\">", LEFT);
    weir_lat_report_configuration(stream, report);
    fprintf(stream, "</text>\n<text x=\"%d\" y=\"60\" fill=\"#666\">%s &#183; ", LEFT,
            report->options->target);
    fprintf(stream,
            "%" PRIu64 " messages in %.1f s &#183; %.0f/s &#183; %" PRIu64 " error%s</text>\n",
            weir_lat_histogram_count(report->latencies), (double)report->elapsed_ns / 1e9,
            weir_lat_report_rate(report), report->errors, report->errors == 1 ? "" : "s");
}

static void print_vertical_line(FILE *stream, double x, const char *label)
{
    fprintf(stream, "<path d=\"M%.1f %dV%d\" stroke=\"#ddd\"/>\n", x, TOP, BOTTOM);
    fprintf(stream, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, BOTTOM + 20,
            label);
}

static void print_vertical_grid(FILE *stream, const weir_lat_curve *curve)
{
    for (unsigned nines = 0; nines < weir_lat_curve_named_places(curve); nines++) {
        char label[WEIR_LAT_CURVE_LABEL_MAX];

        weir_lat_curve_label(nines, label);
        print_vertical_line(stream, x_of(curve, nines), label);
    }
    print_vertical_line(stream, RIGHT, "max");
}

/* Round numbers from end to end; the last is met but for rounding. */
static void print_horizontal_grid(FILE *stream, const weir_lat_curve *curve)
{
    for (double value_ns = curve->low_ns; value_ns < curve->high_ns * 1.01;
         value_ns = weir_lat_curve_next_round(value_ns)) {
        double y = y_of(curve, value_ns);

        fprintf(stream, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, y, RIGHT);
        fprintf(stream, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 8,
                y + 4, value_ns / 1e3);
    }
}

static void print_axes(FILE *stream, const weir_lat_curve *curve)
{
    print_vertical_grid(stream, curve);
    print_horizontal_grid(stream, curve);
    fprintf(stream, "<path d=\"M%d %dV%dH%d\" stroke=\"#333\" fill=\"none\"/>\n", LEFT, TOP, BOTTOM,
            RIGHT);
    fprintf(stream, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">percentile</text>\n",
            (LEFT + RIGHT) / 2, HEIGHT - 22);
    fprintf(stream,
            "<text transform=\"translate(24 %d) rotate(-90)\" text-anchor=\"middle\">"
            "latency (&#181;s, logarithmic)</text>\n",
            (TOP + BOTTOM) / 2);
}

/* A point wherever the curve rises, and where it begins to: stairs keep their corners. */
static void print_line(FILE *stream, const weir_lat_curve *curve)
{
    int64_t previous_ns = weir_lat_curve_value(curve, 0);

    fprintf(stream, "<path fill=\"none\" stroke=\"#1f6fb4\" stroke-width=\"2\" "
                    "stroke-linejoin=\"round\" d=\"");
    fprintf(stream, "M%d %.1f", LEFT, y_of(curve, (double)previous_ns));
    for (int sample = 1; sample <= SAMPLES; sample++) {
        int64_t value_ns = weir_lat_curve_value(curve, curve->nines * sample / SAMPLES);

        if (value_ns != previous_ns)
            fprintf(stream, "L%d %.1fL%d %.1f", LEFT + sample - 1, y_of(curve, (double)previous_ns),
                    LEFT + sample, y_of(curve, (double)value_ns));
        previous_ns = value_ns;
    }
    fprintf(stream, "L%d %.1f\"/>\n", RIGHT, y_of(curve, (double)previous_ns));
}

/* Where a mark's text begins: before the mark where the curve may rise steeply, or
 * the picture ends. */
static const char *anchor_of(const weir_lat_curve *curve, double nines)
{
    return nines > 1 || nines >= curve->nines ? "end" : "middle";
}

/* A dot on the curve with its value above. */
static void print_mark(FILE *stream, const weir_lat_curve *curve, double nines, const char *name)
{
    double value_ns = (double)weir_lat_curve_value(curve, nines);
    double x = x_of(curve, nines);
    double y = y_of(curve, value_ns);
    char label[LABEL_BYTES];

    format_us(value_ns, label);
    fprintf(stream, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#1f6fb4\"/>\n", x, y);
    fprintf(stream,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" stroke=\"#fff\" stroke-width=\"4\" "
            "paint-order=\"stroke\">%s %s</text>\n",
            x, y - 10, anchor_of(curve, nines), name, label);
}

static void print_marks(FILE *stream, const weir_lat_curve *curve)
{
    static const char *const names[] = {"p90", "p99", "p99.9", "p99.99"};

    print_mark(stream, curve, log10(2), "p50");
    for (unsigned nines = 1; nines < weir_lat_curve_named_places(curve) && nines <= 4; nines++)
        print_mark(stream, curve, nines, names[nines - 1]);
    print_mark(stream, curve, curve->nines, "max");
}

void weir_lat_report_svg(FILE *stream, const weir_lat_report *report)
{
    weir_lat_curve curve = weir_lat_curve_rounded(weir_lat_curve_of(report->latencies));

    fputs(head, stream);
    print_titles(stream, report);
    print_axes(stream, &curve);
    if (weir_lat_histogram_count(report->latencies) > 0) {
        print_line(stream, &curve);
        print_marks(stream, &curve);
    } else {
        fprintf(stream, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">no messages</text>\n",
                (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2);
    }
    fputs("</svg>\n", stream);
}
