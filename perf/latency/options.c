/* SPDX-License-Identifier: MIT */
/* The command line of weir-lat. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include <weir/signal.h>

#include "message.h"

enum {
    CONNECTIONS_MAX = 65536,
    THREADS_MAX = WEIR_SIGNAL_SETS_MAX, /* Each awaits SIGINT in a set of its own. */
    TARGET_MAX = 80, /* Bytes of HOST:PORT; the longest address with a scope is shorter. */
    SHOWN_MAX = 80,  /* Bytes of an argument that a failure quotes. */
};

/* Decimal numbers are integers in units of a billionth: nanoseconds, when they are seconds. */
#define BILLION     INT64_C(1000000000)
#define SECONDS_MAX (86400 * BILLION)
#define RATE_MAX    (BILLION * BILLION)

/* One option: what stands behind it is read into the options. False: it is not what is expected. */
struct option {
    const char *name;
    const char *expected;
    bool (*read)(const char *value, weir_lat_options *options);
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Digits only: what strtoul takes beyond them (signs, blanks) is a mistake in an argument. */
static bool read_integer(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (!is_digit(*text))
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max)
            return false;
    }
    if (value < min)
        return false;
    *ret_value = value;
    return true;
}

/* "2", "0.5", ".5": in billionths, of which further digits are dropped. */
static bool read_decimal(const char *text, int64_t min, int64_t max, int64_t *ret_billionths)
{
    int64_t value = 0;
    int64_t unit = BILLION;
    bool has_digits = false;
    bool is_fraction = false;

    for (; *text; text++) {
        if (*text == '.' && !is_fraction) {
            is_fraction = true;
            continue;
        }
        if (!is_digit(*text))
            return false;
        has_digits = true;
        if (is_fraction)
            unit /= 10;
        else if (value > max / 10)
            return false;
        else
            value *= 10;
        value += (*text - '0') * unit;
    }
    if (!has_digits || value < min || value > max)
        return false;
    *ret_billionths = value;
    return true;
}

static bool read_protocol(const char *value, weir_lat_options *options)
{
    if (strcmp(value, "echo") != 0 && strcmp(value, "http") != 0)
        return false;
    options->protocol = strcmp(value, "http") == 0 ? WEIR_LAT_HTTP : WEIR_LAT_ECHO;
    return true;
}

static bool read_connections(const char *value, weir_lat_options *options)
{
    uint64_t connections;

    if (!read_integer(value, 1, CONNECTIONS_MAX, &connections))
        return false;
    options->connections = (unsigned)connections;
    return true;
}

static bool read_threads(const char *value, weir_lat_options *options)
{
    uint64_t threads;

    if (!read_integer(value, 1, THREADS_MAX, &threads))
        return false;
    options->threads = (unsigned)threads;
    return true;
}

static bool read_size(const char *value, weir_lat_options *options)
{
    uint64_t size;

    if (!read_integer(value, 1, WEIR_LAT_MESSAGE_MAX_BYTES, &size))
        return false;
    options->size_bytes = (size_t)size;
    return true;
}

static bool read_duration(const char *value, weir_lat_options *options)
{
    return read_decimal(value, BILLION / 1000, SECONDS_MAX, &options->duration_ns);
}

static bool read_warmup(const char *value, weir_lat_options *options)
{
    return read_decimal(value, 0, SECONDS_MAX, &options->warmup_ns);
}

static bool read_rate(const char *value, weir_lat_options *options)
{
    int64_t billionths;

    if (!read_decimal(value, BILLION / 1000, RATE_MAX, &billionths))
        return false;
    options->rate_per_second = (double)billionths / (double)BILLION;
    return true;
}

static bool read_backend(const char *value, weir_lat_options *options)
{
    options->backend = value;
    return strcmp(value, "uring") == 0 || strcmp(value, "epoll") == 0;
}

static bool read_spin(const char *value, weir_lat_options *options)
{
    uint64_t microseconds;

    if (!read_integer(value, 0, 1000000, &microseconds))
        return false;
    options->spin_ns_max = microseconds > 0 ? (int64_t)microseconds * 1000 : -1;
    return true;
}

static bool read_json_path(const char *value, weir_lat_options *options)
{
    options->json_path = value;
    return *value;
}

static bool read_hgrm_path(const char *value, weir_lat_options *options)
{
    options->hgrm_path = value;
    return *value;
}

static bool read_svg_path(const char *value, weir_lat_options *options)
{
    options->svg_path = value;
    return *value;
}

static const struct option known_options[] = {
    {"--protocol", "expected echo or http", read_protocol},
    {"--connections", "expected 1 to 65536", read_connections},
    {"--threads", "expected 1 to 64", read_threads},
    {"--size", "expected 1 to 16777216", read_size},
    {"--duration", "expected seconds from 0.001 to 86400", read_duration},
    {"--warmup", "expected seconds from 0 to 86400", read_warmup},
    {"--rate", "expected 0.001 to 1000000000 a second", read_rate},
    {"--backend", "expected uring or epoll", read_backend},
    {"--spin", "expected 0 to 1000000 microseconds", read_spin},
    {"--json", "expected a file", read_json_path},
    {"--hgrm", "expected a file", read_hgrm_path},
    {"--svg", "expected a file", read_svg_path},
};

/* The option that an argument names, alone or up to its "=". */
static const struct option *find_option(const char *argument)
{
    size_t length = strcspn(argument, "=");

    for (size_t i = 0; i < sizeof known_options / sizeof *known_options; i++) {
        const struct option *option = &known_options[i];

        if (strlen(option->name) == length && memcmp(option->name, argument, length) == 0)
            return option;
    }
    return NULL;
}

/* Where the parser stands in the arguments. */
struct cursor {
    int argc;
    char *const *argv;
    int next;
};

static bool parse_option(struct cursor *cursor, const char *argument, weir_lat_failure *failure,
                         weir_lat_options *options)
{
    const struct option *option = find_option(argument);
    const char *equals = strchr(argument, '=');
    const char *value;

    if (!option) {
        weir_lat_failure_set(failure, "'%.*s': no such option (see --help)", SHOWN_MAX, argument);
        return false;
    }
    if (!equals && cursor->next == cursor->argc) {
        weir_lat_failure_set(failure, "%s: %s", option->name, option->expected);
        return false;
    }
    value = equals ? equals + 1 : cursor->argv[cursor->next++];
    if (option->read(value, options))
        return true;
    weir_lat_failure_set(failure, "%s: '%.*s': %s", option->name, SHOWN_MAX, value,
                         option->expected);
    return false;
}

/* The port of localhost; NULL when the target is another host. */
static const char *port_of_localhost(const char *target)
{
    static const char host[] = "localhost:";
    size_t length = sizeof host - 1;

    return strncmp(target, host, length) == 0 ? target + length : NULL;
}

/* A numeric endpoint with a port to connect to. */
static bool read_endpoint(const char *target, weir_endpoint *ret_endpoint)
{
    const char *port = port_of_localhost(target);
    char text[TARGET_MAX];
    int length = port ? snprintf(text, sizeof text, "127.0.0.1:%s", port)
                      : snprintf(text, sizeof text, "%s", target);
    weir_endpoint endpoint;

    if (length >= (int)sizeof text)
        return false;
    if (weir_endpoint_parse(text, &endpoint) || endpoint.port == 0)
        return false;
    *ret_endpoint = endpoint;
    return true;
}

static bool parse_target(const char *argument, weir_lat_failure *failure, weir_lat_options *options)
{
    if (options->target) {
        weir_lat_failure_set(failure, "'%.*s': expected one HOST:PORT only", SHOWN_MAX, argument);
        return false;
    }
    options->target = argument;
    if (read_endpoint(argument, &options->endpoint))
        return true;
    weir_lat_failure_set(
        failure, "'%.*s': expected HOST:PORT, HOST numeric ([...] around IPv6) or localhost",
        SHOWN_MAX, argument);
    return false;
}

/* What no option can say alone. */
static bool check_together(weir_lat_options *options, weir_lat_failure *failure)
{
    if (!options->target) {
        weir_lat_failure_set(failure, "HOST:PORT is missing (see --help)");
        return false;
    }
    if (options->threads > options->connections) {
        weir_lat_failure_set(failure, "--threads: '%u': expected at most the %u of --connections",
                             options->threads, options->connections);
        return false;
    }
    return true;
}

const char *weir_lat_protocol_name(weir_lat_protocol protocol)
{
    return protocol == WEIR_LAT_HTTP ? "http" : "echo";
}

bool weir_lat_options_parse(int argc, char *const *argv, weir_lat_failure *failure,
                            weir_lat_options *ret_options)
{
    weir_lat_options options = {
        .connections = 1,
        .threads = 1,
        .duration_ns = 10 * BILLION,
        .warmup_ns = BILLION,
    };
    struct cursor cursor = {argc, argv, 1};

    while (cursor.next < argc) {
        const char *argument = argv[cursor.next++];
        bool is_option = argument[0] == '-';

        if (strcmp(argument, "--help") == 0) {
            ret_options->help = true;
            return true;
        }
        if (is_option ? !parse_option(&cursor, argument, failure, &options)
                      : !parse_target(argument, failure, &options))
            return false;
    }
    if (!check_together(&options, failure))
        return false;
    if (options.protocol == WEIR_LAT_ECHO && options.size_bytes == 0)
        options.size_bytes = 64;
    *ret_options = options;
    return true;
}

const char weir_lat_usage[] =
    "usage: weir-lat [OPTION...] HOST:PORT\n"
    "\n"
    "Send requests to a server, check every byte that comes back, and print how long\n"
    "it took. HOST is a numeric IPv4 address, an IPv6 address in brackets, or\n"
    "localhost (127.0.0.1). Each connection has one request in flight.\n"
    "\n"
    "  --protocol echo|http  what the server speaks: it sends back what it gets, or it\n"
    "                        answers GET / with status 200 and a body (echo)\n"
    "  --connections N       connections of all threads together (1)\n"
    "  --threads T           threads, each with a loop of its own (1)\n"
    "  --size BYTES          echo: bytes of a message (64); http: bytes that every body\n"
    "                        must have (as many as the connection's first)\n"
    "  --duration S          seconds to measure, fractions allowed (10)\n"
    "  --warmup S            seconds before that, not measured (1)\n"
    "  --rate R              requests a second of all connections together, due at fixed\n"
    "                        times: latencies count from then, so that a stall of the\n"
    "                        server is not hidden. Without it the next request leaves\n"
    "                        when the answer is there (closed loop)\n"
    "  --backend uring|epoll what weir-lat itself runs on (the first that works)\n"
    "  --spin MICROSECONDS   how long weir-lat itself looks for answers before it sleeps, at\n"
    "                        most; 0: it sleeps at once (the library's choice)\n"
    "  --json FILE           write the figures as JSON\n"
    "  --hgrm FILE           write the percentiles as HdrHistogram's tools read them,\n"
    "                        values in microseconds\n"
    "  --svg FILE            draw the curve of the percentiles\n"
    "  --help                print this\n"
    "\n"
    "Exit status: 0; 1 when there were errors (a wrong or missing byte, a lost\n"
    "connection, no answer, a file that cannot be written) or the rate left no time\n"
    "for any request of the measured time; 2 for wrong arguments.\n"
    "SIGINT ends the run early; what was measured is reported.\n";
