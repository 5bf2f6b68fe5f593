// SPDX-License-Identifier: GPL-2.0
/*
 * Description: tiny RCU, for the test of rcu-tables: a program of the host with the
 * variables, structs and functions of kernel/rcu/tiny.c that the command reads, by their
 * names there, and a callback of each kind. No kernel here is without SMP.
 */
#include <stdlib.h>

/* The test looks at variables and stops in each function, however this is compiled. */
#pragma GCC optimize("O0")

#define container_of(pointer, kind, field) ((kind *)((char *)(pointer) - __builtin_offsetof(kind, field)))

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
};

struct mmu_table_batch {
	struct callback_head rcu;
	unsigned int nr;
	void *tables[8];
};

struct ptdesc {
	unsigned long pt_flags;
	struct callback_head pt_rcu_head;
	unsigned int __page_type;
	struct { int counter; } __page_refcount;
};

enum pagetype { PGTY_table = 0xf2 };

struct list_head {
	struct list_head *next, *prev;
};

struct task_struct {
	int pid;
	char comm[16];
};

struct swait_queue {
	struct task_struct *task;
	struct list_head task_list;
};

struct completion {
	unsigned int done;
	struct {
		struct list_head task_list;
	} wait;
};

struct rcu_synchronize {
	struct callback_head head;
	struct completion completion;
};

static struct rcu_ctrlblk {
	struct callback_head *rcucblist, **donetail, **curtail;
} rcu_ctrlblk = {
	.donetail = &rcu_ctrlblk.rcucblist,
	.curtail = &rcu_ctrlblk.rcucblist,
};

/* What is called back for, one of each kind. */
struct mmu_table_batch *full;
enum pagetype known = PGTY_table;
struct ptdesc tables[5] = { [0 ... 4] = { .__page_type = PGTY_table << 24, .__page_refcount = { 1 } } };
struct swait_queue sleeper;
struct callback_head plain;
struct task_struct waiter = { 42, "waiter" };
struct rcu_synchronize synchronize;

void __tlb_remove_table(void *table) { (void)table; }

void __tlb_remove_table_free(struct mmu_table_batch *batch)
{
	for (int i = 0; i < (int)batch->nr; i++)
		__tlb_remove_table(batch->tables[i]);
	free(batch);
}

void tlb_remove_table_rcu(struct callback_head *head)
{
	__tlb_remove_table_free(container_of(head, struct mmu_table_batch, rcu));
}

/* What was called back; each function does something of its own, or the compiler makes one of them. */
struct callback_head *volatile called[4];

void __tlb_remove_table_one_rcu(struct callback_head *head) { called[0] = head; }
void pte_free_now(struct callback_head *head) { called[1] = head; }
void wakeme_after_rcu(struct callback_head *head) { called[2] = head; }
void something_else(struct callback_head *head) { called[3] = head; }

void call_rcu(struct callback_head *head, void (*func)(struct callback_head *))
{
	head->func = func;
	head->next = NULL;
	*rcu_ctrlblk.curtail = head;
	rcu_ctrlblk.curtail = &head->next;
}

void rcu_process_callbacks(void)
{
	struct callback_head *next, *list;

	list = rcu_ctrlblk.rcucblist;
	rcu_ctrlblk.rcucblist = *rcu_ctrlblk.donetail;
	*rcu_ctrlblk.donetail = NULL;
	if (rcu_ctrlblk.curtail == rcu_ctrlblk.donetail)
		rcu_ctrlblk.curtail = &rcu_ctrlblk.rcucblist;
	rcu_ctrlblk.donetail = &rcu_ctrlblk.rcucblist;
	while (list) {
		void (*f)(struct callback_head *) = list->func;

		next = list->next;
		list->func = NULL;
		f(list);
		list = next;
	}
}

/* A synchronize_rcu() of its own callback, whose task waits. */
static void wait_for_callback(void)
{
	struct list_head *queue = &synchronize.completion.wait.task_list;

	sleeper.task = &waiter;
	queue->next = queue->prev = &sleeper.task_list;
	sleeper.task_list.next = sleeper.task_list.prev = queue;
	call_rcu(&synchronize.head, wakeme_after_rcu);
}

int main(void)
{
	full = calloc(1, sizeof(*full));
	if (!full)
		return 2;
	full->nr = 3;
	for (int i = 0; i < 3; i++)
		full->tables[i] = &tables[i];
	call_rcu(&full->rcu, tlb_remove_table_rcu);
	call_rcu(&plain, something_else);
	call_rcu(&tables[3].pt_rcu_head, __tlb_remove_table_one_rcu);
	rcu_ctrlblk.donetail = rcu_ctrlblk.curtail;
	call_rcu(&tables[4].pt_rcu_head, pte_free_now);
	wait_for_callback();
	rcu_process_callbacks();
	return 0;
}
