// Replies, command streams inside command streams, and how a context fails.
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#ifdef __APPLE__
#define MAXRSS_MIB (1024 * 1024) // of ru_maxrss
#else
#define MAXRSS_MIB 1024
#endif

static void write_set_reply(struct guest *g, uint32_t resource, uint64_t offset, uint64_t size)
{
    begin(g, PV_COMMAND_vkSetReplyCommandStreamMESA, false);
    put_present(g);
    put_u32(g, resource);
    put_u64(g, offset);
    put_u64(g, size);
}

static void write_seek(struct guest *g, uint64_t position)
{
    begin(g, PV_COMMAND_vkSeekReplyCommandStreamMESA, false);
    put_u64(g, position);
}

// 20 bytes of reply: command, result, presence, version.
static void write_version(struct guest *g)
{
    put_u32(g, PV_COMMAND_vkEnumerateInstanceVersion);
    put_u32(g, 1);
    put_present(g);
}

static uint32_t word_at(struct guest *g, size_t offset)
{
    uint32_t value;
    memcpy(&value, g->memory + offset, 4);
    return value;
}

static void replies_follow_each_other(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_set_reply(&g, SHM, 0, 40);
    write_version(&g);
    write_version(&g);
    submit_well(&g);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(word_at(&g, i * 20), PV_COMMAND_vkEnumerateInstanceVersion);
        assert_int_equal(word_at(&g, i * 20 + 4), VK_SUCCESS);
        assert_in_range(word_at(&g, i * 20 + 16), VK_API_VERSION_1_1,
                        VK_MAKE_API_VERSION(0, 2, 0, 0));
    }
    assert_int_equal(word_at(&g, 40), 0xcdcdcdcd);
    guest_close(&g);
}

static void a_reply_keeps_to_its_stream(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 20; size += 4) {
        struct guest g;
        guest_open(&g, NULL);
        write_set_reply(&g, SHM, 64, size);
        write_version(&g);
        submit_badly(&g, "the reply is longer than its stream");
        assert_int_equal(word_at(&g, 64 + size), 0xcdcdcdcd);
        guest_close(&g);
    }
}

static void a_reply_needs_a_stream(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_version(&g);
    submit_badly(&g, "no reply stream is set");
    guest_close(&g);
}

static void reply_streams_lie_in_shared_memory(void **state)
{
    (void)state;
    static const struct {
        uint32_t resource;
        uint64_t offset, size;
    } bad[] = {
        {77, 0, 64},
        {0, 0, 64},
        {SHM, SHM_SIZE, 4},
        {SHM, SHM_SIZE + 4, 0},
        {SHM, 0, SHM_SIZE + 1},
        {SHM, SHM_SIZE - 4, 8},
        {SHM, UINT64_MAX - 3, 8},
        {SHM, 8, UINT64_MAX - 3},
        {SHM, 2, 64},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        write_set_reply(&g, bad[i].resource, bad[i].offset, bad[i].size);
        submit_badly(&g, "the reply stream lies outside of shared memory");
        guest_close(&g);
    }
}

static void seeking_stays_inside(void **state)
{
    (void)state;
    static const uint64_t bad[] = {68, 2, UINT64_MAX};
    struct guest g;
    guest_open(&g, NULL);
    write_set_reply(&g, SHM, 0, 64);
    write_seek(&g, 44);
    write_version(&g);
    write_seek(&g, 64);
    submit_well(&g);
    assert_int_equal(word_at(&g, 44), PV_COMMAND_vkEnumerateInstanceVersion);
    guest_close(&g);
    for (size_t i = 0; i < 3; i++) {
        guest_open(&g, NULL);
        write_set_reply(&g, SHM, 0, 64);
        write_seek(&g, bad[i]);
        submit_badly(&g, "outside of the reply stream");
        guest_close(&g);
    }
    guest_open(&g, NULL);
    write_seek(&g, 0); // of nothing
    submit_badly(&g, "outside of the reply stream");
    guest_close(&g);
}

static void a_detached_resource_takes_no_new_stream(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_set_reply(&g, SHM, 0, 64);
    submit_well(&g);
    pv_context_detach_resource(g.context, g.shm);
    write_set_reply(&g, SHM, 0, 64);
    submit_badly(&g, "outside of shared memory");
    guest_close(&g);
}

// -- command streams
// ---------------------------------------------------------------------------------

// What was written becomes a command stream at STREAM.
static uint64_t to_stream(struct guest *g)
{
    const size_t size = g->size;
    memcpy(g->memory + STREAM, g->bytes, size);
    g->size = 0;
    return size;
}

struct stream {
    uint32_t resource;
    uint64_t offset, size;
};

static void write_execute(struct guest *g, const struct stream *streams, uint32_t count,
                          const uint64_t *positions)
{
    begin(g, PV_COMMAND_vkExecuteCommandStreamsMESA, false);
    put_u32(g, count);
    put_u64(g, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u32(g, streams[i].resource);
        put_u64(g, streams[i].offset);
        put_u64(g, streams[i].size);
    }
    put_u64(g, positions ? count : 0);
    for (uint32_t i = 0; positions && i < count; i++) {
        put_u64(g, positions[i]);
    }
    put_u32(g, 0);
    put_null(g);
    put_u32(g, 0);
}

static void streams_run_and_reply_where_told(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_version(&g);
    const uint64_t size = to_stream(&g);
    write_set_reply(&g, SHM, 0, 100);
    write_execute(&g, (struct stream[]){{SHM, STREAM, size}, {0, 0, 0}, {SHM, STREAM, size}}, 3,
                  (uint64_t[]){40, 0, 80});
    submit_well(&g);
    assert_int_equal(word_at(&g, 0), 0xcdcdcdcd);
    assert_int_equal(word_at(&g, 40), PV_COMMAND_vkEnumerateInstanceVersion);
    assert_int_equal(word_at(&g, 80), PV_COMMAND_vkEnumerateInstanceVersion);
    guest_close(&g);
}

// Objects that come and go in streams, however many and short: their memory is used again
// before the command ends. Each pair here would keep more than 2 KiB.
static void streams_give_back_what_they_remove(void **state)
{
    (void)state;
    enum { PAIRS = 16, STREAMS = 20000 };
    struct guest g;
    guest_open_device(&g);
    for (uint64_t i = 0; i < PAIRS; i++) {
        const uint64_t id = i % 2 ? 1000 : 5000; // each alone in its part of the table
        begin(&g, PV_COMMAND_vkCreateEvent, false);
        put_u64(&g, DEVICE);
        put_present(&g);
        put_stype(&g, VK_STRUCTURE_TYPE_EVENT_CREATE_INFO);
        put_u32(&g, 0);
        put_new(&g, id);
        write_destroy(&g, PV_COMMAND_vkDestroyEvent, DEVICE, id);
    }
    const uint64_t size = to_stream(&g);
    struct stream *streams = calloc(STREAMS, sizeof(*streams));
    assert_non_null(streams);
    for (int i = 0; i < STREAMS; i++) {
        streams[i] = (struct stream){SHM, STREAM, size};
    }
    write_execute(&g, streams, STREAMS, NULL);
    free(streams);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    submit_well(&g);
    getrusage(RUSAGE_SELF, &after);
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 400 * MAXRSS_MIB);
    guest_close(&g);
}

static void streams_lie_in_shared_memory(void **state)
{
    (void)state;
    static const struct stream bad[] = {
        {77, 0, 16},
        {SHM, SHM_SIZE - 8, 16},
        {SHM, UINT64_MAX, 16},
        {SHM, 16, UINT64_MAX - 8},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        write_execute(&g, &bad[i], 1, NULL);
        submit_badly(&g, "a command stream lies outside of shared memory");
        guest_close(&g);
    }
}

static void no_streams_end_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_execute(&g, NULL, 0, NULL);
    assert_false(submit(&g));
    guest_close(&g);
}

static void streams_do_not_nest(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_execute(&g, (struct stream[]){{SHM, STREAM, 16}}, 1, NULL);
    const uint64_t size = to_stream(&g);
    write_execute(&g, (struct stream[]){{SHM, STREAM, size}}, 1, NULL);
    submit_badly(&g, "vkExecuteCommandStreamsMESA (180) at byte 0 of a command stream: command "
                     "streams must not execute command streams");
    guest_close(&g);
}

static void a_stream_ends_with_a_whole_command(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_version(&g);
    write_version(&g);
    const uint64_t size = to_stream(&g);
    write_set_reply(&g, SHM, 0, 100);
    write_execute(&g, (struct stream[]){{SHM, STREAM, size - 4}}, 1, NULL);
    submit_badly(&g, "at byte 16 of a command stream");
    assert_int_equal(word_at(&g, 0), PV_COMMAND_vkEnumerateInstanceVersion);
    assert_int_equal(word_at(&g, 20), 0xcdcdcdcd);
    guest_close(&g);
}

// Submissions are copied, so they are bounded; streams are not, as a guest may have much to say.
static void long_submissions_are_refused(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.max_submission_size = 4096});
    for (int i = 0; i < 512; i++) {
        write_version(&g);
    }
    const uint64_t size = to_stream(&g);
    assert_true(size > 4096);
    write_set_reply(&g, SHM, 0, 512 * 20);
    write_execute(&g, (struct stream[]){{SHM, STREAM, size}}, 1, NULL);
    submit_well(&g);
    for (int i = 0; i < 512; i++) {
        write_version(&g);
    }
    submit_badly(&g, "a submission of");
    guest_close(&g);
}

static void what_a_stream_does_survives_it(void **state)
{
    (void)state;
    struct guest g;
    guest_open_device(&g);
    write_create_command_pool(&g, 100, false);
    write_allocate_command_buffers(&g, 100, (uint64_t[]){101}, 1, false);
    write_begin_command_buffer(&g, 101, false);
    for (int i = 0; i < 1000; i++) {
        write_draw(&g, 101);
    }
    const uint64_t size = to_stream(&g);
    write_execute(&g, (struct stream[]){{SHM, STREAM, size}}, 1, NULL);
    write_draw(&g, 101);
    submit_well(&g);
    assert_int_equal(mock_vk_call_count("vkCmdDraw"), 1001);
    struct pv_context_stats stats;
    pv_context_get_stats(g.context, &stats);
    assert_true(stats.commands > 1003);
    assert_true(stats.stream_bytes > size);
    guest_close(&g);
}

// -- failure
// -----------------------------------------------------------------------------------------

static void a_failed_context_runs_nothing(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    begin(&g, 346, false);
    submit_badly(&g, "unknown command (346) at byte 0 of a submission: there is no such command");
    write_create_instance(&g, INSTANCE, false);
    assert_false(submit(&g));
    assert_false(submit(&g)); // not even nothing
    assert_int_equal(g.failures, 1);
    assert_int_equal(mock_vk_call_count("vkCreateInstance"), 0);
    guest_close(&g);
}

static void unknown_commands_end_the_context(void **state)
{
    (void)state;
    static const uint32_t bad[] = {195, 345 + 1, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guest g;
        guest_open(&g, NULL);
        begin(&g, bad[i], false);
        assert_false(submit(&g));
        guest_close(&g);
    }
}

static void commands_cut_short_end_the_context(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    write_create_instance(&g, INSTANCE, false);
    const size_t size = g.size;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, g.bytes, size);
    guest_close(&g);
    for (size_t cut = 4; cut < size; cut += 4) {
        guest_open(&g, NULL);
        for (size_t i = 0; i < cut; i += 4) {
            uint32_t word;
            memcpy(&word, bytes + i, 4);
            put_u32(&g, word);
        }
        assert_false(submit(&g));
        assert_int_equal(mock_vk_call_count("vkCreateInstance"), 0);
        guest_close(&g);
    }
    free(bytes);
}

static void submissions_are_words(void **state)
{
    (void)state;
    struct guest g;
    guest_open(&g, NULL);
    assert_true(pv_context_submit(g.context, NULL, 0));
    assert_false(pv_context_submit(g.context, "\0\0\0\0\0", 5));
    assert_non_null(pv_context_failure(g.context));
    guest_close(&g);
}

static void functions_that_the_driver_lacks_end_the_context(void **state)
{
    (void)state;
    struct guest g;
    mock_vk_hide("vkCmdDraw");
    guest_open_device(&g);
    write_create_command_pool(&g, 100, false);
    write_allocate_command_buffers(&g, 100, (uint64_t[]){101}, 1, false);
    write_draw(&g, 101);
    submit_badly(&g, "created without what this command needs");
    guest_close(&g);
}

static void add_text(void *user, const char *name, uint64_t count)
{
    char text[128];
    snprintf(text, sizeof(text), "%s=%u ", name, (unsigned)count);
    strcat(user, text);
}

static void contexts_count_the_commands_they_ran(void **state)
{
    (void)state;
    char text[1024] = "";
    struct guest g;
    guest_open(&g, &(struct pv_renderer_params){.count_commands = true});
    write_set_reply(&g, SHM, 0, 40);
    write_version(&g);
    write_version(&g);
    submit_well(&g);
    // Refused, cut short and unknown commands have not run.
    write_seek(&g, 41);
    submit_badly(&g, "outside of the reply stream");
    pv_context_visit_commands(g.context, add_text, text);
    assert_string_equal(text, "vkEnumerateInstanceVersion=2 vkSetReplyCommandStreamMESA=1 ");
    guest_close(&g);
}

static void contexts_count_nothing_unless_asked(void **state)
{
    (void)state;
    char text[1024] = "";
    struct guest g;
    unsetenv("PV_TEST_COMMANDS");
    guest_open_device(&g);
    pv_context_visit_commands(g.context, add_text, text);
    assert_string_equal(text, "");
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(replies_follow_each_other),
        CASE(a_reply_keeps_to_its_stream),
        CASE(a_reply_needs_a_stream),
        CASE(reply_streams_lie_in_shared_memory),
        CASE(seeking_stays_inside),
        CASE(a_detached_resource_takes_no_new_stream),
        CASE(streams_run_and_reply_where_told),
        CASE(streams_give_back_what_they_remove),
        CASE(streams_lie_in_shared_memory),
        CASE(no_streams_end_the_context),
        CASE(streams_do_not_nest),
        CASE(a_stream_ends_with_a_whole_command),
        CASE(long_submissions_are_refused),
        CASE(what_a_stream_does_survives_it),
        CASE(a_failed_context_runs_nothing),
        CASE(unknown_commands_end_the_context),
        CASE(commands_cut_short_end_the_context),
        CASE(submissions_are_words),
        CASE(functions_that_the_driver_lacks_end_the_context),
        CASE(contexts_count_the_commands_they_ran),
        CASE(contexts_count_nothing_unless_asked),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
