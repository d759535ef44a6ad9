#include "fake_guest.h"

#include "base/os.h"
#include "ring/state.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_NS UINT64_C(10000000000)

// The owner. It runs on the ring thread, so it counts what is wrong instead of asserting.

static uint32_t filling(uint32_t argument, uint32_t i)
{
    return (argument + i) * 0x9e3779b1u;
}

static void pass_gate(struct fake_guest *guest, uint32_t gate)
{
    atomic_store(&guest->at_gate, gate);
    while (atomic_load(&guest->gate) < gate && !pv_ring_is_stopping(guest->ring)) {
        sched_yield();
    }
    atomic_store(&guest->at_gate, 0);
}

static bool run_command(struct fake_guest *guest, const uint32_t *words)
{
    switch (words[0]) {
    case COMMAND_CHECK:
        for (uint32_t i = 3; i < words[1] / 4; i++) {
            if (words[i] != filling(words[2], i)) {
                atomic_fetch_add(&guest->wrong, 1);
            }
        }
        return true;
    case COMMAND_REPLY:
        guest->reply = words[2];
        return true;
    case COMMAND_GATE:
        pass_gate(guest, words[2]);
        return true;
    case COMMAND_WAIT:
        atomic_store(&guest->at_gate, words[2]);
        if (!pv_ring_wait_virtqueue_seqno(guest->ring, words[2])) {
            atomic_fetch_add(&guest->waits_lost, 1);
        }
        atomic_store(&guest->at_gate, 0);
        return true;
    case COMMAND_FAIL:
        return false;
    default:
        atomic_fetch_add(&guest->wrong, 1);
        return false;
    }
}

static bool owner_execute(void *user, uint8_t *bytes, size_t size)
{
    struct fake_guest *guest = user;
    for (size_t at = 0; at < size;) {
        if (pv_ring_is_stopping(guest->ring)) {
            return true;
        }
        const uint32_t *words = (const uint32_t *)(const void *)(bytes + at);
        if (size - at < COMMAND_MIN_SIZE || words[1] < COMMAND_MIN_SIZE || words[1] > size - at) {
            atomic_fetch_add(&guest->wrong, 1);
            return false;
        }
        const uint32_t command_size = words[1];
        if (!run_command(guest, words)) {
            return false;
        }
        if (pv_ring_is_stopping(guest->ring)) {
            return true;
        }
        at += command_size;
        atomic_fetch_add(&guest->executed, 1);
        pv_ring_publish(guest->ring, at);
    }
    return true;
}

static void owner_sleep(void *user)
{
    atomic_fetch_add(&((struct fake_guest *)user)->sleeps, 1);
}

static void owner_wake(void *user)
{
    atomic_fetch_add(&((struct fake_guest *)user)->wakes, 1);
}

static void owner_failed(void *user, const char *reason)
{
    atomic_store(&((struct fake_guest *)user)->failure, reason);
}

static const struct pv_ring_ops owner_ops = {
    .execute = owner_execute,
    .sleep = owner_sleep,
    .wake = owner_wake,
    .failed = owner_failed,
};

// The guest.

void guest_open(struct fake_guest *guest, uint64_t buffer_size, uint64_t idle_timeout_ns)
{
    *guest = (struct fake_guest){
        .layout =
            {
                .size = 192 + buffer_size + 8,
                .idle_timeout_ns = idle_timeout_ns,
                .tail_offset = 64,
                .status_offset = 128,
                .buffer_offset = 192,
                .buffer_size = buffer_size,
                .extra_offset = 192 + buffer_size,
                .extra_size = 8,
            },
    };
    guest->memory_size = guest->layout.size;
    guest->memory = calloc(1, guest->memory_size);
    assert_non_null(guest->memory);
    assert_null(pv_ring_layout_check(&guest->layout, guest->memory_size));

    const char *reason = NULL;
    guest->ring = pv_ring_create(
        &(struct pv_ring_params){
            .layout = guest->layout,
            .memory = guest->memory,
            .ops = &owner_ops,
            .user = guest,
            .thread_name = "ring under test",
        },
        &reason);
    assert_non_null(guest->ring);
}

void guest_start(struct fake_guest *guest)
{
    assert_true(pv_ring_start(guest->ring));
}

void guest_close(struct fake_guest *guest)
{
    if (!guest->ring) {
        return;
    }
    pv_ring_destroy(guest->ring);
    assert_int_equal(atomic_load(&guest->wrong), 0);
    assert_int_equal(atomic_load(&guest->sleeps), atomic_load(&guest->wakes));
    free(guest->memory);
    guest->ring = NULL;
    guest->memory = NULL;
}

void guest_begin_at(struct fake_guest *guest, uint32_t position)
{
    guest->tail = position;
    atomic_store(guest_word(guest, guest->layout.tail_offset), position);
    atomic_store(guest_word(guest, guest->layout.head_offset), position);
    guest->ring->batch_begin = position;
    atomic_store(&guest->ring->done, position);
}

_Atomic uint32_t *guest_word(const struct fake_guest *guest, uint64_t offset)
{
    return (_Atomic uint32_t *)(void *)(guest->memory + offset);
}

uint32_t guest_head(const struct fake_guest *guest)
{
    return atomic_load_explicit(guest_word(guest, guest->layout.head_offset), memory_order_acquire);
}

uint32_t guest_status(const struct fake_guest *guest)
{
    return atomic_load(guest_word(guest, guest->layout.status_offset));
}

static void put_word(struct fake_guest *guest, uint32_t word)
{
    const uint64_t at = guest->tail & (guest->layout.buffer_size - 1);
    memcpy(guest->memory + guest->layout.buffer_offset + at, &word, sizeof(word));
    guest->tail += 4;
}

uint32_t guest_put(struct fake_guest *guest, enum command_kind kind, uint32_t argument,
                   uint32_t size)
{
    assert_true(size >= COMMAND_MIN_SIZE && size % 4 == 0 && size <= guest->layout.buffer_size);
    const uint64_t begin_ns = pv_os_now_ns();
    while (guest->tail - guest_head(guest) + size > guest->layout.buffer_size) {
        assert_true(pv_os_now_ns() - begin_ns < PATIENCE_NS);
        guest_submit_and_notify(guest);
        sched_yield();
    }
    put_word(guest, kind);
    put_word(guest, size);
    put_word(guest, argument);
    for (uint32_t i = 3; i < size / 4; i++) {
        put_word(guest, filling(argument, i));
    }
    return guest->tail;
}

bool guest_submit(struct fake_guest *guest)
{
    atomic_store(guest_word(guest, guest->layout.tail_offset), guest->tail);
    return guest_status(guest) & PV_RING_STATUS_IDLE;
}

void guest_submit_and_notify(struct fake_guest *guest)
{
    if (guest_submit(guest)) {
        const uint64_t now_ns = pv_os_now_ns();
        if (now_ns - guest->last_notify_ns >= guest->layout.idle_timeout_ns) {
            guest->last_notify_ns = now_ns;
            guest->notifications++;
            pv_ring_notify(guest->ring);
        }
    }
}

void guest_wait_head(const struct fake_guest *guest, uint32_t seqno)
{
    const uint64_t begin_ns = pv_os_now_ns();
    while (guest_head(guest) - seqno > INT32_MAX) {
        assert_true(pv_os_now_ns() - begin_ns < PATIENCE_NS);
        sched_yield();
    }
}

void guest_wait_status(const struct fake_guest *guest, uint32_t bits)
{
    const uint64_t begin_ns = pv_os_now_ns();
    while ((guest_status(guest) & bits) != bits) {
        assert_true(pv_os_now_ns() - begin_ns < PATIENCE_NS);
        sched_yield();
    }
}

void guest_wait_sleep(const struct fake_guest *guest)
{
    const uint64_t begin_ns = pv_os_now_ns();
    while (atomic_load(&guest->sleeps) != atomic_load(&guest->wakes)) {
        assert_true(pv_os_now_ns() - begin_ns < PATIENCE_NS);
        sched_yield();
    }
}

void guest_wait_gate(const struct fake_guest *guest, uint32_t gate)
{
    const uint64_t begin_ns = pv_os_now_ns();
    while (atomic_load(&guest->at_gate) != gate) {
        assert_true(pv_os_now_ns() - begin_ns < PATIENCE_NS);
        sched_yield();
    }
}

void sleep_ns(uint64_t duration_ns)
{
    const struct timespec duration = {.tv_sec = (time_t)(duration_ns / 1000000000),
                                      .tv_nsec = (long)(duration_ns % 1000000000)};
    nanosleep(&duration, NULL);
}
