// Both neighbours of a ring: a guest that writes commands into its memory as Mesa's driver does,
// and an owner that executes them. Commands are words: kind, bytes, argument, filling.
#ifndef PV_TESTS_RING_FAKE_GUEST_H
#define PV_TESTS_RING_FAKE_GUEST_H

#include "ring/ring.h"

#include <stdatomic.h>

enum command_kind {
    COMMAND_CHECK = 0x1000, // its filling must be as the guest wrote it
    COMMAND_REPLY,          // stores its argument in `reply`
    COMMAND_GATE,           // holds the ring until `gate` is at least the argument
    COMMAND_WAIT,           // pv_ring_wait_virtqueue_seqno(argument)
    COMMAND_FAIL,           // fails the context
};

#define COMMAND_MIN_SIZE 12

struct fake_guest {
    struct pv_ring_layout layout;
    uint8_t *memory;
    uint64_t memory_size;
    struct pv_ring *ring;

    // The guest's own.
    uint32_t tail; // written so far, perhaps not yet submitted
    uint64_t last_notify_ns;
    uint32_t notifications;

    // The owner's.
    _Atomic uint32_t executed;   // commands
    _Atomic uint32_t wrong;      // commands that were not what the guest wrote
    _Atomic uint32_t waits_lost; // waits that ended because the ring stopped
    _Atomic uint32_t gate;
    _Atomic uint32_t at_gate; // argument of the gate or wait that holds the ring; 0: none
    _Atomic uint32_t sleeps, wakes;
    _Atomic(const char *) failure;
    uint32_t reply; // plain on purpose: head orders it
};

// A ring with this buffer, not started.
void guest_open(struct fake_guest *guest, uint64_t buffer_size, uint64_t idle_timeout_ns);
void guest_start(struct fake_guest *guest);
void guest_close(struct fake_guest *guest); // once more is harmless

// Makes both sides believe that `position` bytes have been through. Before the start.
void guest_begin_at(struct fake_guest *guest, uint32_t position);

// Writes a command of `size` bytes, waiting for room, and does not submit it. Returns the seqno.
uint32_t guest_put(struct fake_guest *guest, enum command_kind kind, uint32_t argument,
                   uint32_t size);

// Stores tail. True: the ring is idle and wants a notification.
bool guest_submit(struct fake_guest *guest);
// Stores tail and notifies as the driver does: if the ring is idle, but not twice within the idle
// timeout.
void guest_submit_and_notify(struct fake_guest *guest);

uint32_t guest_head(const struct fake_guest *guest);
uint32_t guest_status(const struct fake_guest *guest);
_Atomic uint32_t *guest_word(const struct fake_guest *guest, uint64_t offset);

// These fail the test when it takes more than ten seconds.
void guest_wait_head(const struct fake_guest *guest, uint32_t seqno);
void guest_wait_status(const struct fake_guest *guest, uint32_t bits);
void guest_wait_gate(const struct fake_guest *guest, uint32_t gate);
void guest_wait_sleep(const struct fake_guest *guest); // of the ring thread

void sleep_ns(uint64_t duration_ns);

#endif
