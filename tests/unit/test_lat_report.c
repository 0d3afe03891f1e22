/* SPDX-License-Identifier: MIT */
/* What the latency harness prints and writes: table, plot, JSON, percentiles, picture, files. */
#include "report.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "curve.h"
#include "output.h"
#include "test.h"

/* A report with its parts: a hundred thousand latencies from 1.00 us to 1.00 ms, one 5 ms. */
struct run {
    weir_lat_options options;
    weir_lat_histogram latencies;
    weir_lat_report report;
};

static struct run *new_empty_run(void)
{
    struct run *run = calloc(1, sizeof *run);

    CHECK(run);
    run->options = (weir_lat_options){
        .connections = 64,
        .threads = 1,
        .size_bytes = 64,
        .duration_ns = INT64_C(2000000000),
        .target = "127.0.0.1:7000",
    };
    run->report = (weir_lat_report){
        .options = &run->options,
        .latencies = &run->latencies,
        .backend = "epoll",
        .elapsed_ns = INT64_C(2000000000),
    };
    return run;
}

static struct run *new_run(void)
{
    struct run *run = new_empty_run();

    for (int i = 0; i < 99999; i++)
        weir_lat_histogram_record(&run->latencies, 1000 + i * 10);
    weir_lat_histogram_record(&run->latencies, 5000000);
    run->report.rated = 100000;
    run->report.rated_bytes = 6400000;
    return run;
}

/* What is printed. The caller frees it. */
static char *printed(weir_lat_output_fn *print, const struct run *run)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    CHECK(stream);
    print(stream, &run->report);
    CHECK_EQ(fclose(stream), 0);
    return text;
}

static void check_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        test_fail(__FILE__, __LINE__, "no '%s' in:\n%s", part, text);
}

WEIR_TEST(lat_report, the_table_has_every_figure)
{
    struct run *run = new_run();
    char *text = printed(weir_lat_report_table, run);

    check_holds(text, "127.0.0.1:7000: echo, 64 connections, 1 thread, 64 bytes, epoll, "
                      "closed loop, 2.0 s\n");
    check_holds(text, "  messages             100000\n");
    check_holds(text, "  messages/s          50000.0\n");
    check_holds(text, "  MiB/s                  3.05\n");
    check_holds(text, "  errors                    0\n");
    check_holds(text, "  p50                  500.99 us\n");
    check_holds(text, "  p90                  901.12 us\n");
    check_holds(text, "  p99                  991.23 us\n");
    check_holds(text, "  p99.9               1000.45 us\n");
    check_holds(text, "  p99.99              1000.96 us\n");
    check_holds(text, "  max                 5000.00 us\n");
    CHECK(!strstr(text, "keep up"));
    free(text);
    free(run);
}

WEIR_TEST(lat_report, the_table_tells_of_what_the_figures_hide)
{
    struct run *run = new_run();
    char *text;

    run->options.rate_per_second = 100000;
    run->report.unserved = 17;
    weir_lat_histogram_record(&run->latencies, INT64_MAX);
    text = printed(weir_lat_report_table, run);
    check_holds(text, "open loop at 100000/s");
    check_holds(text, "17 requests were due and not sent");
    check_holds(text, "1 latencies were beyond 73 minutes");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, a_table_without_messages_has_no_latencies)
{
    struct run *run = new_empty_run();
    char *text;

    run->report.errors = 64;
    run->report.elapsed_ns = 0;
    text = printed(weir_lat_report_table, run);
    check_holds(text, "  messages                  0\n");
    check_holds(text, "  messages/s              0.0\n");
    check_holds(text, "  errors                   64\n");
    check_holds(text, "  max                       -\n");
    CHECK(!strchr(text, '*'));
    free(text);
    free(run);
}

WEIR_TEST(lat_report, a_rate_is_of_what_came_in_the_measured_time)
{
    struct run *run = new_run();
    char *text;

    run->report.rated = 70000;
    text = printed(weir_lat_report_table, run);
    check_holds(text, "  messages             100000\n");
    check_holds(text, "  messages/s          35000.0\n");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, a_backlog_that_took_the_whole_run_is_out_of_reach)
{
    struct run *run = new_empty_run();

    CHECK(!weir_lat_report_is_out_of_reach(&run->report));
    run->report.unserved = 17;
    CHECK(weir_lat_report_is_out_of_reach(&run->report));
    run->report.errors = 1;
    CHECK(!weir_lat_report_is_out_of_reach(&run->report));
    run->report.errors = 0;
    run->report.elapsed_ns = 0;
    CHECK(!weir_lat_report_is_out_of_reach(&run->report));
    run->report.elapsed_ns = 1;
    weir_lat_histogram_record(&run->latencies, 1000);
    CHECK(!weir_lat_report_is_out_of_reach(&run->report));
    free(run);
}

WEIR_TEST(lat_report, the_plot_fits_a_terminal_and_rises)
{
    struct run *run = new_run();
    char *text = printed(weir_lat_report_plot, run);
    char *rest;
    size_t previous = SIZE_MAX;

    check_holds(text, "90%");
    check_holds(text, "99.99%");
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *star = strchr(line, '*');

        CHECK(strlen(line) < 80);
        CHECK(!star || (size_t)(star - line) <= previous);
        previous = star ? (size_t)(star - line) : previous;
    }
    CHECK(previous < 20);
    free(text);
    free(run);
}

WEIR_TEST(lat_report, one_value_can_be_plotted)
{
    struct run *run = new_empty_run();
    char *text;

    weir_lat_histogram_record(&run->latencies, 0);
    text = printed(weir_lat_report_plot, run);
    CHECK(strchr(text, '*'));
    free(text);
    text = printed(weir_lat_report_svg, run);
    check_holds(text, "</svg>");
    CHECK(!strstr(text, "nan") && !strstr(text, "inf"));
    free(text);
    free(run);
}

WEIR_TEST(lat_report, json_has_exactly_its_keys)
{
    struct run *run = new_run();
    char *text = printed(weir_lat_report_json, run);

    CHECK_STR_EQ(text, "{\n"
                       "  \"messages\": 100000,\n"
                       "  \"errors\": 0,\n"
                       "  \"messages_per_second\": 50000.000,\n"
                       "  \"latency_us\": {\"p50\": 500.991, \"p90\": 901.119, \"p99\": 991.231, "
                       "\"p99.9\": 1000.447, \"p99.99\": 1000.959, \"max\": 5000.000},\n"
                       "  \"protocol\": \"echo\",\n"
                       "  \"connections\": 64,\n"
                       "  \"threads\": 1,\n"
                       "  \"size\": 64,\n"
                       "  \"duration_s\": 2,\n"
                       "  \"rate\": null,\n"
                       "  \"backend\": \"epoll\",\n"
                       "  \"coordinated_omission_corrected\": false\n"
                       "}\n");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, json_of_an_open_loop_says_so)
{
    struct run *run = new_run();
    char *text;

    run->options.rate_per_second = 1234.5;
    run->options.protocol = WEIR_LAT_HTTP;
    run->options.size_bytes = 0;
    text = printed(weir_lat_report_json, run);
    check_holds(text, "\"rate\": 1234.5,\n");
    check_holds(text, "\"coordinated_omission_corrected\": true\n");
    check_holds(text, "\"protocol\": \"http\"");
    check_holds(text, "\"size\": null");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, json_without_messages_has_no_latencies)
{
    struct run *run = new_empty_run();
    char *text = printed(weir_lat_report_json, run);

    check_holds(text, "{\"p50\": null, \"p90\": null");
    check_holds(text, "\"max\": null}");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, hgrm_is_laid_out_as_hdrhistogram_does)
{
    struct run *run = new_empty_run();
    char *text;

    for (int i = 1; i <= 4; i++)
        weir_lat_histogram_record(&run->latencies, i * 100);
    text = printed(weir_lat_report_hgrm, run);
    CHECK_STR_EQ(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                       "\n"
                       "       0.100 0.000000000000          1           1.00\n"
                       "       0.100 0.100000000000          1           1.11\n"
                       "       0.100 0.200000000000          1           1.25\n"
                       "       0.200 0.300000000000          2           1.43\n"
                       "       0.200 0.400000000000          2           1.67\n"
                       "       0.200 0.500000000000          2           2.00\n"
                       "       0.300 0.550000000000          3           2.22\n"
                       "       0.300 0.600000000000          3           2.50\n"
                       "       0.300 0.650000000000          3           2.86\n"
                       "       0.300 0.700000000000          3           3.33\n"
                       "       0.300 0.750000000000          3           4.00\n"
                       "       0.400 0.775000000000          4           4.44\n"
                       "       0.400 1.000000000000          4\n"
                       "#[Mean    =        0.250, StdDeviation   =        0.112]\n"
                       "#[Max     =        0.400, Total count    =            4]\n"
                       "#[Buckets =           32, SubBuckets     =         2048]\n"
                       "#[Unit    = microseconds]\n");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, hgrm_rises_to_one)
{
    struct run *run = new_run();
    char *text = printed(weir_lat_report_hgrm, run);
    char *rest;
    double last_value = 0;
    double last_share = -1;

    strtok_r(text, "\n", &rest);
    for (char *line = strtok_r(NULL, "\n", &rest); *line != '#';
         line = strtok_r(NULL, "\n", &rest)) {
        double value;
        double share;

        CHECK_EQ(sscanf(line, "%lf %lf", &value, &share), 2);
        CHECK(value >= last_value);
        CHECK(share > last_share);
        last_value = value;
        last_share = share;
    }
    CHECK(last_share == 1);
    CHECK(last_value == 5000);
    free(text);
    free(run);
}

WEIR_TEST(lat_report, hgrm_without_messages_is_a_heading_and_a_summary)
{
    struct run *run = new_empty_run();
    char *text = printed(weir_lat_report_hgrm, run);

    check_holds(text, "Value");
    check_holds(text, "Total count    =            0]");
    free(text);
    free(run);
}

WEIR_TEST(lat_report, the_picture_names_its_axes_and_its_configuration)
{
    struct run *run = new_run();
    char *text = printed(weir_lat_report_svg, run);

    check_holds(text, "echo, 64 connections, 1 thread, 64 bytes, epoll, closed loop</text>");
    check_holds(text, "127.0.0.1:7000");
    check_holds(text, ">percentile</text>");
    check_holds(text, "latency (&#181;s, logarithmic)");
    check_holds(text, ">p99.99 1001</text>");
    check_holds(text, ">max 5000</text>");
    CHECK(!strstr(text, "nan") && !strstr(text, "inf"));
    CHECK(!strstr(text, "href"));
    free(text);
    free(run);
}

WEIR_TEST(lat_report, a_picture_without_messages_says_so)
{
    struct run *run = new_empty_run();
    char *text = printed(weir_lat_report_svg, run);

    check_holds(text, ">no messages</text>");
    CHECK(!strstr(text, "nan") && !strstr(text, "inf"));
    free(text);
    free(run);
}

WEIR_TEST(lat_report, axes_are_named_by_their_nines)
{
    static const char *const names[] = {"0%",     "90%",     "99%",      "99.9%",
                                        "99.99%", "99.999%", "99.9999%", "99.99999%"};

    for (unsigned nines = 0; nines < sizeof names / sizeof *names; nines++) {
        char label[WEIR_LAT_CURVE_LABEL_MAX];

        weir_lat_curve_label(nines, label);
        CHECK_STR_EQ(label, names[nines]);
    }
}

WEIR_TEST(lat_report, round_numbers_follow_each_other)
{
    static const double expected[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
    double value = 1;

    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        CHECK(value > expected[i] * 0.999 && value < expected[i] * 1.001);
        value = weir_lat_curve_next_round(value);
    }
}

/* Files. Each test has a directory of its own. */

struct place {
    char directory[64];
    char path[96];
};

static struct place new_place(void)
{
    struct place place = {.directory = "/tmp/weir-lat-test-XXXXXX"};

    CHECK(mkdtemp(place.directory));
    snprintf(place.path, sizeof place.path, "%s/out", place.directory);
    return place;
}

static int entry_count(const char *directory)
{
    DIR *stream = opendir(directory);
    int count = -2; /* "." and "..". */

    CHECK(stream);
    while (readdir(stream))
        count++;
    closedir(stream);
    return count;
}

static void remove_place(const struct place *place)
{
    unlink(place->path);
    CHECK_EQ(rmdir(place->directory), 0);
}

static void print_hello(FILE *stream, const weir_lat_report *report)
{
    (void)report;
    fputs("hello\n", stream);
}

/* More than a buffer, so that a print meets the error before the flush. */
static void print_much(FILE *stream, const weir_lat_report *report)
{
    (void)report;
    for (int i = 0; i < 10000; i++)
        fputs("hello, hello, hello\n", stream);
}

static void check_content(const char *path, const char *expected)
{
    char text[64] = "";
    FILE *stream = fopen(path, "r");

    CHECK(stream);
    CHECK(fgets(text, sizeof text, stream));
    CHECK_STR_EQ(text, expected);
    fclose(stream);
}

WEIR_TEST(lat_output, a_file_is_written_and_nothing_is_left_beside_it)
{
    struct place place = new_place();
    weir_lat_failure failure = {""};

    CHECK(weir_lat_output_check(place.path, &failure));
    CHECK(weir_lat_output_write(place.path, print_hello, NULL, &failure));
    check_content(place.path, "hello\n");
    CHECK_EQ(entry_count(place.directory), 1);
    remove_place(&place);
}

WEIR_TEST(lat_output, a_file_replaces_the_one_before)
{
    struct place place = new_place();
    weir_lat_failure failure = {""};

    CHECK(weir_lat_output_write(place.path, print_much, NULL, &failure));
    CHECK(weir_lat_output_check(place.path, &failure));
    CHECK(weir_lat_output_write(place.path, print_hello, NULL, &failure));
    check_content(place.path, "hello\n");
    CHECK_EQ(entry_count(place.directory), 1);
    remove_place(&place);
}

WEIR_TEST(lat_output, files_are_created_under_the_umask)
{
    struct place place = new_place();
    weir_lat_failure failure = {""};
    struct stat status;

    umask(027);
    CHECK(weir_lat_output_write(place.path, print_hello, NULL, &failure));
    CHECK_EQ(stat(place.path, &status), 0);
    CHECK_EQ(status.st_mode & 0777, 0640);
    remove_place(&place);
}

WEIR_TEST(lat_output, a_missing_directory_is_known_before)
{
    weir_lat_failure failure = {""};

    CHECK(!weir_lat_output_check("/nonexistent/x", &failure));
    CHECK(strncmp(failure.text, "/nonexistent/x: ", 16) == 0);
    CHECK(!weir_lat_output_write("/nonexistent/x", print_hello, NULL, &failure));
    check_holds(failure.text, weir_error_text(-ENOENT));
}

WEIR_TEST(lat_output, a_directory_is_no_file)
{
    struct place place = new_place();
    weir_lat_failure failure = {""};

    CHECK(!weir_lat_output_check(place.directory, &failure));
    CHECK(strstr(failure.text, place.directory));
    CHECK(!weir_lat_output_write(place.directory, print_hello, NULL, &failure));
    remove_place(&place);
}

WEIR_TEST(lat_output, a_full_disk_is_one_line)
{
    weir_lat_failure failure = {""};

    CHECK(weir_lat_output_check("/dev/full", &failure));
    CHECK(!weir_lat_output_write("/dev/full", print_hello, NULL, &failure));
    CHECK(strncmp(failure.text, "/dev/full: ", 11) == 0);
    CHECK(!weir_lat_output_write("/dev/full", print_much, NULL, &failure));
    CHECK(strncmp(failure.text, "/dev/full: ", 11) == 0);
    CHECK(access("/dev/full", F_OK) == 0);
}

/* The name is too long with the suffix of the temporary file. */
WEIR_TEST(lat_output, what_stood_there_survives_a_failure)
{
    struct place place = new_place();
    char path[400];
    weir_lat_failure failure = {""};
    FILE *stream;

    snprintf(path, sizeof path, "%s/%0250d", place.directory, 0);
    stream = fopen(path, "w");
    CHECK(stream);
    fputs("before\n", stream);
    fclose(stream);
    CHECK(!weir_lat_output_write(path, print_hello, NULL, &failure));
    check_content(path, "before\n");
    CHECK_EQ(entry_count(place.directory), 1);
    unlink(path);
    remove_place(&place);
}

WEIR_TEST(lat_output, a_link_is_written_through)
{
    struct place place = new_place();
    char link[128];
    struct stat status;
    weir_lat_failure failure = {""};

    snprintf(link, sizeof link, "%s/link", place.directory);
    CHECK_EQ(symlink(place.path, link), 0);
    CHECK(weir_lat_output_check(link, &failure));
    CHECK(weir_lat_output_write(link, print_hello, NULL, &failure));
    CHECK_EQ(lstat(link, &status), 0);
    CHECK(S_ISLNK(status.st_mode));
    check_content(place.path, "hello\n");
    unlink(link);
    remove_place(&place);
}

WEIR_TEST(lat_output, a_stream_that_is_full_is_named)
{
    FILE *stream = fopen("/dev/full", "w");
    weir_lat_failure failure = {""};

    CHECK(stream);
    CHECK(!weir_lat_output_print(stream, "standard output", print_hello, NULL, &failure));
    CHECK(strncmp(failure.text, "standard output: ", 17) == 0);
    fclose(stream);
}
