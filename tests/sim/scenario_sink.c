/* SPDX-License-Identifier: MIT */
/*
 * Many sinks and too little memory for them: commits of all sizes, whole writes beside them,
 * deadlines, cancels and stops; readers that pause, and some that break off. Nothing is lost or
 * sent twice, memory is not used again while the kernel has it, everybody gets some in the end, and
 * sockets, sinks and the loop go while notifications are still to come.
 */
#include <errno.h>
#include <string.h>

#include "kit.h"
#include "play.h"
#include "scenario.h"

enum { PAIRS_MAX = 8, PORT = 80, WHOLE_MAX = 100 * 1000, CHUNK = WEIR_TCP_SINK_PREPARED_MAX };

struct state;

/* One end of a connection: what comes is checked. */
struct reader {
    weir_task task;
    weir_scope_child record;
    struct pair *pair;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    struct kit_listener listener;
    struct kit_receiver receiver;
};

/* The other: a sink, and now and then a write of the memory below. */
struct writer {
    weir_task task;
    weir_scope_child record;
    struct pair *pair;
    weir_tcp_socket socket;
    weir_tcp_sink sink;
    struct kit_connector connector;
    struct kit_manners manners;
    unsigned whole_writes; /* Thousandths of what is sent. */
    bool is_holding;       /* A commit has failed: its bytes are still the sink's. */
    bool is_alive;
    size_t part; /* In flight. */
    int error;
    weir_deadline deadline;
    int64_t due_ns;
    unsigned char memory[WHOLE_MAX];
};

struct pair {
    struct state *state;
    struct kit_flow flow;
    struct reader reader;
    struct writer writer;
    weir_endpoint local;
    uint64_t size;
    uint64_t breaks_at; /* What the reader reads before it breaks off; UINT64_MAX: it does not. */
};

struct side {
    weir_task task;
    struct state *state;
    weir_scope scope;
};

struct state {
    weir_sim *sim;
    struct side readers;
    struct side writers;
    size_t pair_count;
    size_t alive_count; /* Writers. */
    size_t sink_bytes;
    size_t zero_copy_bytes;
    size_t zero_copy_bytes_max;
    bool is_disturbed;
    bool is_late; /* Peers may acknowledge so late that a write which is stopped is broken off. */
    weir_task disturber;
    weir_scope_child disturber_record;
    struct pair pairs[PAIRS_MAX];
};

/* Readers. */

static weir_task *reader_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_call(task, &self->listener.task));
    KIT_CHECK(r.error == 0, "a reader cannot listen");
    WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
    KIT_CHECK(r.error == 0, "a reader accepts nobody");
    WEIR_AWAIT(task, r, weir_call(task, &self->receiver.task));
    kit_expect("reading from a sink", r.error, KIT_END | KIT_RESET);
    if (self->pair->breaks_at != UINT64_MAX)
        (void)weir_tcp_option_set(&self->socket, WEIR_TCP_LINGER_SECONDS, 0);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void reader_init(struct pair *pair, weir_loop *loop)
{
    struct reader *self = &pair->reader;
    struct kit_manners manners = kit_manners_any();

    manners.part_max = (size_t)kit_between(1000, KIT_PART_MAX);
    weir_task_init(&self->task, reader_resume);
    weir_tcp_socket_init(&self->socket);
    self->pair = pair;
    kit_listener_init(&self->listener, &self->acceptor, loop, &pair->local, NULL);
    kit_receiver_init(&self->receiver, &self->socket.stream.in, &pair->flow, pair->breaks_at,
                      &manners);
    self->receiver.takes_end = pair->breaks_at == UINT64_MAX;
}

/* Writers. */

static uint64_t left(const struct writer *self)
{
    return self->pair->size - self->pair->flow.offered;
}

static size_t at_most(size_t size, uint64_t most)
{
    return size < most ? size : (size_t)most;
}

/* Whole writes wait until the sink has nothing: there is one order of bytes. */
static bool writes_whole(const struct writer *self)
{
    return !self->is_holding && self->sink.first == NULL && kit_chance(self->whole_writes);
}

static weir_task *send_whole(weir_task *task, struct writer *self)
{
    self->part = at_most((size_t)kit_between(1, WHOLE_MAX), left(self));
    kit_flow_fill(&self->pair->flow, self->memory, self->part);
    return weir_write(task, &self->socket.stream.out,
                      weir_const_buffer_of(self->memory, self->part));
}

static weir_task *commit(weir_task *task, struct writer *self)
{
    weir_buffer buffer;

    kit_dump(weir_task_loop(task));
    self->part = 0;
    if (weir_buffer_sink_prepare(&self->sink.sink, &buffer, 1) > 0) {
        size_t size = kit_chance(300) ? buffer.size : (size_t)kit_small(1, buffer.size);

        KIT_CHECK(buffer.size > 0 && buffer.size <= CHUNK, "%zu bytes are prepared", buffer.size);
        self->part = at_most(size, left(self));
        kit_flow_fill(&self->pair->flow, buffer.data, self->part);
    }
    return weir_buffer_sink_commit(task, &self->sink.sink, self->part);
}

/* What is taken is taken; what a whole write did not send was never offered. */
static void account_commit(const weir_task *task, struct writer *self, weir_result r, bool late)
{
    KIT_CHECK(r.count == self->part, "of %zu bytes a commit takes %zu", self->part, r.count);
    KIT_CHECK(r.error != -ENOMEM, "a commit is refused, and not copied");
    kit_flow_wrote(&self->pair->flow, r.count);
    self->is_holding = r.error != 0;
    self->error = kit_error_left(task, &self->manners, "a commit", r.error, late);
}

static void account_whole(const weir_task *task, struct writer *self, weir_result r)
{
    KIT_CHECK(r.error || r.count == self->part, "a write of %zu bytes succeeds with %zu",
              self->part, r.count);
    KIT_CHECK(r.error != -ENOMEM, "a write is refused, and not copied");
    kit_flow_wrote(&self->pair->flow, r.count);
    memset(self->memory, 0, self->part); /* It is ours again. */
    self->error = kit_error_left(task, &self->manners, "a write", r.error, false);
}

static weir_task *connect_it(weir_task *task, struct writer *self)
{
    weir_tcp_socket_init(&self->socket);
    weir_tcp_sink_init(&self->sink, &self->socket);
    kit_connector_init(&self->connector, &self->socket, &self->pair->local, KIT_FULL | KIT_REFUSED,
                       1000);
    return weir_call(task, &self->connector.task);
}

/* A part is not the whole: the reader is to see that. */
static void break_off(struct writer *self)
{
    if (self->error)
        (void)weir_tcp_option_set(&self->socket, WEIR_TCP_LINGER_SECONDS, 0);
}

static unsigned failures(const struct writer *self)
{
    return self->pair->breaks_at != UINT64_MAX ? KIT_RESET : 0;
}

static weir_task *writer_resume(weir_task *task)
{
    struct writer *self = WEIR_TASK_SELF(task, struct writer);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, connect_it(task, self));
    KIT_CHECK(r.error == 0, "a writer is not connected: %s", weir_error_name(r.error));
    self->is_alive = true;
    while (!self->error && left(self) > 0) {
        if (kit_chance(self->manners.hesitation))
            WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(5 * KIT_MS)));
        if (writes_whole(self)) {
            WEIR_AWAIT(task, r, send_whole(task, self));
            account_whole(task, self, r);
        } else {
            self->due_ns = kit_be_impatient(task, &self->manners, &self->deadline);
            WEIR_AWAIT(task, r, commit(task, self));
            account_commit(task, self, r, kit_is_late(task, &self->deadline, self->due_ns));
        }
    }
    kit_flow_end(&self->pair->flow);
    while (!self->error) {
        WEIR_AWAIT(task, r, weir_buffer_sink_commit_eof(task, &self->sink.sink, 0));
        if (!r.error)
            break;
        self->error = kit_error_left(task, &self->manners, "the last commit", r.error, false);
    }
    if (self->error != -ECONNABORTED || !self->pair->state->is_late)
        kit_expect("a sink", self->error, failures(self));
    self->is_alive = false;
    self->pair->state->alive_count--;
    break_off(self);
    if (kit_chance(500))
        weir_tcp_sink_fini(&self->sink);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    kit_socket_gone(&self->socket);
    weir_tcp_sink_fini(&self->sink);
    memset(&self->sink, 0xa5, sizeof self->sink);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void writer_init(struct pair *pair)
{
    struct writer *self = &pair->writer;

    weir_task_init(&self->task, writer_resume);
    self->pair = pair;
    self->manners = kit_manners_any();
    self->manners.is_disturbed = pair->state->is_disturbed;
    self->whole_writes = kit_chance(500) ? (unsigned)kit_between(0, 500) : 0;
    weir_deadline_init(&self->deadline);
}

static void cancel_somebody(struct state *state)
{
    struct writer *victim = &state->pairs[kit_between(0, state->pair_count - 1)].writer;

    if (victim->is_alive)
        weir_tcp_cancel(&victim->socket);
}

/* Cancels whatever is in flight, of anybody. */
static weir_task *disturber_resume(weir_task *task)
{
    struct state *self = WEIR_CONTAINER_OF(task, struct state, disturber);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->alive_count > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, 1 + kit_duration_ns(20 * KIT_MS)));
        KIT_CHECK(r.error == 0, "a sleep ends with %s", weir_error_name(r.error));
        cancel_somebody(self);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Programs. */

static weir_loop *loop_new(const struct state *state)
{
    const weir_loop_options options = {
        .sink_bytes = state->sink_bytes,
        .zero_copy_bytes = state->zero_copy_bytes,
        .zero_copy_bytes_max = state->zero_copy_bytes_max,
        .budget = kit_chance(300) ? (int)kit_small(1, 64) : 0,
        .queue_depth = kit_chance(300) ? (unsigned)kit_small(1, 64) : 0,
    };
    weir_loop *loop = NULL;
    int error = weir_loop_new(&options, &loop);

    KIT_CHECK(error == 0, "a loop cannot be made: %s", weir_error_name(error));
    return loop;
}

static void start_readers(struct side *self)
{
    size_t i;

    weir_scope_init(&self->scope, &self->task);
    for (i = 0; i < self->state->pair_count; i++) {
        struct pair *pair = &self->state->pairs[i];

        reader_init(pair, weir_task_loop(&self->task));
        weir_scope_start_embedded(&self->scope, &pair->reader.record, &pair->reader.task);
    }
}

static void start_writers(struct side *self)
{
    struct state *state = self->state;
    size_t i;

    weir_scope_init(&self->scope, &self->task);
    state->alive_count = state->pair_count;
    for (i = 0; i < state->pair_count; i++) {
        struct pair *pair = &state->pairs[i];

        writer_init(pair);
        weir_scope_start_embedded(&self->scope, &pair->writer.record, &pair->writer.task);
    }
    if (!state->is_disturbed)
        return;
    weir_task_init(&state->disturber, disturber_resume);
    weir_scope_start_embedded(&self->scope, &state->disturber_record, &state->disturber);
}

static weir_task *side_resume(weir_task *task)
{
    struct side *self = WEIR_TASK_SELF(task, struct side);
    weir_result r;

    WEIR_BEGIN(task);
    if (self == &self->state->readers)
        start_readers(self);
    else
        start_writers(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void side_main(void *argument)
{
    struct side *self = argument;
    weir_loop *loop = loop_new(self->state);

    weir_task_init(&self->task, side_resume);
    (void)weir_run(loop, &self->task);
    kit_loop_free(loop); /* While notifications are still to come. */
}

/* The world. */

static void adjust(struct scenario_run *run)
{
    uint16_t no_kernel_memory = run->faults.no_kernel_memory;
    uint16_t late_notification = run->faults.late_notification;

    play_forgo_failures(&run->faults);
    run->faults.no_kernel_memory = no_kernel_memory;
    run->faults.late_notification = late_notification;
}

static void build_pair(struct state *state, size_t index, const weir_sim_host *host)
{
    struct pair *pair = &state->pairs[index];

    pair->state = state;
    pair->local = weir_sim_host_endpoint(host, (uint16_t)(PORT + index));
    pair->size = kit_chance(300) ? kit_small(1, 200 * 1000) : kit_between(50 * 1000, 300 * 1000);
    pair->breaks_at = kit_chance(100) ? kit_small(1, pair->size) : UINT64_MAX;
    kit_flow_init(&pair->flow, (uint32_t)index, KIT_THERE);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_link link = {.state = WEIR_SIM_LINK_UP};
    weir_sim_host *hosts[2];
    size_t i;

    kit_begin(sim);
    link.window_bytes = (uint32_t)kit_small(4096, 256 * 1024);
    state->sim = sim;
    state->pair_count = (size_t)kit_small(1, PAIRS_MAX);
    state->sink_bytes = (size_t)kit_small(1, 8) * CHUNK;
    state->zero_copy_bytes = kit_chance(300) ? 0 : (size_t)kit_small(1, 64 * 1024);
    state->zero_copy_bytes_max = kit_chance(500) ? 0 : (size_t)kit_small(1, 512 * 1024);
    state->is_disturbed = kit_chance(300);
    state->is_late = run->faults.late_notification > 0;
    state->readers.state = state;
    state->writers.state = state;
    hosts[0] = weir_sim_host_new(sim, "readers");
    hosts[1] = weir_sim_host_new(sim, "writers");
    weir_sim_link_set(hosts[0], hosts[1], &link);
    for (i = 0; i < state->pair_count; i++)
        build_pair(state, i, hosts[0]);
    weir_sim_start(hosts[0], "readers", side_main, &state->readers);
    weir_sim_start(hosts[1], "writers", side_main, &state->writers);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    size_t i;

    for (i = 0; i < state->pair_count; i++) {
        const struct pair *pair = &state->pairs[i];

        kit_flow_check_settled(&pair->flow);
        PLAY_EXPECT(sim, pair->writer.error || pair->flow.ended || pair->breaks_at != UINT64_MAX,
                    "what was ended has no end");
    }
}

const struct scenario scenario_sink = {
    .name = "sink",
    .summary = "buffer sinks short of memory, and writes without a copy, whose peers are slow",
    .state_size_bytes = sizeof(struct state),
    .adjust = adjust,
    .build = build,
    .check = check,
};
