/* SPDX-License-Identifier: MIT */
/*
 * Streams over TCP in every composition: whole, partial, vectored and composed operations; adapters
 * with buffers, base64; messages by read_until and all of it by read_to_end into every kind of
 * dynamic buffer; copies. Operations have deadlines, are cancelled; in some worlds an end is closed
 * while both directions are under way, or a whole side is stopped. What arrives is what was
 * counted.
 */
#include <errno.h>

#include "scenario.h"
#include "transfer.h"

enum { LINKS_MAX = 4, ADAPTER_BYTES = 700, FIRST_PORT = 100 };

/* What the bytes of a direction go through, at both ends. */
enum coding { PLAIN, BASE64 };

/* What somebody does to an end meanwhile. */
enum trouble { NO_TROUBLE, CANCELS, CLOSES };

struct end;
struct side;

/** One connection. */
struct link {
    weir_sim_host *host; /* Of the right end. */
    struct kit_flow flows[2];
    uint64_t sizes[2];
    enum coding codings[2];
    unsigned failures;
    unsigned gone;  /* Ends that have ended. */
    bool is_broken; /* One of them has not done what it was to do. */
    struct end *ends[2];
};

/** One end of a connection. */
struct end {
    weir_task task;
    struct link *link; /* In. */
    struct side *side;
    enum kit_way way; /* In which it writes. */
    enum trouble trouble;
    bool buffers_out;
    bool buffers_in;
    bool is_composed_out; /* How it writes, and how it reads. */
    bool is_composed_in;
    struct kit_manners manners;

    weir_tcp_socket socket;
    weir_tcp_acceptor acceptor;
    struct kit_listener listener;
    struct kit_connector connector;
    weir_deadline deadline;
    int error;

    weir_stream_sink sink;
    weir_sink_stream sink_stream;
    weir_base64_encoder encoder;
    weir_stream_source source;
    weir_source_stream source_stream;
    weir_base64_decoder decoder;
    unsigned char sink_memory[ADAPTER_BYTES];
    unsigned char source_memory[ADAPTER_BYTES];

    weir_group group;
    struct work {
        weir_task task;
        struct end *end;
        weir_group group;
        struct kit_sender sender;
        struct kit_receiver receiver;
        struct transfer_writer writer;
        struct transfer_reader reader;
    } work;
    struct pest {
        weir_task task;
        struct end *end;
        uint64_t sent; /* Operations that it has cancelled; 0: none. */
        uint64_t received;
    } pest;
};

/** One who never has to wait, and one who only wants a turn now and then. */
struct fairness {
    weir_task task;
    weir_group group;
    struct glutton {
        weir_task task;
        weir_memory_reader reader;
        unsigned char meal[1500];
        unsigned char bite;
        bool has_eaten;
    } glutton;
    struct guest {
        weir_task task;
        const struct glutton *glutton;
        unsigned turns;
    } guest;
};

/** A program with one end of each connection. */
struct side {
    weir_task task;
    struct end ends[LINKS_MAX];
    weir_scope_child children[LINKS_MAX];
    size_t count;
    struct fairness fairness;
    weir_scope scope;
    weir_root root;
    bool is_live;
    unsigned bits; /* Of the stop that reaches it, if one does. */
    bool is_stopped;
};

struct state {
    struct link links[LINKS_MAX];
    struct side sides[2]; /* By the way in which they write. */
};

/* Ends. */

static struct kit_flow *flow_out(const struct end *end)
{
    return &end->link->flows[end->way];
}

static struct kit_flow *flow_in(const struct end *end)
{
    return &end->link->flows[!end->way];
}

static bool is_plain_out(const struct end *end)
{
    return !end->buffers_out && end->link->codings[end->way] == PLAIN;
}

static bool is_plain_in(const struct end *end)
{
    return !end->buffers_in && end->link->codings[!end->way] == PLAIN;
}

static weir_write_stream *stack_out(struct end *self)
{
    weir_write_stream *out = &self->socket.stream.out;

    if (self->buffers_out) {
        weir_stream_sink_init(
            &self->sink, out,
            weir_buffer_of(self->sink_memory, (size_t)kit_small(1, ADAPTER_BYTES)));
        weir_sink_stream_init(&self->sink_stream, &self->sink.sink);
        out = &self->sink_stream.out;
    }
    if (self->link->codings[self->way] == BASE64) {
        weir_base64_encoder_init(&self->encoder, out);
        out = &self->encoder.out;
    }
    return out;
}

static weir_read_stream *stack_in(struct end *self)
{
    weir_read_stream *in = &self->socket.stream.in;

    if (self->buffers_in) {
        weir_stream_source_init(
            &self->source, in,
            weir_buffer_of(self->source_memory, (size_t)kit_small(1, ADAPTER_BYTES)));
        weir_source_stream_init(&self->source_stream, &self->source.source);
        in = &self->source_stream.in;
    }
    if (self->link->codings[!self->way] == BASE64) {
        weir_base64_decoder_init(&self->decoder, in);
        in = &self->decoder.in;
    }
    return in;
}

static weir_task *work_resume(weir_task *task)
{
    struct work *self = WEIR_TASK_SELF(task, struct work);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(
        task, r,
        weir_when_all_2(task, &self->group,
                        self->end->is_composed_out ? &self->writer.task : &self->sender.task,
                        self->end->is_composed_in ? &self->reader.task : &self->receiver.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* The other end must not take what it has for all there is. */
static void break_off(struct end *self)
{
    self->link->is_broken = true;
    if (is_plain_out(self) || !weir_tcp_is_open(&self->socket)) /* Nothing was written. */
        kit_flow_end(&self->link->flows[self->way]);
    else
        (void)weir_tcp_option_set(&self->socket, WEIR_TCP_LINGER_SECONDS, 0);
}

/* What is in flight on the socket itself. */
static void note_operations(struct pest *self)
{
    const struct end *end = self->end;
    const struct kit_sender *sender = &end->work.sender;
    const struct kit_receiver *receiver = &end->work.receiver;

    self->sent = is_plain_out(end) && sender->is_in_flight ? sender->operation : 0;
    self->received = is_plain_in(end) && receiver->is_in_flight ? receiver->operation : 0;
}

static void check_operations(const struct pest *self)
{
    const struct kit_sender *sender = &self->end->work.sender;
    const struct kit_receiver *receiver = &self->end->work.receiver;

    KIT_CHECK(self->sent == 0 || self->sent != sender->operation || !sender->is_in_flight,
              "a write that was cancelled 10 ms ago has not ended");
    KIT_CHECK(self->received == 0 || self->received != receiver->operation ||
                  !receiver->is_in_flight,
              "a read that was cancelled 10 ms ago has not ended");
}

/* Cancels now and then, or closes once, until it is stopped. */
static weir_task *pest_resume(weir_task *task)
{
    struct pest *self = WEIR_TASK_SELF(task, struct pest);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(10 * KIT_MS)));
        if (r.error)
            break;
        if (self->end->trouble == CLOSES && weir_tcp_is_open(&self->end->socket)) {
            break_off(self->end);
            WEIR_AWAIT(task, r, weir_tcp_close(task, &self->end->socket));
            kit_check_closed(&self->end->socket); /* Its memory is still the others', too. */
        } else if (self->end->trouble == CANCELS) {
            note_operations(self);
            weir_tcp_cancel(&self->end->socket);
            if (kit_chance(600)) {
                WEIR_AWAIT(task, r, weir_sleep_for(task, 10 * KIT_MS));
                if (!r.error)
                    check_operations(self);
            }
        }
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Waits for readiness are for a socket with nothing before it. */
static void prepare_composed(struct end *self, weir_write_stream *out, weir_read_stream *in)
{
    enum transfer_writing writing = (enum transfer_writing)kit_between(
        0, is_plain_out(self) ? TRANSFER_WHEN_WRITABLE : TRANSFER_WHEN_WRITABLE - 1);
    enum transfer_reading reading = (enum transfer_reading)kit_between(
        0, is_plain_in(self) ? TRANSFER_WHEN_READABLE : TRANSFER_WHEN_READABLE - 1);

    if (self->is_composed_out)
        transfer_writer_init(&self->work.writer, out, &self->socket, flow_out(self),
                             self->link->sizes[self->way], writing, &self->manners);
    if (self->is_composed_in)
        transfer_reader_init(&self->work.reader, in, &self->socket, flow_in(self), reading,
                             &self->manners);
}

static void prepare_plain(struct end *self, weir_write_stream *out, weir_read_stream *in)
{
    struct work *work = &self->work;

    kit_sender_init(&work->sender, out, flow_out(self), self->link->sizes[self->way],
                    &self->manners);
    work->sender.ends = true;
    kit_receiver_init(&work->receiver, in, flow_in(self), UINT64_MAX, &self->manners);
    work->receiver.takes_end = true;
}

static void prepare_work(struct end *self)
{
    weir_write_stream *out = stack_out(self);
    weir_read_stream *in = stack_in(self);

    prepare_plain(self, out, in);
    prepare_composed(self, out, in);
    weir_task_init(&self->work.task, work_resume);
    self->work.end = self;
    weir_group_init(&self->work.group);
    weir_task_init(&self->pest.task, pest_resume);
    self->pest.end = self;
    weir_group_init(&self->group);
}

/* What an end may have ended with. */
static void check_end(const struct end *self)
{
    const struct link *link = self->link;
    unsigned allowed = link->failures & (KIT_RESET | KIT_REFUSED | KIT_FULL);

    if (link->is_broken)
        allowed |= KIT_RESET;
    if (allowed & KIT_RESET) /* The only connection there is was lost before it stood. */
        allowed |= KIT_REFUSED;
    if (self->trouble == CLOSES)
        allowed |= KIT_CLOSED | KIT_STOPPED;
    if (self->side->is_stopped) /* Before it listens, or in a pause after a failure, too. */
        allowed |= KIT_STOPPED | KIT_CLOSED | self->connector.again;
    kit_expect("an end", self->error, allowed);
}

static void end_leaves(struct end *self)
{
    struct link *link = self->link;

    check_end(self);
    if (self->error)
        break_off(self);
    link->gone++;
    if (link->gone == 2 && !link->is_broken)
        KIT_CHECK(link->flows[KIT_THERE].seen == link->sizes[KIT_THERE] &&
                      link->flows[KIT_BACK].seen == link->sizes[KIT_BACK],
                  "both ends have succeeded, and not all has come");
}

static weir_endpoint endpoint_of(const struct end *self)
{
    return weir_sim_host_endpoint(self->link->host,
                                  (uint16_t)(FIRST_PORT + self->link->flows[0].connection));
}

static weir_task *listen_for_link(weir_task *task, struct end *self)
{
    weir_endpoint local = endpoint_of(self);

    kit_listener_init(&self->listener, &self->acceptor, weir_task_loop(task), &local, NULL);
    return weir_call(task, &self->listener.task);
}

static weir_task *accept_link(weir_task *task, struct end *self)
{
    weir_deadline_arm_after(task, &self->deadline, 100 * KIT_MS);
    return weir_tcp_accept(task, &self->acceptor, &self->socket);
}

static weir_task *connect_link(weir_task *task, struct end *self)
{
    weir_endpoint peer = endpoint_of(self);

    kit_connector_init(&self->connector, &self->socket, &peer, KIT_REFUSED | KIT_RESET | KIT_FULL,
                       20);
    return weir_call(task, &self->connector.task);
}

static weir_task *work_on_link(weir_task *task, struct end *self)
{
    prepare_work(self);
    if (self->trouble == NO_TROUBLE)
        return weir_call(task, &self->work.task);
    return weir_when_any_2(task, &self->group, WEIR_FIRST_TO_COMPLETE, &self->work.task,
                           &self->pest.task);
}

static weir_task *end_resume(weir_task *task)
{
    struct end *self = WEIR_TASK_SELF(task, struct end);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    weir_deadline_init(&self->deadline);
    if (self->way == KIT_THERE) {
        WEIR_AWAIT(task, r, connect_link(task, self));
    } else {
        WEIR_AWAIT(task, r, listen_for_link(task, self));
        do { /* A connection that is lost before it is accepted is not another one. */
            WEIR_AWAIT(task, r, accept_link(task, self));
            (void)weir_deadline_disarm(task, &self->deadline);
        } while (r.error == WEIR_TIMED_OUT && self->link->gone == 0);
        if (r.error == WEIR_TIMED_OUT)
            r.error = -ECONNRESET;
        self->error = r.error;
        WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
        r.error = self->error;
    }
    self->error = r.error;
    if (!self->error) {
        WEIR_AWAIT(task, r, work_on_link(task, self));
        self->error = weir_task_result(&self->work.task).error;
    }
    end_leaves(self);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    kit_socket_gone(&self->socket);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Fairness. */

static weir_task *glutton_resume(weir_task *task)
{
    struct glutton *self = WEIR_TASK_SELF(task, struct glutton);
    weir_result r;

    WEIR_BEGIN(task);
    weir_memory_reader_init(&self->reader, weir_const_buffer_of(self->meal, sizeof self->meal));
    do
        WEIR_AWAIT(task, r, weir_read_some(task, &self->reader.in, weir_buffer_of(&self->bite, 1)));
    while (!r.error);
    self->has_eaten = true;
    WEIR_RETURN(task, weir_result_of(r.error == WEIR_EOF ? 0 : r.error, 0));
    WEIR_END(task);
}

static weir_task *guest_resume(weir_task *task)
{
    struct guest *self = WEIR_TASK_SELF(task, struct guest);

    WEIR_BEGIN(task);
    for (; !self->glutton->has_eaten; self->turns++)
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Of 256 operations that completed at once, one at least made room for others. */
static weir_task *fairness_resume(weir_task *task)
{
    struct fairness *self = WEIR_TASK_SELF(task, struct fairness);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->glutton.task, glutton_resume);
    weir_task_init(&self->guest.task, guest_resume);
    self->guest.glutton = &self->glutton;
    weir_group_init(&self->group);
    WEIR_AWAIT(task, r,
               weir_when_all_2(task, &self->group, &self->glutton.task, &self->guest.task));
    if (!r.error)
        KIT_CHECK(self->guest.turns >= sizeof self->glutton.meal / 256,
                  "a task has had %u turns beside %zu operations that did not wait",
                  self->guest.turns, sizeof self->glutton.meal);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Sides. */

static void start_ends(struct side *self)
{
    size_t i;

    for (i = 0; i < self->count; i++) {
        weir_task_init(&self->ends[i].task, end_resume);
        weir_scope_start_embedded(&self->scope, &self->children[i], &self->ends[i].task);
    }
}

static weir_task *side_resume(weir_task *task)
{
    struct side *self = WEIR_TASK_SELF(task, struct side);
    weir_result r;

    WEIR_BEGIN(task);
    if (kit_chance(200)) {
        weir_task_init(&self->fairness.task, fairness_resume);
        WEIR_AWAIT(task, r, weir_call(task, &self->fairness.task));
    }
    weir_scope_init(&self->scope, task);
    start_ends(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void side_done(weir_root *root, weir_result r)
{
    struct side *side = root->user;

    side->is_live = false;
    KIT_CHECK(r.error == 0, "a side gives %s", weir_error_name(r.error));
    KIT_CHECK(r.count == side->count, "a side counts %zu of %zu ends", r.count, side->count);
}

static void side_main(void *argument)
{
    struct side *side = argument;
    weir_loop *loop = kit_loop_new();

    weir_task_init(&side->task, side_resume);
    weir_run_async(weir_loop_executor(loop), &side->root, &side->task, side_done, side);
    side->is_live = true;
    weir_loop_run(loop);
    kit_loop_free(loop);
}

static void stop_side(weir_sim *sim, void *argument)
{
    struct side *side = argument;

    (void)sim;
    if (!side->is_live)
        return;
    side->is_stopped = true;
    weir_root_stop(&side->root, side->bits);
}

/* The world. */

static void build_link(struct state *state, size_t index, weir_sim_host *host, unsigned failures)
{
    struct link *link = &state->links[index];
    int way;

    link->host = host;
    link->failures = failures;
    for (way = 0; way < 2; way++) {
        struct end *end = &state->sides[way].ends[index];

        kit_flow_init(&link->flows[way], (uint32_t)index, (enum kit_way)way);
        link->sizes[way] = kit_small(0, 30000);
        link->codings[way] = kit_chance(300) ? BASE64 : PLAIN;
        link->ends[way] = end;
        end->link = link;
        end->side = &state->sides[way];
        end->way = (enum kit_way)way;
        end->trouble = kit_chance(600) ? NO_TROUBLE : kit_chance(700) ? CANCELS : CLOSES;
        end->buffers_out = kit_chance(300);
        end->buffers_in = kit_chance(300);
        end->is_composed_out = kit_chance(700);
        end->is_composed_in = kit_chance(800);
        end->manners = kit_manners_any();
        end->manners.is_disturbed = end->trouble != NO_TROUBLE;
    }
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *left = weir_sim_host_new(sim, "left");
    weir_sim_host *right = left;
    weir_sim_link link = {.window_bytes = 0};
    size_t count;
    size_t i;

    kit_begin(sim);
    if (kit_chance(800))
        right = weir_sim_host_new(sim, "right");
    if (kit_chance(500))
        link.window_bytes = (uint32_t)kit_small(64, 65536);
    weir_sim_link_set(left, right, &link);
    count = (size_t)kit_small(1, LINKS_MAX);
    for (i = 0; i < count; i++)
        build_link(state, i, right, kit_failures_by(&run->faults));
    state->sides[KIT_THERE].count = count;
    state->sides[KIT_BACK].count = count;
    if (kit_chance(250)) {
        struct side *side = &state->sides[kit_between(KIT_THERE, KIT_BACK)];

        side->bits = kit_chance(500) ? WEIR_STOP_REQUESTED : WEIR_STOP_HARD;
        weir_sim_at(sim, KIT_S + kit_duration_ns(50 * KIT_MS), stop_side, side);
    }
    weir_sim_start(right, "right", side_main, &state->sides[KIT_BACK]);
    weir_sim_start(left, "left", side_main, &state->sides[KIT_THERE]);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    const struct state *state = run->state;
    size_t i;

    (void)sim;
    for (i = 0; i < state->sides[0].count; i++) {
        kit_flow_check_settled(&state->links[i].flows[KIT_THERE]);
        kit_flow_check_settled(&state->links[i].flows[KIT_BACK]);
    }
}

const struct scenario scenario_streams = {
    .name = "streams",
    .summary = "every operation, adapter and filter over TCP, with deadlines, cancels and closes",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
