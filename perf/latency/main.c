/* SPDX-License-Identifier: MIT */
/*
 * weir-lat: how long a server takes to answer, with every answer checked.
 *
 * Exit status: 0; 1 when something went wrong, with one line that says what; 2 for wrong arguments.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "options.h"
#include "output.h"
#include "run.h"

enum {
    STATUS_OK = 0,
    STATUS_ERROR = 1,
    STATUS_USAGE = 2,
};

static int fail(int status, const weir_lat_failure *failure)
{
    fprintf(stderr, "weir-lat: %s\n", failure->text);
    return status;
}

/* A connection costs a descriptor; take all that the hard limit allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Better to know before the run than after it. */
static bool check_files(const weir_lat_options *options, weir_lat_failure *failure)
{
    return (!options->json_path || weir_lat_output_check(options->json_path, failure)) &&
           (!options->hgrm_path || weir_lat_output_check(options->hgrm_path, failure)) &&
           (!options->svg_path || weir_lat_output_check(options->svg_path, failure));
}

static bool write_file(const char *path, weir_lat_output_fn *print, const weir_lat_report *report)
{
    weir_lat_failure failure;

    if (!path || weir_lat_output_write(path, print, report, &failure))
        return true;
    fail(STATUS_ERROR, &failure);
    return false;
}

static bool print_table(const weir_lat_report *report)
{
    weir_lat_failure failure;

    if (weir_lat_output_print(stdout, "standard output", weir_lat_report_table, report, &failure))
        return true;
    fail(STATUS_ERROR, &failure);
    return false;
}

/* One that fails does not keep the others from being written; nor does a reader of the table that
 * has gone away, which ends the process. */
static bool publish(const weir_lat_report *report)
{
    const weir_lat_options *options = report->options;
    bool has_json = write_file(options->json_path, weir_lat_report_json, report);
    bool has_hgrm = write_file(options->hgrm_path, weir_lat_report_hgrm, report);
    bool has_svg = write_file(options->svg_path, weir_lat_report_svg, report);
    bool has_table = print_table(report);

    return has_json && has_hgrm && has_svg && has_table;
}

static int conclude(const weir_lat_report *report, const weir_lat_failure *failure)
{
    bool is_published = publish(report);
    bool is_out_of_reach = weir_lat_report_is_out_of_reach(report);

    if (report->errors > 1)
        fprintf(stderr, "weir-lat: %s (the first of %" PRIu64 " errors)\n", failure->text,
                report->errors);
    else if (report->errors == 1)
        fail(STATUS_ERROR, failure);
    if (is_out_of_reach)
        fprintf(stderr, "weir-lat: the server cannot keep up: "
                        "no request due in the measured time was reached\n");
    return report->errors > 0 || is_out_of_reach || !is_published ? STATUS_ERROR : STATUS_OK;
}

static int measure(const weir_lat_options *options)
{
    weir_lat_failure failure = {""};
    weir_lat_report report;
    weir_lat_run run;
    int status;

    raise_descriptor_limit();
    if (weir_lat_run_init(&run, options, &failure) && weir_lat_run_execute(&run, &failure, &report))
        status = conclude(&report, &failure);
    else
        status = fail(STATUS_ERROR, &failure);
    weir_lat_run_fini(&run);
    return status;
}

int main(int argc, char **argv)
{
    weir_lat_options options = {0};
    weir_lat_failure failure;

    if (!weir_lat_options_parse(argc, argv, &failure, &options))
        return fail(STATUS_USAGE, &failure);
    if (options.help)
        return fputs(weir_lat_usage, stdout) < 0 || fflush(stdout) != 0 ? STATUS_ERROR : STATUS_OK;
    if (!check_files(&options, &failure))
        return fail(STATUS_ERROR, &failure);
    return measure(&options);
}
