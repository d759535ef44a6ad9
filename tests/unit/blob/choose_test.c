// The choice of a memory mechanism, over the hosts that were measured and some that were not.
#include "blob/choose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// cmocka.h wants the above first.
#include <cmocka.h>

#define LOCAL    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define VISIBLE  VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
#define COHERENT VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
#define CACHED   VK_MEMORY_PROPERTY_HOST_CACHED_BIT

#define ALLOW(mechanism) (1u << PV_MEMORY_##mechanism)

#define N PV_MEMORY_NONE
#define H PV_MEMORY_HOST_POINTER
#define D PV_MEMORY_DMABUF
#define O PV_MEMORY_OPAQUE_FD
#define M PV_MEMORY_MAPPED

// lavapipe: one type for everything.
#define LAVAPIPE_MEMORY                                                                            \
    .properties = {                                                                                \
        .memoryTypeCount = 1,                                                                      \
        .memoryTypes = {{LOCAL | VISIBLE | COHERENT | CACHED, 0}},                                 \
        .memoryHeapCount = 1,                                                                      \
        .memoryHeaps = {{2ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},                            \
    }

static const struct pv_memory_facts lavapipe_25_without_udmabuf = {
    LAVAPIPE_MEMORY,         .host_pointer_advertised = true, .host_pointer_alignment = 4096,
    .host_pointer_types = 1, .dmabuf_importable = true,       .opaque_fd_advertised = true,
    .opaque_fd_types = 1,
};

static const struct pv_memory_facts lavapipe_with_udmabuf = {
    LAVAPIPE_MEMORY,          .host_pointer_advertised = true, .host_pointer_alignment = 4096,
    .host_pointer_types = 1,  .dmabuf_advertised = true,       .dmabuf_importable = true,
    .dmabuf_export_types = 1, .dmabuf_map_types = 1,           .opaque_fd_advertised = true,
    .opaque_fd_types = 1,
};

// dma-bufs are advertised, exports fail.
static const struct pv_memory_facts lavapipe_with_broken_dmabuf = {
    LAVAPIPE_MEMORY,
    .dmabuf_advertised = true,
    .dmabuf_importable = true,
};

static const struct pv_memory_facts lavapipe_22 = {
    LAVAPIPE_MEMORY,         .host_pointer_advertised = true, .host_pointer_alignment = 4096,
    .host_pointer_types = 1, .opaque_fd_advertised = true,    .opaque_fd_types = 1,
};

// Headless H100: types 2 and 3 in system memory, type 4 is the ReBAR window.
static const struct pv_memory_facts nvidia_headless = {
    .properties =
        {
            .memoryTypeCount = 5,
            .memoryTypes =
                {
                    {0, 1},
                    {LOCAL, 0},
                    {VISIBLE | COHERENT, 1},
                    {VISIBLE | COHERENT | CACHED, 1},
                    {LOCAL | VISIBLE | COHERENT, 0},
                },
            .memoryHeapCount = 2,
            .memoryHeaps = {{80ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {64ull << 30, 0}},
        },
    .host_pointer_advertised = true,
    .host_pointer_alignment = 4096,
    .host_pointer_types = 0xc,
    .opaque_fd_advertised = true,
    .opaque_fd_types = 0x1c,
};

// A desktop card with dma-bufs for everything, host pointers for system memory only.
static const struct pv_memory_facts desktop = {
    .properties =
        {
            .memoryTypeCount = 3,
            .memoryTypes =
                {
                    {LOCAL, 0},
                    {VISIBLE | COHERENT, 1},
                    {LOCAL | VISIBLE | COHERENT, 0},
                },
            .memoryHeapCount = 2,
            .memoryHeaps = {{8ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {16ull << 30, 0}},
        },
    .host_pointer_advertised = true,
    .host_pointer_alignment = 4096,
    .host_pointer_types = 0x2,
    .dmabuf_advertised = true,
    .dmabuf_importable = true,
    .dmabuf_export_types = 0x7,
    .dmabuf_map_types = 0x6,
};

// MoltenVK on Apple silicon, with and without VK_EXT_external_memory_host.
static const struct pv_memory_facts moltenvk = {
    .properties =
        {
            .memoryTypeCount = 3,
            .memoryTypes =
                {
                    {LOCAL, 0},
                    {LOCAL | VISIBLE | COHERENT | CACHED, 0},
                    {LOCAL | VISIBLE | CACHED, 0},
                },
            .memoryHeapCount = 1,
            .memoryHeaps = {{16ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},
        },
    .host_pointer_advertised = true,
    .host_pointer_alignment = 16384,
    .host_pointer_types = 0x2,
};

static const struct pv_memory_facts moltenvk_without_host_pointers = {
    .properties =
        {
            .memoryTypeCount = 3,
            .memoryTypes =
                {
                    {LOCAL, 0},
                    {LOCAL | VISIBLE | COHERENT | CACHED, 0},
                    {LOCAL | VISIBLE | CACHED, 0},
                },
            .memoryHeapCount = 1,
            .memoryHeaps = {{16ull << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},
        },
};

static const struct pv_memory_facts only_incoherent = {
    .properties =
        {
            .memoryTypeCount = 2,
            .memoryTypes = {{LOCAL, 0}, {VISIBLE | CACHED, 0}},
            .memoryHeapCount = 1,
            .memoryHeaps = {{1ull << 30, 0}},
        },
    .host_pointer_advertised = true,
    .host_pointer_types = 0x2,
};

static const struct choice_row {
    const char *name;
    const struct pv_memory_facts *facts;
    struct pv_blob_policy policy;
    // What must come out.
    enum pv_memory_mechanism mechanism;
    enum pv_memory_mechanism map[5], share[5];
    uint32_t hidden_types, fd_types;
    bool usable;
    const char *reason; // part of the sentence
} rows[] = {
    {"lavapipe 25 without udmabuf",
     &lavapipe_25_without_udmabuf,
     {0, true},
     H,
     {H},
     {H},
     0,
     0x1,
     true,
     "VK_EXT_external_memory_host"},
    {"lavapipe 25 without udmabuf, in process",
     &lavapipe_25_without_udmabuf,
     {0, false},
     H,
     {H},
     {H},
     0,
     0x1,
     true,
     "VK_EXT_external_memory_host"},
    {"lavapipe shares by dma-buf where that works",
     &lavapipe_with_udmabuf,
     {0, true},
     H,
     {H},
     {D},
     0,
     0x1,
     true,
     "VK_EXT_external_memory_host"},
    {"lavapipe without dma-bufs by choice",
     &lavapipe_with_udmabuf,
     {ALLOW(HOST_POINTER) | ALLOW(OPAQUE_FD), true},
     H,
     {H},
     {H},
     0,
     0x1,
     true,
     "VK_EXT_external_memory_host"},
    {"lavapipe with dma-bufs by choice",
     &lavapipe_with_udmabuf,
     {ALLOW(DMABUF), true},
     D,
     {D},
     {D},
     0,
     0x1,
     true,
     "host pointers are switched off"},
    {"lavapipe with opaque fds by choice",
     &lavapipe_with_udmabuf,
     {ALLOW(OPAQUE_FD), false},
     O,
     {O},
     {O},
     0,
     0,
     true,
     "dma-bufs switched off"},
    {"opaque fds do not serve a VMM with descriptors only",
     &lavapipe_with_udmabuf,
     {ALLOW(OPAQUE_FD), true},
     N,
     {N},
     {N},
     0x1,
     0,
     false,
     "not mappable by descriptor"},
    {"advertised dma-bufs that fail are no dma-bufs",
     &lavapipe_with_broken_dmabuf,
     {0, true},
     N,
     {N},
     {N},
     0x1,
     0,
     false,
     "dma-bufs failing when exported"},
    {"mappings are the last resort in process",
     &lavapipe_with_broken_dmabuf,
     {0, false},
     M,
     {M},
     {M},
     0,
     0,
     true,
     "host pointers are not offered by the driver"},
    {"lavapipe 22.3.6",
     &lavapipe_22,
     {0, true},
     H,
     {H},
     {H},
     0,
     0x1,
     true,
     "VK_EXT_external_memory_host"},
    {"NVIDIA headless hides its ReBAR type",
     &nvidia_headless,
     {0, true},
     H,
     {N, N, H, H, N},
     {N, N, H, H, N},
     0x10,
     0xc,
     true,
     "1 of 3 host-visible types shown without HOST_VISIBLE"},
    {"NVIDIA headless in process shows its ReBAR type",
     &nvidia_headless,
     {0, false},
     H,
     {N, N, H, H, O},
     {N, N, H, H, O},
     0,
     0xc,
     true,
     "VK_EXT_external_memory_host"},
    {"NVIDIA headless with mappings only",
     &nvidia_headless,
     {ALLOW(MAPPED), false},
     M,
     {N, N, M, M, M},
     {N, N, M, M, M},
     0,
     0,
     true,
     "opaque fds switched off"},
    {"a desktop card mixes mechanisms",
     &desktop,
     {0, true},
     H,
     {N, H, D},
     {D, D, D},
     0,
     0x7,
     true,
     "VK_EXT_external_memory_host"},
    {"MoltenVK",
     &moltenvk,
     {0, true},
     H,
     {N, H, N},
     {N, H, N},
     0x4,
     0x2,
     true,
     "VK_EXT_external_memory_host"},
    {"MoltenVK in process",
     &moltenvk,
     {0, false},
     H,
     {N, H, M},
     {N, H, M},
     0,
     0x2,
     true,
     "VK_EXT_external_memory_host"},
    {"MoltenVK without host pointers, in process",
     &moltenvk_without_host_pointers,
     {0, false},
     M,
     {N, M, M},
     {N, M, M},
     0,
     0,
     true,
     "the driver's mappings"},
    {"MoltenVK without host pointers, by descriptor",
     &moltenvk_without_host_pointers,
     {0, true},
     N,
     {N, N, N},
     {N, N, N},
     0x6,
     0,
     false,
     "no coherent memory can be mapped"},
    {"incoherent memory does not make a device usable",
     &only_incoherent,
     {0, true},
     N,
     {N, H},
     {N, H},
     0,
     0x2,
     false,
     ""},
};

static void check_row(const struct choice_row *row)
{
    struct pv_blob_choice choice;
    pv_blob_choose(row->facts, &row->policy, &choice);
    assert_int_equal(choice.type_count, row->facts->properties.memoryTypeCount);
    for (uint32_t i = 0; i < choice.type_count; i++) {
        assert_int_equal(choice.map[i], row->map[i]);
        assert_int_equal(choice.share[i], row->share[i]);
        assert_non_null(choice.type_reason[i]);
    }
    assert_int_equal(choice.mechanism, row->mechanism);
    assert_int_equal(choice.hidden_types, row->hidden_types);
    assert_int_equal(choice.fd_types, row->fd_types);
    assert_int_equal(choice.usable, row->usable);
    if (!strstr(choice.reason, row->reason)) {
        fail_msg("the reason is: %s", choice.reason);
    }
    assert_true(strlen(choice.reason) < sizeof(choice.reason) - 1); // not cut
}

static void chooses_for_each_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("# %s\n", rows[i].name);
        check_row(&rows[i]);
    }
}

static void hides_types_in_place(void **state)
{
    (void)state;
    struct pv_blob_choice choice;
    VkPhysicalDeviceMemoryProperties properties = nvidia_headless.properties;
    pv_blob_choose(&nvidia_headless, &(struct pv_blob_policy){.fd_only = true}, &choice);
    pv_blob_choice_show(&choice, &properties);
    assert_int_equal(properties.memoryTypeCount, 5);
    assert_int_equal(properties.memoryTypes[2].propertyFlags, VISIBLE | COHERENT);
    assert_int_equal(properties.memoryTypes[3].propertyFlags, VISIBLE | COHERENT | CACHED);
    assert_int_equal(properties.memoryTypes[4].propertyFlags, LOCAL);
    assert_int_equal(properties.memoryTypes[4].heapIndex, 0);
}

static void shows_the_only_type_twice_where_sparse_binding_ignores_it(void **state)
{
    (void)state;
    struct pv_blob_choice choice;
    struct pv_memory_facts facts = lavapipe_25_without_udmabuf;
    const struct pv_blob_policy policy = {.fd_only = true};
    facts.sparse_types = 1;
    pv_blob_choose(&facts, &policy, &choice);
    assert_int_equal(choice.type_count, 2);
    assert_int_equal(choice.plain_type, 0);
    assert_int_equal(choice.map[0], N);
    assert_int_equal(choice.share[0], H); // a window's image may lie in it
    assert_int_equal(choice.map[1], H);
    assert_int_equal(choice.hidden_types, 0);
    assert_int_equal(choice.sparse_types, 1);
    assert_false(choice.sparse_linear);
    assert_int_equal(choice.mechanism, H);
    assert_int_equal(pv_blob_choice_host_type(&choice, 0), 0);
    assert_int_equal(pv_blob_choice_host_type(&choice, 1), 0);
    assert_int_equal(pv_blob_choice_resource_types(&choice, 1, true), 1);
    assert_int_equal(pv_blob_choice_resource_types(&choice, 1, false), 2);

    VkPhysicalDeviceMemoryProperties properties = facts.properties;
    pv_blob_choice_show(&choice, &properties);
    assert_int_equal(properties.memoryTypeCount, 2);
    assert_int_equal(properties.memoryTypes[0].propertyFlags, LOCAL);
    assert_int_equal(properties.memoryTypes[1].propertyFlags, LOCAL | VISIBLE | COHERENT | CACHED);
}

static void shows_types_once_where_sparse_binding_works(void **state)
{
    (void)state;
    struct pv_blob_choice choice;
    const struct pv_blob_policy policy = {.fd_only = true};
    // Imports can be bound, too.
    struct pv_memory_facts facts = lavapipe_25_without_udmabuf;
    facts.sparse_types = facts.sparse_import_types = 1;
    pv_blob_choose(&facts, &policy, &choice);
    assert_int_equal(choice.type_count, 1);
    assert_int_equal(choice.sparse_types, 1);
    assert_true(choice.sparse_linear);
    // There is memory that is not shared.
    facts = nvidia_headless;
    facts.sparse_types = 0x1f;
    pv_blob_choose(&facts, &policy, &choice);
    assert_int_equal(choice.type_count, 5);
    assert_int_equal(choice.sparse_types & 0xc, 0); // types 2 and 3 are imported
    assert_int_equal(choice.sparse_types & 1, 1);
    assert_false(choice.sparse_linear); // what can be mapped is imported
    assert_int_equal(pv_blob_choice_resource_types(&choice, 0xf, true) & 0xc, 0);
    assert_int_equal(pv_blob_choice_resource_types(&choice, 0xf, false), 0xf);
    // Nothing can be bound.
    facts = lavapipe_22;
    pv_blob_choose(&facts, &policy, &choice);
    assert_int_equal(choice.type_count, 1);
    assert_int_equal(choice.sparse_types, 0);
    // The driver's own mappings are of ordinary memory.
    facts = lavapipe_22;
    facts.sparse_types = 1;
    pv_blob_choose(&facts, &(struct pv_blob_policy){ALLOW(MAPPED), false}, &choice);
    assert_int_equal(choice.type_count, 1);
    assert_int_equal(choice.sparse_types, 1);
}

static void names_every_mechanism(void **state)
{
    (void)state;
    for (int i = PV_MEMORY_NONE; i <= PV_MEMORY_MAPPED; i++) {
        assert_string_not_equal(pv_memory_mechanism_name((enum pv_memory_mechanism)i), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_for_each_host),
        cmocka_unit_test(hides_types_in_place),
        cmocka_unit_test(shows_the_only_type_twice_where_sparse_binding_ignores_it),
        cmocka_unit_test(shows_types_once_where_sparse_binding_works),
        cmocka_unit_test(names_every_mechanism),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
