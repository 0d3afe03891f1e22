/* SPDX-License-Identifier: MIT */
/* Trees on several threads share an account. A strand is what a lock would be. */
#include <stdio.h>
#include <weir/stage_one.h>

enum { CLIENTS = 8, DEPOSITS = 1000 };

struct account {
    weir_any_executor strand; /* Whose tasks alone touch the rest. */
    long balance;
    int inside; /* Tasks that are at it now, */
    int crowd;  /* and how many that ever were. */
};

struct deposit { /* Of one coin. Runs on the strand. */
    weir_task task;
    struct account *account;
};

static weir_task *deposit_resume(weir_task *task)
{
    struct deposit *self = WEIR_TASK_SELF(task, struct deposit);
    struct account *account = self->account;

    account->inside++;
    account->crowd = account->inside > account->crowd ? account->inside : account->crowd;
    account->balance++;
    account->inside--;
    return weir_task_finish(task, weir_result_of(0, 0));
}

struct client { /* A tree of its own, side by side with the others. */
    weir_task task;
    weir_root root;
    struct account *account;
    weir_any_executor strand; /* A reference of its own. */
    int made;                 /* Deposits. */
    struct deposit deposit;
    weir_bridge bridge;
};

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->made = 0; self->made < DEPOSITS; self->made++) {
        self->deposit.account = self->account;
        weir_task_init(&self->deposit.task, deposit_resume);
        WEIR_AWAIT(task, r,
                   weir_run_on(task, &self->bridge, self->strand.executor, &self->deposit.task));
        if (r.error) /* A stop. */
            break;
    }
    WEIR_RETURN(task, weir_result_of(0, (size_t)self->made));
    WEIR_END(task);
}

static void client_done(weir_root *root, weir_result result)
{
    struct client *self = root->user;

    (void)result;
    weir_any_executor_unref(&self->strand);
}

int main(void)
{
    static struct client clients[CLIENTS];
    struct account account = {.balance = 0};
    weir_thread_pool *pool;
    weir_executor *executor;

    if (weir_thread_pool_new(&(weir_thread_pool_options){.threads = 4}, &pool))
        return 1;
    executor = weir_thread_pool_executor(pool);
    if (weir_strand_new(weir_any_executor_of(executor), NULL, &account.strand))
        return 1;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].account = &account;
        clients[i].strand = weir_any_executor_ref(account.strand);
        weir_task_init(&clients[i].task, client_resume);
        weir_run_async(executor, &clients[i].root, &clients[i].task, client_done, &clients[i]);
    }
    weir_any_executor_unref(&account.strand); /* The last client ends it. */
    weir_thread_pool_free(pool);              /* Waits for the clients. */
    printf("%d clients, balance %ld, at most %d at a time\n", CLIENTS, account.balance,
           account.crowd);
    return 0;
}
