/* SPDX-License-Identifier: MIT */
/* The command line of the latency harness. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

enum { ARGUMENTS_MAX = 32 };

/* The arguments of one command line, cut at its blanks. */
struct line {
    char text[512];
    char *argv[ARGUMENTS_MAX];
    int argc;
};

static void split(const char *text, struct line *ret_line)
{
    char *rest;

    CHECK(strlen(text) < sizeof ret_line->text);
    memcpy(ret_line->text, text, strlen(text) + 1);
    ret_line->argc = 0;
    for (char *word = strtok_r(ret_line->text, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        CHECK(ret_line->argc < ARGUMENTS_MAX);
        ret_line->argv[ret_line->argc++] = word;
    }
}

/* The options point into the line. */
static weir_lat_options parsed(const char *text, struct line *line)
{
    weir_lat_failure failure = {""};
    weir_lat_options options = {0};

    split(text, line);
    if (!weir_lat_options_parse(line->argc, line->argv, &failure, &options))
        test_fail(__FILE__, __LINE__, "%s: %s", text, failure.text);
    CHECK_STR_EQ(failure.text, "");
    return options;
}

static void check_failure(const char *text, const char *expected)
{
    weir_lat_failure failure = {""};
    weir_lat_options options = {.connections = 77};
    struct line line;

    split(text, &line);
    CHECK(!weir_lat_options_parse(line.argc, line.argv, &failure, &options));
    CHECK_STR_EQ(failure.text, expected);
    CHECK_EQ(options.connections, 77);
}

WEIR_TEST(lat_options, defaults_need_only_a_target)
{
    struct line line;
    weir_lat_options options = parsed("weir-lat 127.0.0.1:7000", &line);

    CHECK_EQ(options.protocol, WEIR_LAT_ECHO);
    CHECK_EQ(options.connections, 1);
    CHECK_EQ(options.threads, 1);
    CHECK_EQ(options.size_bytes, 64);
    CHECK_EQ(options.duration_ns, INT64_C(10000000000));
    CHECK_EQ(options.warmup_ns, INT64_C(1000000000));
    CHECK(options.rate_per_second == 0);
    CHECK_EQ(options.spin_ns_max, 0);
    CHECK(!options.backend && !options.json_path && !options.hgrm_path && !options.svg_path);
    CHECK_STR_EQ(options.target, "127.0.0.1:7000");
    CHECK_EQ(options.endpoint.port, 7000);
    CHECK(!options.help);
}

WEIR_TEST(lat_options, every_option_is_read)
{
    struct line line;
    weir_lat_options options =
        parsed("weir-lat --protocol http --connections 64 --threads 2 --size 4096 --duration 2.5 "
               "--warmup 0 --rate 1234.5 --backend epoll --spin 20 --json a.json --hgrm b.hgrm "
               "--svg c.svg [::1]:80",
               &line);

    CHECK_EQ(options.protocol, WEIR_LAT_HTTP);
    CHECK_EQ(options.connections, 64);
    CHECK_EQ(options.threads, 2);
    CHECK_EQ(options.size_bytes, 4096);
    CHECK_EQ(options.duration_ns, INT64_C(2500000000));
    CHECK_EQ(options.warmup_ns, 0);
    CHECK(options.rate_per_second == 1234.5);
    CHECK_STR_EQ(options.backend, "epoll");
    CHECK_EQ(options.spin_ns_max, 20000);
    CHECK_STR_EQ(options.json_path, "a.json");
    CHECK_STR_EQ(options.hgrm_path, "b.hgrm");
    CHECK_STR_EQ(options.svg_path, "c.svg");
    CHECK_EQ(options.endpoint.family, WEIR_IPV6);
}

WEIR_TEST(lat_options, values_may_stand_behind_an_equals_sign)
{
    struct line line;
    weir_lat_options options = parsed("weir-lat 10.0.0.1:1 --size=7 --json=a=b", &line);

    CHECK_EQ(options.size_bytes, 7);
    CHECK_STR_EQ(options.json_path, "a=b");
}

WEIR_TEST(lat_options, the_last_of_several_counts)
{
    struct line line;

    CHECK_EQ(parsed("weir-lat --size 7 --size 8 10.0.0.1:1", &line).size_bytes, 8);
}

WEIR_TEST(lat_options, localhost_is_the_loopback_of_ipv4)
{
    struct line line;
    weir_lat_options options = parsed("weir-lat localhost:8080", &line);

    CHECK_STR_EQ(options.target, "localhost:8080");
    CHECK_EQ(options.endpoint.family, WEIR_IPV4);
    CHECK_EQ(options.endpoint.port, 8080);
    CHECK(weir_ipv4_equals(options.endpoint.address.ipv4, weir_ipv4_loopback()));
}

WEIR_TEST(lat_options, http_without_a_size_takes_any_body)
{
    struct line line;

    CHECK_EQ(parsed("weir-lat --protocol http 10.0.0.1:1", &line).size_bytes, 0);
}

WEIR_TEST(lat_options, help_wins_over_what_follows)
{
    struct line line;

    CHECK(parsed("weir-lat --help --nonsense", &line).help);
    CHECK(parsed("weir-lat --size 5 --help", &line).help);
}

WEIR_TEST(lat_options, seconds_and_rates_may_be_fractions)
{
    struct line line;

    CHECK_EQ(parsed("weir-lat --duration .5 1.1.1.1:1", &line).duration_ns, 500000000);
    CHECK_EQ(parsed("weir-lat --duration 0.001 1.1.1.1:1", &line).duration_ns, 1000000);
    CHECK_EQ(parsed("weir-lat --duration 3. 1.1.1.1:1", &line).duration_ns, INT64_C(3000000000));
    CHECK_EQ(parsed("weir-lat --duration 0.33333333333333 1.1.1.1:1", &line).duration_ns,
             333333333);
    CHECK_EQ(parsed("weir-lat --duration 86400 1.1.1.1:1", &line).duration_ns,
             INT64_C(86400000000000));
    CHECK(parsed("weir-lat --rate 0.25 1.1.1.1:1", &line).rate_per_second == 0.25);
    CHECK(parsed("weir-lat --rate 1000000000 1.1.1.1:1", &line).rate_per_second == 1e9);
}

WEIR_TEST(lat_options, integers_are_checked_at_their_limits)
{
    struct line line;

    CHECK_EQ(parsed("weir-lat --size 1 1.1.1.1:1", &line).size_bytes, 1);
    CHECK_EQ(parsed("weir-lat --size 16777216 1.1.1.1:1", &line).size_bytes, 16777216);
    CHECK_EQ(parsed("weir-lat --connections 65536 1.1.1.1:1", &line).connections, 65536);
    check_failure("weir-lat --size 0 1.1.1.1:1", "--size: '0': expected 1 to 16777216");
    check_failure("weir-lat --size 16777217 1.1.1.1:1",
                  "--size: '16777217': expected 1 to 16777216");
    check_failure("weir-lat --size 18446744073709551617 1.1.1.1:1",
                  "--size: '18446744073709551617': expected 1 to 16777216");
    check_failure("weir-lat --connections 65537 1.1.1.1:1",
                  "--connections: '65537': expected 1 to 65536");
    check_failure("weir-lat --threads 65 1.1.1.1:1", "--threads: '65': expected 1 to 64");
}

WEIR_TEST(lat_options, what_is_no_number_is_refused)
{
    check_failure("weir-lat --size -1 1.1.1.1:1", "--size: '-1': expected 1 to 16777216");
    check_failure("weir-lat --size 64k 1.1.1.1:1", "--size: '64k': expected 1 to 16777216");
    check_failure("weir-lat --size=", "--size: '': expected 1 to 16777216");
    check_failure("weir-lat --size 0x40 1.1.1.1:1", "--size: '0x40': expected 1 to 16777216");
    check_failure("weir-lat --duration 1e3 1.1.1.1:1",
                  "--duration: '1e3': expected seconds from 0.001 to 86400");
    check_failure("weir-lat --duration nan 1.1.1.1:1",
                  "--duration: 'nan': expected seconds from 0.001 to 86400");
    check_failure("weir-lat --duration 1.2.3 1.1.1.1:1",
                  "--duration: '1.2.3': expected seconds from 0.001 to 86400");
    check_failure("weir-lat --duration . 1.1.1.1:1",
                  "--duration: '.': expected seconds from 0.001 to 86400");
    check_failure("weir-lat --duration 0 1.1.1.1:1",
                  "--duration: '0': expected seconds from 0.001 to 86400");
    check_failure("weir-lat --warmup 99999999999999999999 1.1.1.1:1",
                  "--warmup: '99999999999999999999': expected seconds from 0 to 86400");
    check_failure("weir-lat --rate 0 1.1.1.1:1",
                  "--rate: '0': expected 0.001 to 1000000000 a second");
    check_failure("weir-lat --rate inf 1.1.1.1:1",
                  "--rate: 'inf': expected 0.001 to 1000000000 a second");
}

WEIR_TEST(lat_options, a_spin_of_nothing_is_never_and_others_are_bounded)
{
    struct line line;

    CHECK_EQ(parsed("weir-lat --spin 0 1.1.1.1:1", &line).spin_ns_max, -1);
    CHECK_EQ(parsed("weir-lat --spin 1000000 1.1.1.1:1", &line).spin_ns_max, 1000000000);
    check_failure("weir-lat --spin 1000001 1.1.1.1:1",
                  "--spin: '1000001': expected 0 to 1000000 microseconds");
    check_failure("weir-lat --spin -1 1.1.1.1:1",
                  "--spin: '-1': expected 0 to 1000000 microseconds");
}

WEIR_TEST(lat_options, words_are_checked)
{
    check_failure("weir-lat --protocol udp 1.1.1.1:1", "--protocol: 'udp': expected echo or http");
    check_failure("weir-lat --backend kqueue 1.1.1.1:1",
                  "--backend: 'kqueue': expected uring or epoll");
    check_failure("weir-lat --json= 1.1.1.1:1", "--json: '': expected a file");
}

WEIR_TEST(lat_options, a_missing_value_says_what_is_expected)
{
    check_failure("weir-lat 1.1.1.1:1 --size", "--size: expected 1 to 16777216");
    check_failure("weir-lat 1.1.1.1:1 --json", "--json: expected a file");
}

WEIR_TEST(lat_options, unknown_options_are_named)
{
    check_failure("weir-lat --sizes 4 1.1.1.1:1", "'--sizes': no such option (see --help)");
    check_failure("weir-lat --siz=4 1.1.1.1:1", "'--siz=4': no such option (see --help)");
    check_failure("weir-lat -h", "'-h': no such option (see --help)");
    check_failure("weir-lat --", "'--': no such option (see --help)");
}

WEIR_TEST(lat_options, the_target_is_one_numeric_endpoint)
{
    static const char expected[] =
        "': expected HOST:PORT, HOST numeric ([...] around IPv6) or localhost";
    static const char *const wrong[] = {
        "1.1.1.1",     "1.1.1.1:",    "1.1.1.1:0",   "1.1.1.1:65536",  "1.1.1:80",
        "example:80",  "::1:80",      "[::1]",       "[::1:80",        "localhost",
        "localhost:",  "localhost:0", "localhost:x", "localhost:1:2",  ":80",
        "LOCALHOST:1", "1.1.1.1:+1",  "1.1.1.1:80x", "localhost:00001"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        char failure[160];

        snprintf(text, sizeof text, "weir-lat %s", wrong[i]);
        snprintf(failure, sizeof failure, "'%s%s", wrong[i], expected);
        check_failure(text, failure);
    }
    check_failure("weir-lat", "HOST:PORT is missing (see --help)");
    check_failure("weir-lat 1.1.1.1:1 2.2.2.2:2", "'2.2.2.2:2': expected one HOST:PORT only");
}

WEIR_TEST(lat_options, threads_need_a_connection_each)
{
    struct line line;

    check_failure("weir-lat --threads 2 1.1.1.1:1",
                  "--threads: '2': expected at most the 1 of --connections");
    CHECK_EQ(parsed("weir-lat --threads 2 --connections 2 1.1.1.1:1", &line).threads, 2);
}

WEIR_TEST(lat_options, a_failure_is_one_line_whatever_the_arguments_hold)
{
    char newline[] = "a\nb\x1b[31m";
    char long_argument[2000];
    char *with_newline[] = {"weir-lat", newline};
    char *with_long[] = {"weir-lat", "--size", long_argument};
    weir_lat_failure failure;
    weir_lat_options options;

    memset(long_argument, 'x', sizeof long_argument);
    long_argument[sizeof long_argument - 1] = '\0';
    CHECK(!weir_lat_options_parse(2, with_newline, &failure, &options));
    CHECK(strncmp(failure.text, "'a?b?[31m'", 10) == 0);
    CHECK(!weir_lat_options_parse(3, with_long, &failure, &options));
    CHECK(!strchr(failure.text, '\n'));
    CHECK(strstr(failure.text, "expected 1 to 16777216"));
}

WEIR_TEST(lat_options, the_usage_names_every_option)
{
    static const char *const names[] = {
        "--protocol", "--connections", "--threads", "--size", "--duration", "--warmup", "--rate",
        "--backend",  "--spin",        "--json",    "--hgrm", "--svg",      "--help"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(strstr(weir_lat_usage, names[i]));
}
