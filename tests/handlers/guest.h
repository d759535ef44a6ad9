// A guest made by hand: it writes command bytes as the protocol describes them, submits them to a
// context on the mock driver through the public API, and reads the replies.
//
//     begin(g, PV_COMMAND_vkResetFences, false);
//     put_u64(g, DEVICE);
//     ...
//     assert_true(submit(g));
//
// Nothing here comes from the generator, so that decoder and encoder cannot be wrong together.
#ifndef GUEST_H
#define GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "mock_vk.h"
#include "protocol/commands.h"
#include "pv/context.h"
#include "pv/renderer.h"
#include "pv/resource.h"

// Ids that the helpers below use; tests take others from 100 on.
#define INSTANCE        1
#define PHYSICAL_DEVICE 2
#define DEVICE          3
#define QUEUE           4 // family 0, index 0, ring_idx 1

#define SHM      1 // resource id of the memory for replies and streams
#define SHM_SIZE 262144
#define REPLY_AT 0 // offsets in it
#define REPLY    65536
#define STREAM   65536
#define RING     131072 // rings of tests

#define NO_ID 0

struct guest {
    struct pv_renderer *renderer;
    struct pv_context *context;
    struct pv_resource *shm;
    uint8_t *memory; // of `shm`

    uint8_t *bytes; // being written
    size_t size, capacity;
    size_t read; // position in the reply

    // Fences that have retired, in order.
    pthread_mutex_t lock;
    struct {
        uint32_t ring_idx;
        uint64_t id;
    } retired[256];
    uint32_t retired_count;
    uint32_t failures;               // calls of params.failed
    char reason[256];                // of the last
    uint32_t said[PV_LOG_DEBUG + 1]; // lines of the log that begin with "context", by level
    char last_said[512];
    bool open;
};

// A context on the mock as it is configured now, or on another driver if `params` names one.
// NULL: the defaults.
void guest_open(struct guest *g, const struct pv_renderer_params *params);
// Ends the context and the renderer: nothing may be left alive in the driver, and the driver may
// have found nothing wrong.
void guest_close(struct guest *g);
void guest_destroy_context(struct guest *g);

// With instance, physical device, device (families 0 and 1, two queues each) and queue.
void guest_open_device(struct guest *g);

// -- writing -----------------------------------------------------------------------------------

// A command's header; with `reply` behind a vkSetReplyCommandStreamMESA.
void begin(struct guest *g, uint32_t command, bool reply);
void put_u32(struct guest *g, uint32_t value);
void put_u64(struct guest *g, uint64_t value);
void put_f32(struct guest *g, float value);
void put_data(struct guest *g, const void *data, size_t size); // and padding
void put_string(struct guest *g, const char *string);
void put_present(struct guest *g);               // of a pointer
void put_null(struct guest *g);                  // pointer, chain end or empty array
void put_stype(struct guest *g, uint32_t stype); // and an empty chain
void put_new(struct guest *g, uint64_t id);      // pAllocator and the created handle

// Submits what was written, and begins anew. False: the context has failed.
bool submit(struct guest *g);
// The same, expecting success or the end of the context.
void submit_well(struct guest *g);
void submit_badly(struct guest *g, const char *reason_part);

// -- reading the reply to the command submitted last --------------------------------------------

uint32_t get_u32(struct guest *g);
uint64_t get_u64(struct guest *g);
// Checks the command number and returns the VkResult.
VkResult get_result(struct guest *g, uint32_t command);

// -- whole commands ------------------------------------------------------------------------------

void write_create_instance(struct guest *g, uint64_t id, bool reply);
void write_enumerate(struct guest *g, uint32_t capacity, const uint64_t *ids);
struct queues {
    uint32_t family, count;
};
void write_create_device(struct guest *g, uint64_t id, const struct queues *queues, uint32_t count,
                         const char *const *extensions, uint32_t extension_count);
void write_get_queue(struct guest *g, uint64_t device, uint64_t id, uint32_t family, uint32_t index,
                     uint32_t ring_idx);
void write_destroy(struct guest *g, uint32_t command, uint64_t device, uint64_t id);
void write_create_fence(struct guest *g, uint64_t id, bool reply);
void write_create_semaphore(struct guest *g, uint64_t id, bool timeline, bool reply);
void write_create_buffer(struct guest *g, uint64_t id, bool reply);
void write_create_image(struct guest *g, uint64_t id, bool reply);
// With two bindings, of `plain` and of `dynamic` descriptors.
void write_create_set_layout(struct guest *g, uint64_t id, uint32_t plain, uint32_t dynamic);
void write_create_pipeline_layout(struct guest *g, uint64_t id, const uint64_t *set_layouts,
                                  uint32_t count);
void write_create_descriptor_pool(struct guest *g, uint64_t id, uint32_t descriptor_type);
void write_allocate_descriptor_sets(struct guest *g, uint64_t pool, const uint64_t *layouts,
                                    const uint64_t *ids, uint32_t count);
// `offsets`: how many, all 0.
void write_bind_descriptor_sets(struct guest *g, uint64_t command_buffer, uint64_t layout,
                                const uint64_t *sets, uint32_t count, uint32_t offsets);
void write_create_command_pool(struct guest *g, uint64_t id, bool reply);
void write_allocate_command_buffers(struct guest *g, uint64_t pool, const uint64_t *ids,
                                    uint32_t count, bool reply);
void write_begin_command_buffer(struct guest *g, uint64_t id, bool reply);
void write_draw(struct guest *g, uint64_t command_buffer);
// `dedicated_buffer`: in VkMemoryDedicatedAllocateInfo, 0 for none.
void write_allocate_memory(struct guest *g, uint64_t id, uint64_t size, uint32_t type,
                           uint64_t dedicated_buffer, bool reply);
// One batch with one command buffer (0: none) and a fence (0: none).
void write_submit(struct guest *g, uint64_t queue, uint64_t command_buffer, uint64_t fence,
                  bool reply);
// A semaphore and its value, 0 if it is binary. No semaphore: nothing to do.
struct guest_point {
    uint64_t semaphore, value;
};
// On QUEUE, without commands.
void write_submit_timeline(struct guest *g, struct guest_point wait, struct guest_point signal,
                           bool reply);
void write_wait_fence(struct guest *g, uint64_t fence, uint64_t timeout);

// -- rings ---------------------------------------------------------------------------------------

// A ring of 4096 bytes at `offset` of the shared memory; `name` is its number for the host.
struct test_ring {
    uint64_t name;
    uint8_t *memory;
    uint32_t tail;
};
void write_create_ring(struct guest *g, uint64_t name, uint32_t resource, uint64_t offset);
void write_create_monitored_ring(struct guest *g, uint64_t name, uint32_t resource, uint64_t offset,
                                 uint32_t period_us);
struct test_ring open_ring(struct guest *g, uint64_t name, uint64_t offset);
// Puts what was written into the ring instead of submitting it, and notifies the ring.
void ring_put(struct guest *g, struct test_ring *ring);
bool ring_wait(const struct test_ring *ring); // until all of it is done; false: it was not
uint32_t ring_head(const struct test_ring *ring);
uint32_t ring_status(const struct test_ring *ring);

// -- other ---------------------------------------------------------------------------------------

bool wait_for(bool (*condition)(void *user), void *user); // at most some seconds
uint32_t retired_fences(struct guest *g);
uint64_t now_ms(void);

// A test case with a fresh mock.
int fresh_mock(void **state);
#define CASE(name) cmocka_unit_test_setup(name, fresh_mock)

#endif
