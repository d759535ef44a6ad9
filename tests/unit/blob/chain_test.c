// Rebuilding the chain of a memory allocation.
#include "blob/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka.h wants the above first.
#include <cmocka.h>

static uint32_t length_of(const void *chain)
{
    uint32_t length = 0;
    for (const VkBaseInStructure *in = chain; in; in = in->pNext) {
        length++;
    }
    return length;
}

// Everything that may occur, with the guest's export and the private import in the middle.
struct guest_chain {
    VkMemoryAllocateFlagsInfo flags;
    VkExportMemoryAllocateInfo export;
    VkMemoryDedicatedAllocateInfo dedicated;
    VkMemoryOpaqueCaptureAddressAllocateInfo address;
    VkBaseInStructure private_import;
    VkMemoryPriorityAllocateInfoEXT priority;
    VkMemoryAllocateInfo info;
};

static void fill(struct guest_chain *guest)
{
    *guest = (struct guest_chain){
        .flags = {VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, &guest->export,
                  VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT, 0},
        .export = {VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO, &guest->dedicated,
                   VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT},
        .dedicated = {VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, &guest->address,
                      (VkImage)(uintptr_t)7, VK_NULL_HANDLE},
        .address = {VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO,
                    &guest->private_import, 0x1234},
        .private_import = {(VkStructureType)1000384002,
                           (const VkBaseInStructure *)&guest->priority},
        .priority = {VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT, NULL, 0.25f},
        .info = {VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &guest->flags, 100, 3},
    };
}

static void keeps_what_means_the_same_everywhere(void **state)
{
    (void)state;
    struct guest_chain guest;
    struct pv_allocate_chain chain;
    fill(&guest);
    pv_allocate_chain_init(&chain, &guest.info, 4096, 0);
    assert_int_equal(chain.info.allocationSize, 4096);
    assert_int_equal(chain.info.memoryTypeIndex, 3);
    assert_int_equal(length_of(chain.info.pNext), 4);
    const VkMemoryAllocateFlagsInfo *flags =
        pv_blob_chain_find(chain.info.pNext, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    assert_int_equal(flags->flags, VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT);
    const VkMemoryDedicatedAllocateInfo *dedicated =
        pv_blob_chain_find(chain.info.pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    assert_int_equal((uintptr_t)dedicated->image, 7);
    const VkMemoryPriorityAllocateInfoEXT *priority =
        pv_blob_chain_find(chain.info.pNext, VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT);
    assert_true(priority->priority == 0.25f);
    const VkMemoryOpaqueCaptureAddressAllocateInfo *address = pv_blob_chain_find(
        chain.info.pNext, VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
    assert_int_equal(address->opaqueCaptureAddress, 0x1234);
    assert_null(
        pv_blob_chain_find(chain.info.pNext, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO));
}

static void leaves_the_guest_chain_as_it_was(void **state)
{
    (void)state;
    struct guest_chain guest;
    struct pv_allocate_chain chain;
    fill(&guest);
    pv_allocate_chain_init(&chain, &guest.info, 4096, PV_CHAIN_DROP_DEDICATED);
    assert_int_equal(length_of(guest.info.pNext), 6);
    assert_ptr_equal(guest.info.pNext, &guest.flags);
    assert_int_equal(guest.info.allocationSize, 100);
}

static void drops_the_dedicated_resource_on_request(void **state)
{
    (void)state;
    struct guest_chain guest;
    struct pv_allocate_chain chain;
    fill(&guest);
    pv_allocate_chain_init(&chain, &guest.info, 4096, PV_CHAIN_DROP_DEDICATED);
    assert_int_equal(length_of(chain.info.pNext), 3);
    assert_null(
        pv_blob_chain_find(chain.info.pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO));
    assert_null(chain.dedicated.image);
}

static void puts_added_structures_in_front(void **state)
{
    (void)state;
    struct guest_chain guest;
    struct pv_allocate_chain chain;
    VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    fill(&guest);
    guest.info.pNext = NULL;
    pv_allocate_chain_init(&chain, &guest.info, 4096, 0);
    assert_null(chain.info.pNext);
    assert_int_equal(chain.flags.flags, 0);
    pv_allocate_chain_add(&chain, &export);
    assert_ptr_equal(chain.info.pNext, &export);
    assert_null(export.pNext);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_means_the_same_everywhere),
        cmocka_unit_test(leaves_the_guest_chain_as_it_was),
        cmocka_unit_test(drops_the_dedicated_resource_on_request),
        cmocka_unit_test(puts_added_structures_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
