/* SPDX-License-Identifier: MIT */
/*
 * The active connections of the client: each sends a message at fixed times, whatever became of the
 * ones before, and the time from when it was due until it is back is its latency. One that would
 * find its predecessor still on the way is not sent, and counted.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "histogram.h"
#include "scale.h"

enum { EVENTS_MAX = 256 };

struct speaker {
    int descriptor;
    unsigned received; /* Bytes of the message that is on its way back. */
    int64_t due_ns;    /* When that was due; 0: none is on its way. */
};

struct weir_scale_active {
    int epoll;
    unsigned count;
    weir_lat_histogram *histogram;
    struct speaker speakers[];
};

static int speaker_open(struct speaker *speaker, uint32_t address, uint32_t port, int epoll)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_addr.s_addr = address, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = speaker};
    int one = 1;

    speaker->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (speaker->descriptor < 0)
        return -errno;
    if (setsockopt(speaker->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        connect(speaker->descriptor, (const struct sockaddr *)&peer, sizeof peer) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, speaker->descriptor, &event) < 0) {
        int error = -errno;

        (void)close(speaker->descriptor);
        return error;
    }
    return 0;
}

weir_scale_active *weir_scale_active_new(const weir_scale_shared *shared, unsigned loop_count,
                                         unsigned count)
{
    weir_scale_active *active = calloc(1, sizeof *active + count * sizeof active->speakers[0]);
    int error = 0;

    if (!active)
        return NULL;
    active->histogram = calloc(1, sizeof *active->histogram);
    active->epoll = epoll_create1(EPOLL_CLOEXEC);
    while (!error && active->count < count) {
        unsigned loop = active->count % loop_count;

        error = speaker_open(&active->speakers[active->count], weir_scale_address(loop, 0),
                             shared->loops[loop].ports[0], active->epoll);
        if (!error)
            active->count++;
    }
    if (!error && active->histogram)
        return active;
    weir_scale_active_free(active);
    errno = -error;
    return NULL;
}

void weir_scale_active_free(weir_scale_active *active)
{
    while (active->count > 0)
        (void)close(active->speakers[--active->count].descriptor);
    (void)close(active->epoll);
    free(active->histogram);
    free(active);
}

static int speak(struct speaker *speaker, int64_t due_ns)
{
    static const uint8_t message[WEIR_SCALE_MESSAGE_BYTES];

    speaker->due_ns = due_ns;
    speaker->received = 0;
    if (send(speaker->descriptor, message, sizeof message, MSG_NOSIGNAL) == sizeof message)
        return 0;
    return errno ? -errno : -EIO;
}

/* What is here of a message, and its latency when it is complete. */
static int listen_to(weir_scale_active *active, struct speaker *speaker)
{
    uint8_t bytes[WEIR_SCALE_MESSAGE_BYTES];
    ssize_t size = recv(speaker->descriptor, bytes, sizeof bytes - speaker->received, MSG_DONTWAIT);

    if (size <= 0)
        return size < 0 ? -errno : -ECONNRESET;
    speaker->received += (unsigned)size;
    if (speaker->received < WEIR_SCALE_MESSAGE_BYTES)
        return 0;
    weir_lat_histogram_record(active->histogram, weir_scale_now_ns() - speaker->due_ns);
    speaker->due_ns = 0;
    return 0;
}

static int wait_until(weir_scale_active *active, int64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t left_ns = until_ns - weir_scale_now_ns();
    struct timespec timeout = {0};
    int error = 0;
    int count;
    int i;

    if (left_ns > 0)
        timeout = (struct timespec){left_ns / 1000000000, left_ns % 1000000000};
    count = epoll_pwait2(active->epoll, events, EVENTS_MAX, &timeout, NULL);
    for (i = 0; i < count && !error; i++)
        error = listen_to(active, events[i].data.ptr);
    return error;
}

static void sum_up(const weir_scale_active *active, weir_scale_latency *latency)
{
    const weir_lat_histogram *histogram = active->histogram;

    latency->messages = weir_lat_histogram_count(histogram);
    latency->p50_us = (double)weir_lat_histogram_percentile(histogram, 50) / 1e3;
    latency->p99_us = (double)weir_lat_histogram_percentile(histogram, 99) / 1e3;
    latency->p999_us = (double)weir_lat_histogram_percentile(histogram, 99.9) / 1e3;
    latency->max_us = (double)weir_lat_histogram_max(histogram) / 1e3;
}

int weir_scale_active_run(weir_scale_active *active, double rate, double seconds,
                          weir_scale_latency *ret_latency)
{
    int64_t interval_ns = (int64_t)(1e9 / (rate * active->count));
    int64_t due_ns = weir_scale_now_ns() + interval_ns;
    int64_t end_ns = due_ns + (int64_t)(seconds * 1e9);
    unsigned next = 0;
    int error = 0;

    memset(ret_latency, 0, sizeof *ret_latency);
    memset(active->histogram, 0, sizeof *active->histogram);
    while (!error && due_ns < end_ns) {
        error = wait_until(active, due_ns);
        for (; !error && due_ns <= weir_scale_now_ns() && due_ns < end_ns; due_ns += interval_ns) {
            struct speaker *speaker = &active->speakers[next++ % active->count];

            if (speaker->due_ns)
                ret_latency->missing++;
            else
                error = speak(speaker, due_ns);
        }
    }
    /* The last of them come back. */
    for (end_ns += INT64_C(1000000000); !error && weir_scale_now_ns() < end_ns;)
        error = wait_until(active, end_ns);
    sum_up(active, ret_latency);
    return error;
}
