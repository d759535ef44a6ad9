// Ids and objects while decoding: what exists, of which type, of which device.
#include "bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bytes wire;
static struct decoding d;
static struct pv_quiesce *quiesce;
static struct pv_object_table *table;

enum {
    INSTANCE = 1,
    PHYSICAL_DEVICE = 2,
    DEVICE = 3,
    OTHER_DEVICE = 4,
    BUFFER = 5,
    OTHER_BUFFER = 6,
    POISONED_BUFFER = 7,
    POOL = 8,
    COMMAND_BUFFER = 9,
    UNUSED = 100,
};

// The driver's handle of each object, different from its id.
#define HANDLE(id) ((uint64_t)(id)*0x1000)

static struct pv_object *add(uint64_t id, VkObjectType type, struct pv_object *parent,
                             uint32_t flags)
{
    struct pv_object *object = calloc(1, sizeof(*object));
    assert_non_null(object);
    *object = (struct pv_object){.id = id, .handle = HANDLE(id), .type = type, .flags = flags};
    object->device = type == VK_OBJECT_TYPE_DEVICE ? object : parent ? parent->device : NULL;
    assert_int_equal(pv_object_table_insert(table, object, parent), PV_INSERT_OK);
    return object;
}

static int set_up(void **state)
{
    (void)state;
    bytes_clear(&wire);
    quiesce = pv_quiesce_create();
    table = pv_object_table_create(quiesce, &(struct pv_object_table_limits){.max_objects = 100});
    struct pv_object *instance = add(INSTANCE, VK_OBJECT_TYPE_INSTANCE, NULL, 0);
    struct pv_object *physical = add(PHYSICAL_DEVICE, VK_OBJECT_TYPE_PHYSICAL_DEVICE, instance, 0);
    struct pv_object *device = add(DEVICE, VK_OBJECT_TYPE_DEVICE, physical, 0);
    struct pv_object *other = add(OTHER_DEVICE, VK_OBJECT_TYPE_DEVICE, physical, 0);
    add(BUFFER, VK_OBJECT_TYPE_BUFFER, device, 0);
    add(OTHER_BUFFER, VK_OBJECT_TYPE_BUFFER, other, 0);
    add(POISONED_BUFFER, VK_OBJECT_TYPE_BUFFER, device, PV_OBJECT_POISONED);
    struct pv_object *pool = add(POOL, VK_OBJECT_TYPE_COMMAND_POOL, device, 0);
    add(COMMAND_BUFFER, VK_OBJECT_TYPE_COMMAND_BUFFER, pool, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    decoding_end(&d);
    struct pv_object *root;
    while ((root = pv_object_table_any_root(table)) != NULL) {
        struct pv_object *next;
        for (struct pv_object *o = pv_object_table_remove(table, root); o; o = next) {
            next = o->next_sibling;
            pv_object_table_release(table, o);
        }
    }
    pv_object_table_destroy(table);
    pv_quiesce_destroy(quiesce);
    return 0;
}

static void begin(void)
{
    decoding_begin(&d, &wire, table);
}

static void assert_error(const char *expected, uint64_t value)
{
    assert_non_null(decoding_error(&d));
    assert_string_equal(decoding_error(&d), expected);
    assert_int_equal(d.decoder.reader.error_value, value);
}

// vkGetBufferMemoryRequirements(device, buffer, out)
static const struct pv_cmd_vkGetBufferMemoryRequirements *requirements(uint64_t device,
                                                                       uint64_t buffer)
{
    bytes_u64(&wire, device), bytes_u64(&wire, buffer), bytes_u64(&wire, 1);
    begin();
    pv_decode_vkGetBufferMemoryRequirements(&d.decoder, &d.cmd.vkGetBufferMemoryRequirements);
    return &d.cmd.vkGetBufferMemoryRequirements;
}

static void finds_handle_and_object(void **state)
{
    (void)state;
    const struct pv_cmd_vkGetBufferMemoryRequirements *cmd = requirements(DEVICE, BUFFER);
    assert_null(decoding_error(&d));
    assert_int_equal((uintptr_t)cmd->device, HANDLE(DEVICE));
    assert_int_equal((uintptr_t)cmd->buffer, HANDLE(BUFFER));
    assert_int_equal(cmd->device_obj->id, DEVICE);
    assert_int_equal(cmd->buffer_obj->id, BUFFER);
    assert_ptr_equal(d.decoder.device, cmd->device_obj);
    assert_false(d.decoder.poisoned);
}

static void refuses_an_unknown_id(void **state)
{
    (void)state;
    requirements(DEVICE, UNUSED);
    assert_error("an id names no object", UNUSED);
}

static void refuses_an_unknown_scope(void **state)
{
    (void)state;
    requirements(UNUSED, BUFFER);
    assert_error("an id names no object", UNUSED);
}

static void refuses_no_scope(void **state)
{
    (void)state;
    requirements(0, BUFFER);
    assert_error("an id names no object", 0);
}

static void refuses_a_scope_of_another_type(void **state)
{
    (void)state;
    requirements(INSTANCE, BUFFER);
    assert_error("an id names an object of another type", INSTANCE);
}

static void refuses_an_object_of_another_type(void **state)
{
    (void)state;
    requirements(DEVICE, POOL);
    assert_error("an id names an object of another type", POOL);
}

static void refuses_an_object_of_another_device(void **state)
{
    (void)state;
    requirements(DEVICE, OTHER_BUFFER);
    assert_error("an object belongs to another device", OTHER_BUFFER);
}

static void refuses_no_object_where_one_is_required(void **state)
{
    (void)state;
    requirements(DEVICE, 0);
    assert_error("a required handle is null", 0);
}

static void marks_commands_with_poisoned_objects(void **state)
{
    (void)state;
    requirements(DEVICE, POISONED_BUFFER);
    assert_null(decoding_error(&d));
    assert_true(d.decoder.poisoned);
    pv_decoder_begin(&d.decoder);
    assert_false(d.decoder.poisoned);
    assert_null(d.decoder.device);
}

static void a_command_buffer_brings_its_device(void **state)
{
    (void)state;
    // vkCmdFillBuffer
    bytes_u64(&wire, COMMAND_BUFFER), bytes_u64(&wire, OTHER_BUFFER);
    bytes_u64(&wire, 0), bytes_u64(&wire, 16), bytes_u32(&wire, 0);
    begin();
    pv_decode_vkCmdFillBuffer(&d.decoder, &d.cmd.vkCmdFillBuffer);
    assert_error("an object belongs to another device", OTHER_BUFFER);
}

static void finds_the_objects_of_arrays(void **state)
{
    (void)state;
    bytes_u64(&wire, COMMAND_BUFFER), bytes_u32(&wire, 0), bytes_u32(&wire, 2);
    bytes_u64(&wire, 2), bytes_u64(&wire, BUFFER), bytes_u64(&wire, 0);
    bytes_u64(&wire, 2), bytes_u64(&wire, 0), bytes_u64(&wire, 0);
    begin();
    pv_decode_vkCmdBindVertexBuffers(&d.decoder, &d.cmd.vkCmdBindVertexBuffers);
    assert_null(decoding_error(&d));
    assert_int_equal((uintptr_t)d.cmd.vkCmdBindVertexBuffers.pBuffers[0], HANDLE(BUFFER));
    assert_int_equal((uintptr_t)d.cmd.vkCmdBindVertexBuffers.pBuffers[1], 0);
}

static void refuses_arrays_with_objects_of_another_type(void **state)
{
    (void)state;
    bytes_u64(&wire, COMMAND_BUFFER), bytes_u32(&wire, 0), bytes_u32(&wire, 2);
    bytes_u64(&wire, 2), bytes_u64(&wire, BUFFER), bytes_u64(&wire, POOL);
    bytes_u64(&wire, 2), bytes_u64(&wire, 0), bytes_u64(&wire, 0);
    begin();
    pv_decode_vkCmdBindVertexBuffers(&d.decoder, &d.cmd.vkCmdBindVertexBuffers);
    assert_error("an id names an object of another type", POOL);
}

static void keeps_the_objects_behind_arrays_to_free(void **state)
{
    (void)state;
    bytes_u64(&wire, DEVICE), bytes_u64(&wire, POOL), bytes_u32(&wire, 2);
    bytes_u64(&wire, 2), bytes_u64(&wire, 0), bytes_u64(&wire, COMMAND_BUFFER);
    begin();
    const struct pv_cmd_vkFreeCommandBuffers *cmd = &d.cmd.vkFreeCommandBuffers;
    pv_decode_vkFreeCommandBuffers(&d.decoder, &d.cmd.vkFreeCommandBuffers);
    assert_null(decoding_error(&d));
    assert_null(cmd->pCommandBuffers_objs[0]);
    assert_int_equal(cmd->pCommandBuffers_objs[1]->id, COMMAND_BUFFER);
    assert_int_equal((uintptr_t)cmd->pCommandBuffers[1], HANDLE(COMMAND_BUFFER));
    assert_int_equal(cmd->commandPool_obj->id, POOL);
}

static void remembers_the_pool_in_a_structure(void **state)
{
    (void)state;
    bytes_u64(&wire, DEVICE), bytes_u64(&wire, 1);
    bytes_u32(&wire, VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO), bytes_u64(&wire, 0);
    bytes_u64(&wire, POOL), bytes_u32(&wire, 0), bytes_u32(&wire, 1);
    bytes_u64(&wire, 1), bytes_u64(&wire, UNUSED);
    begin();
    pv_decode_vkAllocateCommandBuffers(&d.decoder, &d.cmd.vkAllocateCommandBuffers);
    assert_null(decoding_error(&d));
    assert_int_equal(d.decoder.pool->id, POOL);
    assert_int_equal(d.cmd.vkAllocateCommandBuffers.pCommandBuffers_ids[0], UNUSED);
}

static void create_event(uint64_t id)
{
    bytes_u64(&wire, DEVICE), bytes_u64(&wire, 1);
    bytes_u32(&wire, VK_STRUCTURE_TYPE_EVENT_CREATE_INFO), bytes_u64(&wire, 0);
    bytes_u32(&wire, 0);
    bytes_u64(&wire, 0);
    bytes_u64(&wire, 1), bytes_u64(&wire, id);
    begin();
    pv_decode_vkCreateEvent(&d.decoder, &d.cmd.vkCreateEvent);
}

static void takes_the_id_of_a_new_object(void **state)
{
    (void)state;
    create_event(UNUSED);
    assert_null(decoding_error(&d));
    assert_int_equal(d.cmd.vkCreateEvent.pEvent_id, UNUSED);
    assert_non_null(d.cmd.vkCreateEvent.pEvent);
}

static void refuses_zero_for_a_new_object(void **state)
{
    (void)state;
    create_event(0);
    assert_error("the id of a new object is 0", 0);
}

static void refuses_an_id_in_use_for_a_new_object(void **state)
{
    (void)state;
    create_event(BUFFER);
    assert_error("the id of a new object is in use", BUFFER);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(finds_handle_and_object),
        CASE(refuses_an_unknown_id),
        CASE(refuses_an_unknown_scope),
        CASE(refuses_no_scope),
        CASE(refuses_a_scope_of_another_type),
        CASE(refuses_an_object_of_another_type),
        CASE(refuses_an_object_of_another_device),
        CASE(refuses_no_object_where_one_is_required),
        CASE(marks_commands_with_poisoned_objects),
        CASE(a_command_buffer_brings_its_device),
        CASE(finds_the_objects_of_arrays),
        CASE(refuses_arrays_with_objects_of_another_type),
        CASE(keeps_the_objects_behind_arrays_to_free),
        CASE(remembers_the_pool_in_a_structure),
        CASE(takes_the_id_of_a_new_object),
        CASE(refuses_zero_for_a_new_object),
        CASE(refuses_an_id_in_use_for_a_new_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
