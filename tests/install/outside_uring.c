/* SPDX-License-Identifier: MIT */

/*
 * The native layer outside the project, with the installed weir; where io_uring is missing, the
 * portable one. It is compiled as C and as C++.
 */

#include <weir/uring/tcp.h>
#include <weir/weir.h>

#include <stdio.h>
#include <string.h>

/* Writes to itself. */
typedef struct visit {
    weir_task task;
    bool is_native;
    weir_endpoint local;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket near_end, far_end;
    weir_result outcome;
    char text[32]; /* Out. */
} visit;

static weir_task *write_text(weir_task *task, visit *self)
{
    weir_const_buffer text = weir_const_buffer_of("[::1]:7777", 10);

    return self->is_native ? weir_uring_write(task, &self->near_end, text)
                           : weir_write(task, &self->near_end.stream.out, text);
}

static weir_task *read_text(weir_task *task, visit *self)
{
    weir_buffer text = weir_buffer_of(self->text, 10);

    return self->is_native ? weir_uring_read(task, &self->far_end, text)
                           : weir_read(task, &self->far_end.stream.in, text);
}

static weir_task *visit_resume(weir_task *task)
{
    visit *self = WEIR_TASK_SELF(task, visit);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->near_end);
    weir_tcp_socket_init(&self->far_end);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->near_end, &self->local));
    WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->far_end));
    WEIR_AWAIT(task, r, write_text(task, self));
    WEIR_AWAIT(task, r, read_text(task, self));
    self->outcome = r;
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->near_end));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->far_end));
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

int main(void)
{
    static visit visit;
    weir_loop *loop;
    weir_result r;

    visit.local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    if (weir_loop_new(NULL, &loop) || weir_tcp_listen(&visit.acceptor, loop, &visit.local, NULL) ||
        weir_tcp_acceptor_local(&visit.acceptor, &visit.local))
        return 1;
    visit.is_native = weir_uring_is(loop);
    weir_task_init(&visit.task, visit_resume);
    r = weir_run(loop, &visit.task);
    weir_loop_free(loop);
    puts(visit.text);
    return r.error;
}
