// Rings as a context runs them: who may use them, how they fail, and how they end while waiting.
#include "guest.h"

#include <unistd.h>

#define FATAL 2u // of the status word
#define ALIVE 4u

static void write_ring_command(struct guest *g, uint32_t command, uint64_t ring)
{
    begin(g, command, false);
    put_u64(g, ring);
    switch (command) {
    case PV_COMMAND_vkNotifyRingMESA:
        put_u32(g, 0);
        put_u32(g, 0);
        break;
    case PV_COMMAND_vkWriteRingExtraMESA:
        put_u64(g, 0);
        put_u32(g, 0x1234);
        break;
    case PV_COMMAND_vkSubmitVirtqueueSeqnoMESA:
    case PV_COMMAND_vkWaitRingSeqnoMESA:
        put_u64(g, 0);
        break;
    default:
        break;
    }
}

static void write_wait_virtqueue(struct guest *g, uint64_t seqno)
{
    begin(g, PV_COMMAND_vkWaitVirtqueueSeqnoMESA, false);
    put_u64(g, seqno);
}

static void write_wait_ring(struct guest *g, uint64_t ring, uint64_t seqno)
{
    begin(g, PV_COMMAND_vkWaitRingSeqnoMESA, false);
    put_u64(g, ring);
    put_u64(g, seqno);
}

static void write_destroy_device(struct guest *g)
{
    begin(g, PV_COMMAND_vkDestroyDevice, false);
    put_u64(g, DEVICE);
    put_null(g);
}

static bool has_failed(void *user)
{
    return pv_context_failure(((struct guest *)user)->context) != NULL;
}

static bool is_fatal(void *user)
{
    return ring_status(user) & FATAL;
}

static void a_ring_runs_commands_and_replies(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    struct test_ring ring = open_ring(&g, 7, RING);
    memset(g.memory, 0, REPLY);
    for (uint64_t i = 0; i < 200; i++) { // around the ring's end
        write_create_fence(&g, 100 + i, true);
        ring_put(&g, &ring);
        assert_true(ring_wait(&ring));
        assert_int_equal(get_result(&g, PV_COMMAND_vkCreateFence), VK_SUCCESS);
        assert_int_equal(get_u64(&g), 1);
        assert_int_equal(get_u64(&g), 100 + i);
    }
    assert_null(pv_context_failure(g.context));
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_FENCE), 200);
    struct pv_context_stats stats;
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.rings, 1);
    assert_int_equal(stats.ring_bytes, ring.tail);
    write_ring_command(&g, PV_COMMAND_vkDestroyRingMESA, 7);
    submit_well(&g);
    pv_context_get_stats(g.context, &stats);
    assert_int_equal(stats.rings, 0);
    assert_int_equal(stats.ring_bytes, ring.tail);
    guest_close(&g);
}

static const uint32_t ring_commands[] = {
    PV_COMMAND_vkDestroyRingMESA,    PV_COMMAND_vkNotifyRingMESA,
    PV_COMMAND_vkWriteRingExtraMESA, PV_COMMAND_vkSubmitVirtqueueSeqnoMESA,
    PV_COMMAND_vkWaitRingSeqnoMESA,
};

static void unknown_rings_end_the_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ring_commands) / sizeof(ring_commands[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        (void)open_ring(&g, 7, RING);
        write_ring_command(&g, ring_commands[i], 8);
        submit_badly(&g, "there is no such ring");
        guest_close(&g);
    }
}

static void rings_do_not_command_rings(void **state)
{
    (void)state;
    for (size_t i = 0; i <= sizeof(ring_commands) / sizeof(ring_commands[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        struct test_ring ring = open_ring(&g, 7, RING);
        if (i < sizeof(ring_commands) / sizeof(ring_commands[0])) {
            write_ring_command(&g, ring_commands[i], 7);
        } else {
            write_create_ring(&g, 8, SHM, RING + 16384);
        }
        ring_put(&g, &ring);
        assert_true(wait_for(has_failed, &g));
        assert_non_null(
            strstr(pv_context_failure(g.context), "only the context stream may carry this"));
        guest_close(&g);
    }
}

static void only_rings_wait_for_the_virtqueue(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_wait_virtqueue(&g, 0);
    submit_badly(&g, "only a ring may wait for the virtqueue");
    guest_close(&g);
}

static void rings_lie_in_shared_memory_of_the_context(void **state)
{
    (void)state;
    static const struct {
        uint32_t resource;
        uint64_t offset;
    } bad[] = {{77, 0}, {0, 0}, {SHM, SHM_SIZE - 4096}, {SHM, UINT64_MAX - 64}, {SHM, 2}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        write_create_ring(&g, 7, bad[i].resource, bad[i].offset);
        assert_false(submit(&g));
        guest_close(&g);
    }
}

static void head_and_status_begin_with_0(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct guest g;
        guest_open(&g, NULL);
        g.memory[RING + i * 128] = 1;
        write_create_ring(&g, 7, SHM, RING);
        submit_badly(&g, "head or status");
        guest_close(&g);
    }
}

static void names_of_rings_differ(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    (void)open_ring(&g, 7, RING);
    write_create_ring(&g, 7, SHM, RING + 16384);
    submit_badly(&g, "name is in use");
    guest_close(&g);
}

static void rings_are_limited(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.max_rings = 2});
    (void)open_ring(&g, 1, RING);
    (void)open_ring(&g, 2, RING + 16384);
    write_create_ring(&g, 3, SHM, RING + 32768);
    submit_badly(&g, "too many rings");
    guest_close(&g);
}

struct keeper {
    bool refuses;
    int begun, ended;
    uint64_t id;
};

static bool begin_pulse(void *user, const struct pv_pulse *pulse)
{
    struct keeper *keeper = user;
    uint32_t status = 0;
    keeper->begun++;
    keeper->id = pulse->id;
    assert_int_equal(pulse->bits, ALIVE);
    assert_int_equal(pulse->period_us, 20000);
    assert_int_equal(pulse->offset, RING + 128);
    assert_int_equal(pread(pulse->fd, &status, sizeof(status), (off_t)pulse->offset), 4);
    assert_true(status & ALIVE);
    return !keeper->refuses;
}

static void end_pulse(void *user, uint64_t id)
{
    struct keeper *keeper = user;
    assert_int_equal(id, keeper->id);
    keeper->ended++;
}

static _Atomic uint32_t *status_of(struct guest *g)
{
    return (_Atomic uint32_t *)(void *)(g->memory + RING + 128);
}

static bool is_alive(void *user)
{
    return atomic_load(status_of(user)) & ALIVE;
}

static void a_vmm_may_tell_the_guest_that_we_live(void **state)
{
    (void)state;
    for (int refuses = 0; refuses < 2; refuses++) {
        struct guest g;
        struct keeper keeper = {.refuses = refuses};
        guest_open(&g, &(struct pv_renderer_params){.begin_pulse = begin_pulse,
                                                    .end_pulse = end_pulse,
                                                    .pulse_user = &keeper});
        write_create_monitored_ring(&g, 7, SHM, RING, 20000);
        submit_well(&g);
        assert_int_equal(keeper.begun, 1);
        assert_int_equal(keeper.ended, 0);
        atomic_fetch_and(status_of(&g), ~ALIVE);
        if (refuses) {
            assert_true(wait_for(is_alive, &g));
        } else {
            usleep(100000); // five periods
            assert_false(is_alive(&g));
        }
        write_ring_command(&g, PV_COMMAND_vkDestroyRingMESA, 7);
        submit_well(&g);
        assert_int_equal(keeper.ended, refuses ? 0 : 1);
        guest_close(&g);
    }
}

static void extra_words_stay_in_their_region(void **state)
{
    (void)state;
    static const uint64_t bad[] = {1, 4, UINT64_MAX, UINT64_MAX - 3};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        (void)open_ring(&g, 7, RING);
        write_ring_command(&g, PV_COMMAND_vkWriteRingExtraMESA, 7);
        submit_well(&g);
        assert_int_equal(g.memory[RING + 192 + 4096], 0x34);
        begin(&g, PV_COMMAND_vkWriteRingExtraMESA, false);
        put_u64(&g, 7);
        put_u64(&g, bad[i]);
        put_u32(&g, 1);
        submit_badly(&g, "extra region");
        guest_close(&g);
    }
}

// -- failure
// -----------------------------------------------------------------------------------------

static void failure_shows_in_every_ring(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    struct test_ring ring = open_ring(&g, 7, RING), other = open_ring(&g, 8, RING + 16384);
    write_create_instance(&g, INSTANCE, false);
    write_create_instance(&g, INSTANCE, false);
    ring_put(&g, &ring);
    assert_true(wait_for(has_failed, &g));
    assert_string_equal(pv_context_failure(g.context),
                        "vkCreateInstance (0) at byte 88 of ring 0x7: the id of a new object is in "
                        "use (1)");
    assert_true(wait_for(is_fatal, &ring));
    assert_true(wait_for(is_fatal, &other));
    assert_false(submit(&g));
    guest_close(&g);
}

// Whatever the guest tries afterwards. The place is that of the whole ring.
static void a_failure_is_said_once(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    struct test_ring ring = open_ring(&g, 7, RING), other = open_ring(&g, 8, RING + 16384);
    write_create_instance(&g, INSTANCE, false);
    ring_put(&g, &ring);
    write_wait_ring(&g, 7, ring.tail);
    submit_well(&g);
    write_create_instance(&g, INSTANCE, false);
    ring_put(&g, &ring);
    assert_true(wait_for(has_failed, &g));
    assert_true(wait_for(is_fatal, &other));
    for (int i = 0; i < 3; i++) {
        write_create_instance(&g, INSTANCE, false);
        assert_false(submit(&g));
        assert_true(pv_context_create_fence(g.context, 0, 1));
    }
    write_create_instance(&g, INSTANCE, false);
    ring_put(&g, &other);
    pv_context_detach_resource(g.context, g.shm);
    assert_string_equal(g.last_said, "context test failed: vkCreateInstance (0) at byte 88 of ring "
                                     "0x7: the id of a new object is in use (1)");
    assert_int_equal(g.said[PV_LOG_WARN], 1);
    assert_int_equal(g.said[PV_LOG_ERROR] + g.said[PV_LOG_INFO], 0);
    assert_int_equal(g.failures, 1);
    guest_close(&g);
}

static void a_wild_tail_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    struct test_ring ring = open_ring(&g, 7, RING);
    ring.tail = 4096 + 4;
    ring_put(&g, &ring);
    assert_true(wait_for(has_failed, &g));
    assert_non_null(strstr(g.last_said, "failed: ring 0x7 after byte 0: the ring's tail"));
    assert_int_equal(g.said[PV_LOG_WARN], 1);
    guest_close(&g);
}

static void losing_its_memory_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    (void)open_ring(&g, 7, RING);
    pv_context_detach_resource(g.context, g.shm);
    assert_non_null(pv_context_failure(g.context));
    assert_non_null(strstr(g.reason, "holds a ring and was detached"));
    // Every guest process that is killed ends so: nobody has to act.
    assert_int_equal(g.said[PV_LOG_WARN], 0);
    assert_int_equal(g.said[PV_LOG_INFO], 1);
    guest_close(&g);
}

// -- waits
// -------------------------------------------------------------------------------------------

static void a_ring_waits_for_the_virtqueue(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    struct test_ring ring = open_ring(&g, 7, RING);
    write_wait_virtqueue(&g, 2);
    write_create_fence(&g, 100, false);
    ring_put(&g, &ring);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_FENCE), 0);
    begin(&g, PV_COMMAND_vkSubmitVirtqueueSeqnoMESA, false);
    put_u64(&g, 7);
    put_u64(&g, 2);
    write_wait_ring(&g, 7, ring.tail);
    submit_well(&g);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_FENCE), 1);
    guest_close(&g);
}

static void waiting_for_more_than_there_is_ends_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    struct test_ring ring = open_ring(&g, 7, RING);
    write_create_fence(&g, 100, false);
    ring_put(&g, &ring);
    write_wait_ring(&g, 7, ring.tail + 4);
    submit_badly(&g, "the ring will never get to");
    guest_close(&g);
}

static void a_ring_and_the_virtqueue_do_not_wait_for_each_other(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct guest g;
        guest_open_device(&g);
        struct test_ring ring = open_ring(&g, 7, RING);
        write_wait_virtqueue(&g, 1);
        ring_put(&g, &ring);
        // The guest would have to submit 1 first.
        write_wait_ring(&g, 7, ring.tail);
        submit_badly(&g, "the ring will never get to");
        guest_close(&g);
    }
}

static bool is_waiting(void *user)
{
    (void)user;
    return mock_vk_call_count("vkWaitForFences") > 0;
}

// A ring in vkWaitForFences on a fence that nothing will ever signal.
static struct test_ring open_waiting_ring(struct guest *g)
{
    guest_open_device(g);
    struct test_ring ring = open_ring(g, 7, RING);
    write_create_fence(g, 100, false);
    write_wait_fence(g, 100, UINT64_MAX);
    write_create_fence(g, 101, false);
    ring_put(g, &ring);
    assert_true(wait_for(is_waiting, NULL));
    return ring;
}

static void a_wait_does_not_hold_its_context(void **state)
{
    (void)state;
    struct guest g;
    (void)open_waiting_ring(&g);
    const uint64_t begin_ms = now_ms();
    guest_destroy_context(&g);
    assert_in_range(now_ms() - begin_ms, 0, 1000);
    guest_close(&g);
}

static void a_wait_does_not_hold_its_ring(void **state)
{
    (void)state;
    struct guest g;
    const struct test_ring ring = open_waiting_ring(&g);
    const uint64_t begin_ms = now_ms();
    write_ring_command(&g, PV_COMMAND_vkDestroyRingMESA, 7);
    submit_well(&g);
    assert_in_range(now_ms() - begin_ms, 0, 1000);
    assert_false(ring_status(&ring) & FATAL);
    guest_close(&g);
}

static void a_wait_ends_with_its_device(void **state)
{
    (void)state;
    struct guest g;
    struct test_ring ring = open_waiting_ring(&g);
    const uint64_t begin_ms = now_ms();
    write_destroy_device(&g);
    (void)submit(&g); // the ring may fail before this returns, see below
    assert_in_range(now_ms() - begin_ms, 0, 1000);
    assert_int_equal(mock_vk_live_count(VK_OBJECT_TYPE_DEVICE), 0);
    // The next command in the ring names the device that is gone.
    assert_true(wait_for(has_failed, &g));
    assert_true(wait_for(is_fatal, &ring));
    assert_non_null(strstr(pv_context_failure(g.context), "an id names no object (3)"));
    guest_close(&g);
}

static void a_wait_ends_when_the_device_is_lost(void **state)
{
    (void)state;
    struct guest g;
    const struct test_ring ring = open_waiting_ring(&g);
    mock_vk_lose_device();
    assert_true(ring_wait(&ring));
    assert_null(pv_context_failure(g.context));
    guest_close(&g);
}

static void write_wait(struct guest *g, uint64_t fence, uint64_t timeout_ns)
{
    begin(g, PV_COMMAND_vkWaitForFences, true);
    put_u64(g, DEVICE);
    put_u32(g, 1);
    put_u64(g, 1);
    put_u64(g, fence);
    put_u32(g, VK_TRUE);
    put_u64(g, timeout_ns);
}

static void waits_keep_their_timeout(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_create_fence(&g, 100, false);
    write_wait(&g, 100, 250 * 1000000);
    const uint64_t begin_ms = now_ms();
    submit_well(&g);
    assert_in_range(now_ms() - begin_ms, 249, 2000);
    assert_int_equal(get_result(&g, PV_COMMAND_vkWaitForFences), VK_TIMEOUT);
    guest_close(&g);
}

// The context stream runs on the VMM's thread, which others need.
static void the_context_stream_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_create_fence(&g, 100, false);
    write_wait(&g, 100, UINT64_MAX);
    const uint64_t begin_ms = now_ms();
    submit_badly(&g, "longer than the context stream may");
    assert_in_range(now_ms() - begin_ms, 900, 5000);
    guest_close(&g);
}

static void a_wait_of_no_time_asks_the_driver(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    begin(&g, PV_COMMAND_vkCreateFence, false);
    put_u64(&g, DEVICE);
    put_present(&g);
    put_stype(&g, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    put_u32(&g, VK_FENCE_CREATE_SIGNALED_BIT);
    put_new(&g, 100);
    write_wait(&g, 100, 0);
    submit_well(&g);
    assert_int_equal(get_result(&g, PV_COMMAND_vkWaitForFences), VK_SUCCESS);
    guest_close(&g);
}

// -- races
// -------------------------------------------------------------------------------------------

// Two rings do the same at once. One of them may have its way, and the driver must not notice.
static void two_rings_make_one_instance(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct guest g;
        guest_open(&g, NULL);
        struct test_ring a = open_ring(&g, 7, RING), b = open_ring(&g, 8, RING + 16384);
        write_wait_virtqueue(&g, 1);
        write_create_instance(&g, 100, false);
        ring_put(&g, &a);
        write_wait_virtqueue(&g, 1);
        write_create_instance(&g, 101, false);
        ring_put(&g, &b);
        for (uint64_t name = 7; name <= 8; name++) { // now
            begin(&g, PV_COMMAND_vkSubmitVirtqueueSeqnoMESA, false);
            put_u64(&g, name);
            put_u64(&g, 1);
        }
        (void)submit(&g);
        assert_true(wait_for(has_failed, &g));
        guest_close(&g);
    }
}

static bool device_is_gone(void *user)
{
    (void)user;
    return mock_vk_live_count(VK_OBJECT_TYPE_DEVICE) == 0;
}

static void two_rings_destroy_one_device(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct guest g;
        guest_open_device(&g);
        struct test_ring a = open_ring(&g, 7, RING), b = open_ring(&g, 8, RING + 16384);
        for (int k = 0; k < 20; k++) {
            write_create_buffer(&g, 1000 + (uint64_t)k, false);
        }
        write_destroy_device(&g);
        ring_put(&g, &a);
        for (int k = 0; k < 20; k++) {
            write_create_buffer(&g, 2000 + (uint64_t)k, false);
        }
        write_destroy_device(&g);
        ring_put(&g, &b);
        // The second to come finds no device, or finds that it has just been taken.
        assert_true(wait_for(device_is_gone, NULL));
        guest_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_ring_runs_commands_and_replies),
        CASE(unknown_rings_end_the_context),
        CASE(rings_do_not_command_rings),
        CASE(only_rings_wait_for_the_virtqueue),
        CASE(rings_lie_in_shared_memory_of_the_context),
        CASE(head_and_status_begin_with_0),
        CASE(names_of_rings_differ),
        CASE(rings_are_limited),
        CASE(a_vmm_may_tell_the_guest_that_we_live),
        CASE(extra_words_stay_in_their_region),
        CASE(failure_shows_in_every_ring),
        CASE(a_failure_is_said_once),
        CASE(a_wild_tail_ends_the_context),
        CASE(losing_its_memory_ends_the_context),
        CASE(a_ring_waits_for_the_virtqueue),
        CASE(waiting_for_more_than_there_is_ends_the_context),
        CASE(a_ring_and_the_virtqueue_do_not_wait_for_each_other),
        CASE(a_wait_does_not_hold_its_context),
        CASE(a_wait_does_not_hold_its_ring),
        CASE(a_wait_ends_with_its_device),
        CASE(a_wait_ends_when_the_device_is_lost),
        CASE(waits_keep_their_timeout),
        CASE(the_context_stream_does_not_wait_for_ever),
        CASE(a_wait_of_no_time_asks_the_driver),
        CASE(two_rings_make_one_instance),
        CASE(two_rings_destroy_one_device),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
