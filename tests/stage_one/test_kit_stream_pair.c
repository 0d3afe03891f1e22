/* SPDX-License-Identifier: MIT */
/* Stream pairs: bytes in order through bounded buffers, ends, resets and stops. */
#include <errno.h>

#include "test_kit_task.h"

enum { ROOM = 4 };

/* Two ends with room for a few bytes each way, and an executor. */
struct rig {
    weir_stream_pair pair;
    weir_manual manual;
    struct transfer client; /* On the first end. */
    struct transfer server; /* On the second. */
    char there[ROOM];
    char back[ROOM];
};

static void rig_init(struct rig *rig)
{
    weir_stream_pair_init(&rig->pair, weir_buffer_of(rig->there, ROOM),
                          weir_buffer_of(rig->back, ROOM));
    weir_manual_init(&rig->manual, NULL);
}

static void rig_fini(struct rig *rig)
{
    weir_test_check_idle(&rig->manual);
    weir_manual_fini(&rig->manual);
    weir_stream_pair_fini(&rig->pair);
}

static void client_write(struct rig *rig, transfer_start_fn *start, const char *text)
{
    transfer_init_write(&rig->client, start, &rig->pair.first.stream, text, strlen(text));
    transfer_launch(&rig->client, &rig->manual);
}

static void client_finish(struct rig *rig)
{
    transfer_init(&rig->client, start_finish, &rig->pair.first.stream);
    transfer_launch(&rig->client, &rig->manual);
    CHECK_RESULT(rig->client.result, 0, 0);
}

static void server_read(struct rig *rig, transfer_start_fn *start, void *data, size_t size)
{
    transfer_init_read(&rig->server, start, &rig->pair.second.stream, data, size);
    transfer_launch(&rig->server, &rig->manual);
}

WEIR_TEST(kit_stream_pair, what_one_end_writes_the_other_reads)
{
    struct rig rig;
    char data[8] = {0};

    rig_init(&rig);
    client_write(&rig, start_write, "abc");
    CHECK_RESULT(rig.client.result, 0, 3);
    CHECK_EQ(weir_pair_end_unread(&rig.pair.second), 3);
    CHECK_EQ(weir_pair_end_unread(&rig.pair.first), 0);
    server_read(&rig, start_read_some, data, sizeof data);
    CHECK_RESULT(rig.server.result, 0, 3);
    CHECK_STR_EQ(data, "abc");
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, a_read_waits_while_it_is_empty)
{
    struct rig rig;
    char data[8] = {0};

    rig_init(&rig);
    server_read(&rig, start_read_some, data, sizeof data);
    CHECK(!rig.server.is_done);
    client_write(&rig, start_write, "ab");
    CHECK_RESULT(rig.server.result, 0, 2);
    CHECK_STR_EQ(data, "ab");
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, a_write_waits_while_it_is_full)
{
    struct rig rig;
    char data[8] = {0};

    rig_init(&rig);
    client_write(&rig, start_write, "abcdef");
    CHECK(!rig.client.is_done);
    CHECK_EQ(weir_pair_end_unread(&rig.pair.second), ROOM);
    server_read(&rig, start_read, data, 6);
    CHECK_RESULT(rig.client.result, 0, 6);
    CHECK_RESULT(rig.server.result, 0, 6);
    CHECK_STR_EQ(data, "abcdef");
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, bytes_keep_their_order_round_the_ring)
{
    struct rig rig;
    char data[ROOM];
    unsigned char written = 0;
    unsigned char read = 0;

    rig_init(&rig);
    for (size_t i = 0; i < 100; i++) {
        char text[ROOM] = {0};

        for (size_t j = 0; j < i % ROOM; j++)
            text[j] = (char)('a' + written++ % 26);
        client_write(&rig, start_write, text);
        server_read(&rig, start_read, data, i % ROOM);
        CHECK_RESULT(rig.server.result, 0, i % ROOM);
        for (size_t j = 0; j < i % ROOM; j++)
            CHECK_EQ(data[j], 'a' + read++ % 26);
    }
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, the_end_of_writing_comes_after_the_bytes_and_stays)
{
    struct rig rig;
    char data[8];

    rig_init(&rig);
    client_write(&rig, start_write, "abc");
    client_finish(&rig);
    server_read(&rig, start_read, data, sizeof data);
    CHECK_RESULT(rig.server.result, WEIR_EOF, 3);
    server_read(&rig, start_read_some, data, sizeof data);
    CHECK_RESULT(rig.server.result, WEIR_EOF, 0);
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, the_end_of_writing_completes_a_read_that_waits)
{
    struct rig rig;
    char data[8];

    rig_init(&rig);
    server_read(&rig, start_read_some, data, sizeof data);
    client_finish(&rig);
    CHECK_RESULT(rig.server.result, WEIR_EOF, 0);
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, the_other_way_stays_open_behind_an_end_of_writing)
{
    struct rig rig;
    char data[8];

    rig_init(&rig);
    client_finish(&rig);
    transfer_init_write(&rig.server, start_write, &rig.pair.second.stream, "xy", 2);
    transfer_launch(&rig.server, &rig.manual);
    transfer_init_read(&rig.client, start_read, &rig.pair.first.stream, data, 2);
    transfer_launch(&rig.client, &rig.manual);
    CHECK_RESULT(rig.client.result, 0, 2);
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, a_reset_fails_what_waits_and_what_comes)
{
    struct rig rig;
    char data[8];

    rig_init(&rig);
    client_write(&rig, start_write, "abcdef");
    transfer_init_read(&rig.server, start_read, &rig.pair.first.stream, data, 8);
    transfer_launch(&rig.server, &rig.manual);
    weir_stream_pair_reset(&rig.pair);
    settle(&rig.manual);
    CHECK_RESULT(rig.client.result, -ECONNRESET, ROOM);
    CHECK_RESULT(rig.server.result, -ECONNRESET, 0);
    client_write(&rig, start_write_some, "a");
    CHECK_RESULT(rig.client.result, -ECONNRESET, 0);
    server_read(&rig, start_read_some, data, 8);
    CHECK_RESULT(rig.server.result, -ECONNRESET, 0);
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, a_stop_ends_a_read_that_waits_and_loses_nothing)
{
    struct rig rig;
    char data[8];

    rig_init(&rig);
    server_read(&rig, start_read_some, data, 8);
    transfer_stop(&rig.server, &rig.manual);
    CHECK_RESULT(rig.server.result, WEIR_CANCELLED, 0);
    client_write(&rig, start_write, "abc");
    server_read(&rig, start_read_some, data, 8);
    CHECK_RESULT(rig.server.result, 0, 3);
    rig_fini(&rig);
}

WEIR_TEST(kit_stream_pair, a_stop_ends_a_write_that_waits_and_counts_what_went)
{
    struct rig rig;

    rig_init(&rig);
    client_write(&rig, start_write, "abcdef");
    transfer_stop(&rig.client, &rig.manual);
    CHECK_RESULT(rig.client.result, WEIR_CANCELLED, ROOM);
    CHECK_EQ(weir_pair_end_unread(&rig.pair.second), ROOM);
    rig_fini(&rig);
}

WEIR_ABORT_TEST(kit_stream_pair, nothing_is_written_after_the_end_of_writing)
{
    struct rig rig;

    rig_init(&rig);
    client_finish(&rig);
    client_write(&rig, start_write, "a");
}

WEIR_ABORT_TEST(kit_stream_pair, it_does_not_end_under_an_operation)
{
    struct rig rig;
    char data[8];

    rig_init(&rig);
    server_read(&rig, start_read_some, data, 8);
    weir_stream_pair_fini(&rig.pair);
}
