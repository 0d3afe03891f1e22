/* SPDX-License-Identifier: MIT */
/* The program that sends what others race for. */
#include "races.h"

/* The next multiple of the grid, or one of those behind it; now and then beside it. */
int64_t races_moment(const struct races_field *field, unsigned most)
{
    int64_t grid_ns = field->grid_ns;
    int64_t at_ns = (weir_now_ns() / grid_ns + 1 + (int64_t)play_below(field->sim, most)) * grid_ns;

    return kit_chance(100) ? at_ns + play_between(field->sim, -1, 1) : at_ns;
}

static weir_task *end_writing(weir_task *task, weir_tcp_socket *socket)
{
    return weir_write_eof(task, &socket->stream.out, weir_const_buffer_of(NULL, 0));
}

static weir_task *write_some(struct outflow *self)
{
    struct races_sender *sender = self->sender;
    struct kit_flow *flow = &sender->field->there;
    weir_const_buffer buffer;

    sender->size = kit_small(1, RACES_MEMORY_BYTES);
    kit_flow_fill(flow, sender->memory, sender->size);
    buffer = weir_const_buffer_of(sender->memory, sender->size);
    if (kit_chance(500))
        weir_deadline_arm_at(&self->task, &sender->deadline, races_moment(sender->field, 3));
    if (kit_chance(500))
        return weir_write(&self->task, &sender->socket.stream.out, buffer);
    return weir_write_some(&self->task, &sender->socket.stream.out, buffer);
}

static unsigned sender_failures(const struct races_sender *self)
{
    return self->field->failures | (self->field->is_left ? KIT_RESET | KIT_END : 0u);
}

static void wrote(struct races_sender *self, weir_result r)
{
    bool is_late = weir_deadline_disarm(&self->outflow.task, &self->deadline);

    kit_flow_wrote(&self->field->there, r.count);
    kit_expect("a write", r.error,
               sender_failures(self) | (is_late ? KIT_LATE : 0u) |
                   (weir_task_stop_bits(&self->outflow.task) ? KIT_STOPPED : 0u));
    self->error = r.error == WEIR_TIMED_OUT ? 0 : r.error;
}

static weir_task *outflow_resume(weir_task *task)
{
    struct outflow *self = WEIR_TASK_SELF(task, struct outflow);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->sender->left-- > 0 && !self->sender->error) {
        WEIR_AWAIT(task, r, weir_sleep_until(task, races_moment(self->sender->field, 6)));
        WEIR_AWAIT(task, r, write_some(self));
        wrote(self->sender, r);
    }
    kit_flow_end(&self->sender->field->there);
    WEIR_AWAIT(task, r, end_writing(task, &self->sender->socket));
    WEIR_RETURN(task, weir_result_of(self->sender->error, 0));
    WEIR_END(task);
}

/* In a time that is often too short; in the end without a limit. */
static weir_task *connect_in_time(struct races_sender *self)
{
    if (self->attempts++ < 20)
        weir_deadline_arm_at(&self->task, &self->deadline, races_moment(self->field, 30));
    return weir_tcp_connect(&self->task, &self->socket, &self->peer);
}

static bool connects_again(struct races_sender *self, weir_result r)
{
    (void)weir_deadline_disarm(&self->task, &self->deadline);
    if (!r.error) {
        self->is_connected = weir_tcp_local(&self->socket, &self->local) == 0;
        return false;
    }
    kit_expect("a connect", r.error,
               KIT_LATE | KIT_REFUSED | self->field->failures |
                   (self->field->is_left ? KIT_RESET : 0u));
    return self->attempts < 40;
}

static void check_receiver(const struct races_sender *self)
{
    int error = weir_task_result(&self->receiver.task).error;

    if (self->error)
        kit_expect("the sender's read", error, sender_failures(self) | KIT_STOPPED | KIT_END);
    else
        kit_expect("the sender's read", error, sender_failures(self) | KIT_END);
}

static weir_task *exchange(struct races_sender *self)
{
    struct kit_manners manners = {.part_max = 0};

    kit_receiver_init(&self->receiver, &self->socket.stream.in, &self->field->back, UINT64_MAX,
                      &manners);
    self->outflow.sender = self;
    weir_task_init(&self->outflow.task, outflow_resume);
    return weir_when_all_2(&self->task, &self->group, &self->outflow.task, &self->receiver.task);
}

static weir_task *sender_resume(weir_task *task)
{
    struct races_sender *self = WEIR_TASK_SELF(task, struct races_sender);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    do {
        WEIR_AWAIT(task, r, weir_sleep_until(task, races_moment(self->field, 10)));
        WEIR_AWAIT(task, r, connect_in_time(self));
    } while (connects_again(self, r));
    if (!r.error) {
        WEIR_AWAIT(task, r, exchange(self));
        check_receiver(self);
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    }
    self->is_gone = true;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void races_sender_main(void *argument)
{
    struct races_sender *self = argument;

    weir_task_init(&self->task, sender_resume);
    (void)play_run(&self->task);
}
