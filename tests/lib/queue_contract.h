/* queue_contract.h: what every implementation of service/queue.h must keep; used as store_contract.h. Nothing here
 * asks for an exact order. */
#pragma once

#include "service/queue.h"

#define QUEUE_CONTRACT(X)                                                                                    \
	X(delivers_what_was_sent)                                                                            \
	X(says_when_it_is_empty)                                                                             \
	X(leases_a_message_to_one)                                                                           \
	X(forgets_what_was_acknowledged)                                                                     \
	X(delivers_again_what_was_given_back)                                                                \
	X(delivers_later_what_was_given_back_for_later)                                                      \
	X(delivers_again_when_a_lease_runs_out)                                                              \
	X(keeps_a_lease_that_was_extended)                                                                   \
	X(counts_what_waits)                                                                                 \
	X(wakes_a_waiting_receiver)                                                                          \
	X(wakes_everyone_when_it_stops)                                                                      \
	X(gives_nothing_after_it_stopped)                                                                    \
	X(gives_each_message_to_one_of_many_threads)

/* Besides, where the queue can tell one delivery from another. */
#define QUEUE_CONTRACT_RECEIPTS(X)                                                                           \
	X(takes_no_receipt_of_an_earlier_delivery)                                                           \
	X(takes_a_receipt_once)

#define X(name) void queue_contract_##name(struct queue *queue);
QUEUE_CONTRACT(X)
QUEUE_CONTRACT_RECEIPTS(X)
#undef X

/* Sends a message with a fresh id, which goes into ID. */
void contract_send(struct queue *queue, char id[JOB_ID_SIZE]);
/* Receives a message for LEASE_SEC, waiting long; fails the test when none comes. */
struct queue_message contract_receive(struct queue *queue, unsigned lease_sec);
/* There is none now. */
void contract_expect_empty(struct queue *queue);
