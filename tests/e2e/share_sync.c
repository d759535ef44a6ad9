// Fences and semaphores that go to other processes as sync files. On lavapipe this takes a kernel
// with sync files for dma-bufs. Guests have it over virtio-gpu, not over a socket.
#include "share.h"

#include <poll.h>
#include <unistd.h>

#include "cases.h"

#define DONE_MS 20000

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

static const char *const sync_extensions[] = {VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
                                              VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME};

static void need_sync_files(const struct e2e *t)
{
    const VkPhysicalDeviceExternalSemaphoreInfo semaphore = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalSemaphoreProperties of_semaphores = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
    };
    vkGetPhysicalDeviceExternalSemaphoreProperties(t->physical, &semaphore, &of_semaphores);
    const VkPhysicalDeviceExternalFenceInfo fence = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalFenceProperties of_fences = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES,
    };
    vkGetPhysicalDeviceExternalFenceProperties(t->physical, &fence, &of_fences);
    const VkExternalSemaphoreFeatureFlags semaphores =
        VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
    const VkExternalFenceFeatureFlags fences =
        VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT;
    if ((of_semaphores.externalSemaphoreFeatures & semaphores) != semaphores ||
        (of_fences.externalFenceFeatures & fences) != fences) {
        e2e_skip("sync files cannot be exported and imported");
    }
}

static VkSemaphore create_semaphore(struct e2e *t)
{
    const VkExportSemaphoreCreateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &export,
    };
    VkSemaphore semaphore = VK_NULL_HANDLE;
    OK(vkCreateSemaphore(t->device, &info, NULL, &semaphore));
    KEEP(t, SEMAPHORE, semaphore);
    return semaphore;
}

static int export_semaphore(struct e2e *t, VkSemaphore semaphore)
{
    E2E_FUNCTION(t, GetSemaphoreFdKHR);
    const VkSemaphoreGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
        .semaphore = semaphore,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    int fd = -2;
    OK(GetSemaphoreFdKHR(t->device, &info, &fd));
    CHECK(fd >= -1, "the sync file has descriptor %d", fd);
    return fd;
}

// Takes the descriptor.
static void import_semaphore(struct e2e *t, VkSemaphore semaphore, int fd)
{
    E2E_FUNCTION(t, ImportSemaphoreFdKHR);
    const VkImportSemaphoreFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
        .semaphore = semaphore,
        .flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
        .fd = fd,
    };
    OK(ImportSemaphoreFdKHR(t->device, &info));
}

static VkFence create_fence(struct e2e *t)
{
    const VkExportFenceCreateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkFenceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
        .pNext = &export,
    };
    VkFence fence = VK_NULL_HANDLE;
    OK(vkCreateFence(t->device, &info, NULL, &fence));
    KEEP(t, FENCE, fence);
    return fence;
}

static int export_fence(struct e2e *t, VkFence fence)
{
    E2E_FUNCTION(t, GetFenceFdKHR);
    const VkFenceGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR,
        .fence = fence,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    int fd = -2;
    OK(GetFenceFdKHR(t->device, &info, &fd));
    CHECK(fd >= -1, "the sync file has descriptor %d", fd);
    return fd;
}

// Takes the descriptor.
static void import_fence(struct e2e *t, VkFence fence, int fd)
{
    E2E_FUNCTION(t, ImportFenceFdKHR);
    const VkImportFenceFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_FENCE_FD_INFO_KHR,
        .fence = fence,
        .flags = VK_FENCE_IMPORT_TEMPORARY_BIT,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
        .fd = fd,
    };
    OK(ImportFenceFdKHR(t->device, &info));
}

// A sync file is a file that can be polled. -1 stands for one that is done.
static void wait_for_file(int fd)
{
    struct pollfd file = {.fd = fd, .events = POLLIN};
    CHECK(fd == -1 || (poll(&file, 1, DONE_MS) == 1 && file.revents == POLLIN),
          "the sync file is not done in %d ms", DONE_MS);
}

// Fills the buffer many times, so that it takes a while, with `value` at last.
static VkCommandBuffer slow_fill(struct e2e *t, const struct e2e_buffer *buffer, uint32_t value)
{
    VkCommandBuffer commands = e2e_begin(t);
    for (uint32_t i = 0; i <= 8; i++) {
        vkCmdFillBuffer(commands, buffer->handle, 0, VK_WHOLE_SIZE, i == 8 ? value : ~i);
        e2e_barrier(commands);
    }
    OK(vkEndCommandBuffer(commands));
    return commands;
}

static void submit(struct e2e *t, VkCommandBuffer commands, VkSemaphore wait, VkSemaphore signal,
                   VkFence fence)
{
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .waitSemaphoreCount = wait ? 1 : 0,
        .pWaitSemaphores = &wait,
        .pWaitDstStageMask = &stage,
        .commandBufferCount = commands ? 1 : 0,
        .pCommandBuffers = &commands,
        .signalSemaphoreCount = signal ? 1 : 0,
        .pSignalSemaphores = &signal,
    };
    OK(vkQueueSubmit(t->queue, 1, &info, fence));
}

static void check_filled(const struct e2e_buffer *buffer, uint32_t value)
{
    const uint32_t *words = buffer->map;
    for (size_t i = 0; i < buffer->size / sizeof(*words); i++) {
        CHECK(words[i] == value, "word %zu is 0x%x, expected 0x%x", i, words[i], value);
    }
}

void case_share_semaphore(struct e2e *t)
{
    enum { ROUNDS = 5 };
    struct e2e_pair p = e2e_pair_open(t, sync_extensions, COUNT(sync_extensions));
    need_sync_files(t);
    const struct e2e_buffer buffer = e2e_buffer(t, 4 << 20, copies, E2E_HOST);
    const VkSemaphore ours = create_semaphore(t), theirs = create_semaphore(&p.there);
    const VkFence done = e2e_fence(&p.there, 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        submit(t, slow_fill(t, &buffer, 100 + i), VK_NULL_HANDLE, ours, VK_NULL_HANDLE);
        const int fd = export_semaphore(t, ours); // `ours` is unsignalled again
        if (i % 2) {
            wait_for_file(fd);
            check_filled(&buffer, 100 + i);
        }
        import_semaphore(&p.there, theirs, fd);
        submit(&p.there, VK_NULL_HANDLE, theirs, VK_NULL_HANDLE, done);
        OK(vkWaitForFences(p.there.device, 1, &done, VK_TRUE, UINT64_MAX));
        OK(vkResetFences(p.there.device, 1, &done));
        check_filled(&buffer, 100 + i); // the other side's wait was for this side's work
    }
    e2e_close(&p.there);
    e2e_print("%d semaphores", ROUNDS);
}

// -1 is a sync file that is done: such a semaphore can be waited for at once, and used on.
void case_share_semaphore_done(struct e2e *t)
{
    e2e_open(t, &(struct e2e_device_params){.extensions = sync_extensions,
                                            .extension_count = COUNT(sync_extensions)});
    need_sync_files(t);
    const VkSemaphore semaphore = create_semaphore(t);
    const VkFence fence = e2e_fence(t, 0);
    for (uint32_t i = 0; i < 4; i++) {
        if (i % 2) { // in between, its own payload
            submit(t, VK_NULL_HANDLE, VK_NULL_HANDLE, semaphore, VK_NULL_HANDLE);
        } else {
            import_semaphore(t, semaphore, -1);
        }
        submit(t, VK_NULL_HANDLE, semaphore, VK_NULL_HANDLE, fence);
        OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
        OK(vkResetFences(t->device, 1, &fence));
    }
    e2e_print("4 waits");
}

void case_share_fence(struct e2e *t)
{
    enum { ROUNDS = 5 };
    struct e2e_pair p = e2e_pair_open(t, sync_extensions, COUNT(sync_extensions));
    need_sync_files(t);
    const struct e2e_buffer buffer = e2e_buffer(t, 4 << 20, copies, E2E_HOST);
    const VkFence ours = create_fence(t), theirs = create_fence(&p.there);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        submit(t, slow_fill(t, &buffer, 200 + i), VK_NULL_HANDLE, VK_NULL_HANDLE, ours);
        const int fd = export_fence(t, ours);
        EXPECT(vkGetFenceStatus(t->device, ours), VK_NOT_READY); // the payload has moved
        if (i % 2) {
            wait_for_file(fd);
            check_filled(&buffer, 200 + i);
        }
        import_fence(&p.there, theirs, fd);
        OK(vkWaitForFences(p.there.device, 1, &theirs, VK_TRUE, UINT64_MAX));
        check_filled(&buffer, 200 + i);
        OK(vkResetFences(p.there.device, 1, &theirs));
        EXPECT(vkGetFenceStatus(p.there.device, theirs), VK_NOT_READY);
        // Both are ordinary fences again.
        submit(&p.there, VK_NULL_HANDLE, VK_NULL_HANDLE, VK_NULL_HANDLE, theirs);
        OK(vkWaitForFences(p.there.device, 1, &theirs, VK_TRUE, UINT64_MAX));
        OK(vkResetFences(p.there.device, 1, &theirs));
    }
    e2e_close(&p.there);
    e2e_print("%d fences", ROUNDS);
}

// Memory and its sync file together, with no wait of the CPU on either side.
void case_share_frame(struct e2e *t)
{
    static const char *const extensions[] = {
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
        VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME, VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME};
    enum { SIZE = 4 << 20, ROUNDS = 4 };
    struct e2e_pair p = e2e_pair_open(t, extensions, COUNT(extensions));
    e2e_need_shared_buffers(t);
    need_sync_files(t);
    const struct e2e_buffer ours = e2e_shared_buffer(t, SIZE, -1);
    const int fd = e2e_export_memory(t, ours.memory);
    const struct e2e_buffer theirs = e2e_shared_buffer(&p.there, SIZE, fd);
    close(fd);
    const struct e2e_buffer seen = e2e_buffer_with(&p.there, NULL, SIZE, copies);
    const VkSemaphore painted[2] = {create_semaphore(t), create_semaphore(&p.there)};
    const VkSemaphore shown[2] = {create_semaphore(&p.there), create_semaphore(t)};
    const VkFence done = e2e_fence(&p.there, 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        submit(t, slow_fill(t, &ours, 300 + i), i ? shown[1] : VK_NULL_HANDLE, painted[0],
               VK_NULL_HANDLE);
        import_semaphore(&p.there, painted[1], export_semaphore(t, painted[0]));
        VkCommandBuffer commands = e2e_begin(&p.there);
        vkCmdCopyBuffer(commands, theirs.handle, seen.handle, 1, &(VkBufferCopy){.size = SIZE});
        e2e_barrier(commands);
        OK(vkEndCommandBuffer(commands));
        submit(&p.there, commands, painted[1], shown[0], done);
        import_semaphore(t, shown[1], export_semaphore(&p.there, shown[0]));
        OK(vkWaitForFences(p.there.device, 1, &done, VK_TRUE, UINT64_MAX));
        OK(vkResetFences(p.there.device, 1, &done));
        check_filled(&seen, 300 + i);
    }
    submit(t, VK_NULL_HANDLE, shown[1], VK_NULL_HANDLE, VK_NULL_HANDLE);
    OK(vkDeviceWaitIdle(t->device));
    e2e_shared_buffer_destroy(t, &ours);
    e2e_shared_buffer_destroy(&p.there, &theirs);
    e2e_close(&p.there);
    e2e_print("%d frames", ROUNDS);
}
