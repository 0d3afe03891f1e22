/* SPDX-License-Identifier: MIT */
/* What scenarios have in common. */
#include "kit.h"

#include <errno.h>
#include <string.h>

static _Thread_local weir_sim *begun;

void kit_begin(weir_sim *sim)
{
    begun = sim;
}

weir_sim *kit_sim(void)
{
    weir_sim *current = weir_sim_current();

    return current ? current : begun;
}

/* Numbers. */

static uint64_t draw(uint64_t bound)
{
    return weir_sim_random_below(kit_sim(), bound);
}

uint64_t kit_between(uint64_t least, uint64_t most)
{
    return least + draw(most - least + 1);
}

uint64_t kit_small(uint64_t least, uint64_t most)
{
    uint64_t range = most - least;
    unsigned doublings = 0;

    while (doublings < 63 && range >> doublings > 0)
        doublings++;
    return least + draw((range >> draw(doublings + 1)) + 1);
}

int64_t kit_duration_ns(int64_t most_ns)
{
    return (int64_t)kit_small(0, (uint64_t)most_ns);
}

bool kit_chance(unsigned thousandths)
{
    return thousandths > 0 && draw(1000) < thousandths;
}

/* Errors. */

unsigned kit_failure_of(int error)
{
    switch (error) {
    case WEIR_EOF:
        return KIT_END;
    case -ECONNRESET:
    case -EPIPE:
    case -ENOTCONN:
        return KIT_RESET;
    case -ECONNREFUSED:
        return KIT_REFUSED;
    case -ETIMEDOUT:
        return KIT_CUT;
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return KIT_UNREACHABLE;
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        return KIT_FULL;
    case WEIR_CANCELLED:
        return KIT_STOPPED;
    case WEIR_TIMED_OUT:
        return KIT_LATE;
    case WEIR_CLOSED:
        return KIT_CLOSED;
    default:
        return 0;
    }
}

void kit_expect(const char *what, int error, unsigned allowed)
{
    KIT_CHECK(error == 0 || (kit_failure_of(error) & allowed), "%s gives %s, which cannot be", what,
              weir_error_name(error));
}

unsigned kit_failures_by(const weir_sim_faults *faults)
{
    unsigned failures = 0;

    if (faults->reset_connection || faults->lost_connection)
        failures |= KIT_RESET;
    if (faults->refused_connection)
        failures |= KIT_REFUSED;
    if (faults->no_descriptors || faults->no_kernel_memory || faults->no_frames)
        failures |= KIT_FULL;
    return failures;
}

/* Bytes. */

/* The finalizer of SplitMix64. */
static uint64_t mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

static unsigned char byte_at(uint32_t connection, enum kit_way way, uint64_t offset)
{
    uint64_t key = (uint64_t)connection << 33 | (uint64_t)way << 32;

    if (offset < KIT_NUMBER_BYTES)
        return (unsigned char)(connection >> (8 * offset));
    return (unsigned char)(mix(key + offset / 8) >> (8 * (offset % 8)));
}

uint32_t kit_number(const unsigned char bytes[KIT_NUMBER_BYTES])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static enum kit_way way_of(const struct kit_flow *flow)
{
    return (enum kit_way)flow->way;
}

static const char *name_of(const struct kit_flow *flow)
{
    return flow->way == KIT_THERE ? "there" : "back";
}

static void fail_flow(const struct kit_flow *flow, const char *rule)
{
    weir_sim_fail(kit_sim(),
                  "connection %u, %s: %s (offered %llu, written %llu, seen %llu bytes%s%s)",
                  flow->connection, name_of(flow), rule, (unsigned long long)flow->offered,
                  (unsigned long long)flow->written, (unsigned long long)flow->seen,
                  flow->ending ? ", ending" : "", flow->ended ? ", its end seen" : "");
}

static void check_flow(const struct kit_flow *flow)
{
    if (flow->seen > flow->offered)
        fail_flow(flow, "more was read than was ever written");
    if (flow->writing)
        return;
    if (flow->seen > flow->written)
        fail_flow(flow, "bytes were read that their write did not count");
    if (flow->ended && flow->seen < flow->written)
        fail_flow(flow, "the end came before the last byte");
}

void kit_flow_init(struct kit_flow *flow, uint32_t connection, enum kit_way way)
{
    *flow = (struct kit_flow){.connection = connection, .way = (uint8_t)way};
}

void kit_flow_fill(struct kit_flow *flow, void *memory, size_t size)
{
    unsigned char *bytes = memory;
    size_t i;

    for (i = 0; i < size; i++)
        bytes[i] = byte_at(flow->connection, way_of(flow), flow->offered + i);
    kit_flow_offer(flow, size);
}

void kit_flow_offer(struct kit_flow *flow, size_t size)
{
    flow->offered += size;
    flow->writing = true;
}

void kit_flow_wrote(struct kit_flow *flow, size_t count)
{
    if (count > flow->offered - flow->written)
        fail_flow(flow, "a write counts more than it was given");
    flow->written += count;
    flow->offered = flow->written;
    flow->writing = false;
    if (flow->seen > flow->written)
        fail_flow(flow, "bytes were read that their write did not count");
    check_flow(flow);
}

void kit_flow_saw(struct kit_flow *flow, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t i;

    if (flow->ended && size > 0)
        fail_flow(flow, "bytes come behind the end");
    for (i = 0; i < size; i++) {
        unsigned char expected = byte_at(flow->connection, way_of(flow), flow->seen + i);

        KIT_CHECK(bytes[i] == expected, "connection %u, %s: byte %llu is 0x%02x and not 0x%02x",
                  flow->connection, name_of(flow), (unsigned long long)(flow->seen + i), bytes[i],
                  expected);
    }
    flow->seen += size;
    check_flow(flow);
}

void kit_flow_end(struct kit_flow *flow)
{
    flow->ending = true;
}

void kit_flow_saw_end(struct kit_flow *flow)
{
    if (!flow->ending)
        fail_flow(flow, "an end is read, and nobody has ended it");
    flow->ended = true;
    check_flow(flow);
}

void kit_flow_check_settled(const struct kit_flow *flow)
{
    if (flow->writing)
        fail_flow(flow, "a write has not ended, and its program has");
    check_flow(flow);
}

/* Operations of any kind. */

enum kind { WHOLE, SOME, WHOLE_V, SOME_V, KIND_COUNT, TO_THE_END = KIND_COUNT };

struct kit_manners kit_manners_any(void)
{
    struct kit_manners manners = {.part_max = (size_t)kit_small(1, KIT_PART_MAX)};

    if (kit_chance(300)) {
        manners.hesitation = (unsigned)kit_small(1, 500);
        manners.pause_ns_max = (int64_t)kit_small(1000, 20 * KIT_MS);
    }
    if (kit_chance(30)) { /* Sometimes for so long that what should have ended is seen. */
        manners.hesitation = (unsigned)kit_small(1, 10);
        manners.pause_ns_max = 500 * KIT_MS;
    }
    if (kit_chance(300)) {
        manners.impatience = (unsigned)kit_small(1, 700);
        manners.patience_ns_max = (int64_t)kit_small(1000, 20 * KIT_MS);
    }
    return manners;
}

/* Now and then nothing. */
static size_t part_size(const struct kit_manners *manners, uint64_t left)
{
    uint64_t most = manners->part_max ? manners->part_max : KIT_PART_MAX;

    if (kit_chance(20))
        return 0;
    return (size_t)kit_small(1, left < most ? left : most);
}

static int64_t pause_ns(const struct kit_manners *manners)
{
    return kit_duration_ns(manners->pause_ns_max ? manners->pause_ns_max : KIT_MS);
}

int64_t kit_be_impatient(weir_task *task, const struct kit_manners *manners,
                         weir_deadline *deadline)
{
    int64_t patience_ns = manners->patience_ns_max ? manners->patience_ns_max : KIT_MS;
    int64_t due_ns = weir_task_now_ns(task) + kit_duration_ns(patience_ns);

    if (kit_chance(manners->impatience))
        weir_deadline_arm_at(task, deadline, due_ns);
    return due_ns;
}

bool kit_is_late(weir_task *task, weir_deadline *deadline, int64_t due_ns)
{
    int64_t late_ns = weir_task_now_ns(task) - due_ns;

    if (!weir_deadline_disarm(task, deadline))
        return false;
    KIT_CHECK(late_ns >= 0, "a deadline passes %lld ns early", (long long)-late_ns);
    KIT_CHECK(late_ns < 20 * KIT_MS, "an operation ends %lld ns after its deadline",
              (long long)late_ns);
    return true;
}

int kit_error_left(const weir_task *task, const struct kit_manners *manners, const char *what,
                   int error, bool late)
{
    unsigned stop = weir_task_stop_bits(task);

    if (error == WEIR_TIMED_OUT) {
        KIT_CHECK(late || (stop & WEIR_STOP_EXPIRED), "%s times out, and no deadline has passed",
                  what);
        return weir_task_stop_error(task); /* Another stop may have come behind it. */
    }
    if (error == WEIR_CANCELLED) {
        KIT_CHECK((stop & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD)) || manners->is_disturbed,
                  "%s is cancelled, and nobody has asked for it", what);
        return stop || !manners->is_disturbed ? error : 0;
    }
    if (error == -ENOMEM) {
        KIT_CHECK(weir_sim_outcome_get(kit_sim()).faults > 0,
                  "%s finds no memory, and nothing has taken it away", what);
        return weir_task_stop_error(task);
    }
    return error;
}

/* What every operation on a part promises. */
static void check_result(const char *what, enum kind kind, size_t size, weir_result r)
{
    KIT_CHECK(r.count <= size, "%s of %zu bytes counts %zu", what, size, r.count);
    if (r.error)
        KIT_CHECK(kind == TO_THE_END || r.count < size,
                  "%s of %zu bytes has done them all and gives %s", what, size,
                  weir_error_name(r.error));
    else if (kind == SOME || kind == SOME_V)
        KIT_CHECK(r.count > 0 || size == 0, "%s of some of %zu bytes succeeds with none", what,
                  size);
    else
        KIT_CHECK(r.count == size, "%s of %zu bytes succeeds with %zu", what, size, r.count);
}

/* Sending. */

/* The memory as a sequence of buffers, some of them empty. */
static void cut_out(struct kit_sender *self)
{
    size_t offset = 0;
    size_t i;

    self->part_count = (size_t)kit_between(1, KIT_PARTS_MAX);
    for (i = 0; i < self->part_count; i++) {
        size_t left = self->part - offset;
        size_t size = i + 1 == self->part_count ? left : (size_t)kit_small(0, left);

        self->parts[i] = weir_const_buffer_of(self->memory + offset, size);
        offset += size;
    }
}

static bool is_last_part(const struct kit_sender *self)
{
    return self->total + self->part == self->size;
}

/* Decide on the next operation, and offer its bytes. */
static void prepare_to_send(struct kit_sender *self)
{
    self->operation++;
    self->is_in_flight = true;
    self->kind = (uint8_t)kit_between(0, KIND_COUNT - 1);
    self->part = 0;
    if (self->total < self->size)
        self->part = part_size(&self->manners, self->size - self->total);
    if (self->ends && is_last_part(self) && (self->part == 0 || kit_chance(500)))
        self->kind = TO_THE_END;
    if (self->kind == TO_THE_END)
        kit_flow_end(self->flow);
    if (self->part > 0)
        kit_flow_fill(self->flow, self->memory, self->part);
    if (self->kind == WHOLE_V || self->kind == SOME_V)
        cut_out(self);
}

static weir_task *send_part(weir_task *task, struct kit_sender *self)
{
    weir_const_buffer buffer = weir_const_buffer_of(self->memory, self->part);

    switch ((enum kind)self->kind) {
    case WHOLE:
        return weir_write(task, self->out, buffer);
    case SOME:
        return weir_write_some(task, self->out, buffer);
    case WHOLE_V:
        return weir_write_v(task, self->out, self->parts, self->part_count);
    case SOME_V:
        return weir_write_some_v(task, self->out, self->parts, self->part_count);
    case TO_THE_END:
        return weir_write_eof(task, self->out, buffer);
    }
    WEIR_UNREACHABLE("every kind is sent");
}

static int account_sent(const weir_task *task, struct kit_sender *self, weir_result r, bool late)
{
    self->is_in_flight = false;
    check_result("a write", (enum kind)self->kind, self->part, r);
    if (self->part > 0)
        kit_flow_wrote(self->flow, r.count);
    self->total += r.count;
    if (!r.error && self->kind == TO_THE_END)
        self->has_ended = true;
    return kit_error_left(task, &self->manners, "a write", r.error, late);
}

static bool has_sent(const struct kit_sender *self)
{
    return self->total == self->size && (self->has_ended || !self->ends);
}

static weir_task *sender_resume(weir_task *task)
{
    struct kit_sender *self = WEIR_TASK_SELF(task, struct kit_sender);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->manners.begin_after_ns)
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->manners.begin_after_ns));
    while (!self->error && !has_sent(self)) {
        if (kit_chance(self->manners.hesitation))
            WEIR_AWAIT(task, r, weir_sleep_for(task, pause_ns(&self->manners)));
        self->due_ns = kit_be_impatient(task, &self->manners, &self->deadline);
        prepare_to_send(self);
        WEIR_AWAIT(task, r, send_part(task, self));
        self->error = account_sent(task, self, r, kit_is_late(task, &self->deadline, self->due_ns));
    }
    WEIR_RETURN(task, weir_result_of(self->error, self->total));
    WEIR_END(task);
}

void kit_sender_init(struct kit_sender *sender, weir_write_stream *out, struct kit_flow *flow,
                     uint64_t size, const struct kit_manners *manners)
{
    weir_task_init(&sender->task, sender_resume);
    sender->out = out;
    sender->flow = flow;
    sender->size = size;
    sender->ends = false;
    sender->manners = *manners;
    sender->total = 0;
    sender->has_ended = false;
    sender->error = 0;
    sender->operation = 0;
    sender->is_in_flight = false;
    weir_deadline_init(&sender->deadline);
}

void kit_sender_again(struct kit_sender *sender, uint64_t size)
{
    sender->manners.begin_after_ns = 0;
    weir_task_init(&sender->task, sender_resume);
    sender->size += size;
    sender->error = 0;
}

/* Receiving. */

enum { UNTOUCHED = 0xee };

/* The memory as a sequence of buffers, some of them empty. */
static void cut_in(struct kit_receiver *self)
{
    size_t offset = 0;
    size_t i;

    self->part_count = (size_t)kit_between(1, KIT_PARTS_MAX);
    for (i = 0; i < self->part_count; i++) {
        size_t left = self->part - offset;
        size_t size = i + 1 == self->part_count ? left : (size_t)kit_small(0, left);

        self->parts[i] = weir_buffer_of(self->memory + offset, size);
        offset += size;
    }
}

static void prepare_to_receive(struct kit_receiver *self)
{
    self->operation++;
    self->is_in_flight = true;
    self->kind = (uint8_t)kit_between(0, KIND_COUNT - 1);
    self->part = part_size(&self->manners, self->size - self->total);
    memset(self->memory, UNTOUCHED, self->part);
    if (self->kind == WHOLE_V || self->kind == SOME_V)
        cut_in(self);
}

static weir_task *receive_part(weir_task *task, struct kit_receiver *self)
{
    weir_buffer buffer = weir_buffer_of(self->memory, self->part);

    switch (self->kind) {
    case WHOLE:
        return weir_read(task, self->in, buffer);
    case SOME:
        return weir_read_some(task, self->in, buffer);
    case WHOLE_V:
        return weir_read_v(task, self->in, self->parts, self->part_count);
    default:
        return weir_read_some_v(task, self->in, self->parts, self->part_count);
    }
}

/* Nothing is written behind what is counted: a byte there would be one that was lost. */
static void check_untouched(const struct kit_receiver *self, size_t count)
{
    size_t i;

    for (i = count; i < self->part; i++)
        KIT_CHECK(self->memory[i] == UNTOUCHED,
                  "connection %u: a read counts %zu bytes and has written byte %zu",
                  self->flow->connection, count, i);
}

static int account_received(const weir_task *task, struct kit_receiver *self, weir_result r,
                            bool late)
{
    self->is_in_flight = false;
    check_result("a read", (enum kind)self->kind, self->part, r);
    check_untouched(self, r.count);
    kit_flow_saw(self->flow, self->memory, r.count);
    self->total += r.count;
    if (r.error == WEIR_EOF)
        kit_flow_saw_end(self->flow);
    return kit_error_left(task, &self->manners, "a read", r.error, late);
}

/* An end stays, and so does a failure. */
static void check_lasting(const weir_task *task, const struct kit_receiver *self, weir_result r)
{
    if (weir_task_stop_bits(task) && (kit_failure_of(r.error) & (KIT_STOPPED | KIT_LATE)))
        return;
    if (self->manners.is_disturbed && (kit_failure_of(r.error) & (KIT_STOPPED | KIT_CLOSED)))
        return;
    KIT_CHECK(r.error == self->error && r.count == 0,
              "connection %u: a read gives %s, and the next one %s, %zu bytes",
              self->flow->connection, weir_error_name(self->error), weir_error_name(r.error),
              r.count);
}

static weir_task *receiver_resume(weir_task *task)
{
    struct kit_receiver *self = WEIR_TASK_SELF(task, struct kit_receiver);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->manners.begin_after_ns)
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->manners.begin_after_ns));
    while (!self->error && self->total < self->size) {
        if (kit_chance(self->manners.hesitation))
            WEIR_AWAIT(task, r, weir_sleep_for(task, pause_ns(&self->manners)));
        self->due_ns = kit_be_impatient(task, &self->manners, &self->deadline);
        prepare_to_receive(self);
        WEIR_AWAIT(task, r, receive_part(task, self));
        self->error =
            account_received(task, self, r, kit_is_late(task, &self->deadline, self->due_ns));
    }
    if (kit_failure_of(self->error) & (KIT_END | KIT_RESET | KIT_CUT)) {
        WEIR_AWAIT(task, r, weir_read_some(task, self->in, weir_buffer_of(self->memory, 1)));
        check_lasting(task, self, r);
    }
    if (self->error == WEIR_EOF && self->takes_end)
        self->error = 0;
    WEIR_RETURN(task, weir_result_of(self->error, self->total));
    WEIR_END(task);
}

void kit_receiver_init(struct kit_receiver *receiver, weir_read_stream *in, struct kit_flow *flow,
                       uint64_t size, const struct kit_manners *manners)
{
    weir_task_init(&receiver->task, receiver_resume);
    receiver->in = in;
    receiver->flow = flow;
    receiver->size = size;
    receiver->takes_end = false;
    receiver->manners = *manners;
    receiver->total = 0;
    receiver->error = 0;
    receiver->operation = 0;
    receiver->is_in_flight = false;
    weir_deadline_init(&receiver->deadline);
}

void kit_receiver_again(struct kit_receiver *receiver, uint64_t size)
{
    receiver->manners.begin_after_ns = 0;
    weir_task_init(&receiver->task, receiver_resume);
    receiver->size += size;
    receiver->error = 0;
}

/* Loops and connections. */

weir_loop *kit_loop_new_with(const weir_loop_options *wanted)
{
    weir_loop_options options = *wanted;
    weir_loop *loop = NULL;
    int error;

    if (kit_chance(300) && !options.budget)
        options.budget = (int)kit_small(1, 64);
    if (kit_chance(300) && !options.queue_depth)
        options.queue_depth = (unsigned)kit_small(1, 64);
    if (kit_chance(300) && !options.frames_retained_bytes_max)
        options.frames_retained_bytes_max = (size_t)kit_small(1, 65536);
    if (kit_chance(300) && !options.spin_ns_max)
        options.spin_ns_max = -1;
    error = weir_loop_new(&options, &loop);
    KIT_CHECK(error == 0, "a loop cannot be made: %s", weir_error_name(error));
    return loop;
}

weir_loop *kit_loop_new(void)
{
    static const weir_loop_options any;

    return kit_loop_new_with(&any);
}

void kit_dump(weir_loop *loop)
{
    FILE *nowhere;
    size_t count;

    if (!kit_chance(10))
        return;
    nowhere = fopen("/dev/null", "we");
    KIT_CHECK(nowhere, "there is no /dev/null");
    count = weir_loop_dump(loop, nowhere);
    fclose(nowhere);
    KIT_CHECK(count > 0, "a loop that runs has no task");
}

void kit_loop_free(weir_loop *loop)
{
    const weir_context *context = weir_loop_context(loop);

    KIT_CHECK(context->root_count == 0, "%zu trees live on a loop that has ended",
              context->root_count);
    KIT_CHECK(weir_frame_live_count(&context->frames) == 0,
              "%zu frames are not home when their trees have ended",
              weir_frame_live_count(&context->frames));
    weir_loop_free(loop);
}

void kit_check_closed(const weir_tcp_socket *socket)
{
    weir_endpoint endpoint;

    KIT_CHECK(!weir_tcp_is_open(socket), "a socket is open after it was closed");
    KIT_CHECK(weir_tcp_local(socket, &endpoint) == WEIR_CLOSED,
              "a closed socket has a local endpoint");
    KIT_CHECK(weir_tcp_peer(socket, &endpoint) == WEIR_CLOSED, "a closed socket has a peer");
}

enum { GONE = 0xa5 };

void kit_socket_gone(weir_tcp_socket *socket)
{
    kit_check_closed(socket);
    memset(socket, GONE, sizeof *socket);
    weir_tcp_socket_init(socket);
}

static weir_task *listener_resume(weir_task *task)
{
    struct kit_listener *self = WEIR_TASK_SELF(task, struct kit_listener);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        r.error = weir_tcp_listen(self->acceptor, self->loop, &self->local, &self->options);
        if (!r.error)
            break;
        kit_expect("listen", r.error, KIT_FULL);
        WEIR_AWAIT(task, r, weir_sleep_for(task, KIT_MS));
        if (r.error)
            break;
    }
    WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_END(task);
}

void kit_listener_init(struct kit_listener *listener, weir_tcp_acceptor *acceptor, weir_loop *loop,
                       const weir_endpoint *local, const weir_tcp_listen_options *options)
{
    weir_task_init(&listener->task, listener_resume);
    listener->acceptor = acceptor;
    listener->loop = loop;
    listener->local = *local;
    listener->options = options ? *options : (weir_tcp_listen_options){0};
}

static bool tries_again(const struct kit_connector *self)
{
    return (kit_failure_of(self->error) & self->again) && self->attempts < self->attempts_max;
}

static weir_task *connector_resume(weir_task *task)
{
    struct kit_connector *self = WEIR_TASK_SELF(task, struct kit_connector);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        self->attempts++;
        WEIR_AWAIT(task, r, weir_tcp_connect(task, self->socket, &self->peer));
        self->error = r.error;
        KIT_CHECK(weir_tcp_is_open(self->socket) == !r.error,
                  "a connect gives %s, and the socket is %s", weir_error_name(r.error),
                  weir_tcp_is_open(self->socket) ? "open" : "closed");
        if (!tries_again(self))
            break;
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->pause_ns));
        if (r.error)
            break;
        self->pause_ns = self->pause_ns < KIT_S ? 2 * self->pause_ns : KIT_S;
    }
    WEIR_RETURN(task, weir_result_of(self->error, self->attempts));
    WEIR_END(task);
}

void kit_connector_init(struct kit_connector *connector, weir_tcp_socket *socket,
                        const weir_endpoint *peer, unsigned again, unsigned attempts_max)
{
    weir_task_init(&connector->task, connector_resume);
    connector->socket = socket;
    connector->peer = *peer;
    connector->again = again;
    connector->attempts_max = attempts_max;
    connector->pause_ns = KIT_MS;
    connector->attempts = 0;
    connector->error = 0;
}

/* Order. */

void kit_order_arrived(struct kit_order *order, const char *what, unsigned producer,
                       uint64_t number)
{
    KIT_CHECK(producer < KIT_PRODUCERS_MAX, "%s: an item of producer %u, who does not exist", what,
              producer);
    KIT_CHECK(number == order->next[producer],
              "%s: item %llu of producer %u arrives where %llu is due", what,
              (unsigned long long)number, producer, (unsigned long long)order->next[producer]);
    order->next[producer]++;
    order->count++;
}

void kit_exclusive_enter(struct kit_exclusive *exclusive, const char *what)
{
    KIT_CHECK(exclusive->inside == 0, "%s is entered while somebody is inside", what);
    exclusive->inside++;
    exclusive->entered++;
}

void kit_exclusive_leave(struct kit_exclusive *exclusive)
{
    exclusive->inside--;
}
