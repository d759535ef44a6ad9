// The pool keeps two piles: fences to be reset and used again, and abandoned ones that a
// submission has yet to signal. Whoever acquires looks at the oldest abandoned ones first.
#include "fence/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Abandoned fences looked at in one acquire: keeps it cheap when a queue hangs.
#define ABANDONED_CHECKS 4

// A guest can abandon fences that nothing will ever signal; this many, and no further one is made.
#define ABANDONED_LIMIT 16384

// Fences kept for reuse; more are destroyed when they come back.
#define IDLE_LIMIT 256

struct fence_pile {
    VkFence *fences;
    uint32_t count, capacity;
};

struct pv_fence_pool {
    VkDevice device;
    const struct pv_device_functions *vk;

    pthread_mutex_t lock;
    struct fence_pile idle;      // nothing will signal them; some are signalled already
    struct fence_pile abandoned; // oldest first
};

// Failure: false, memory is short and nothing was changed.
static bool pile_push(struct fence_pile *pile, VkFence fence)
{
    if (pile->count == pile->capacity) {
        const uint32_t capacity = pile->capacity ? 2 * pile->capacity : 16;
        VkFence *fences = realloc(pile->fences, capacity * sizeof(*fences));
        if (!fences) {
            return false;
        }
        pile->fences = fences;
        pile->capacity = capacity;
    }
    pile->fences[pile->count++] = fence;
    return true;
}

static VkFence pile_remove(struct fence_pile *pile, uint32_t index)
{
    const VkFence fence = pile->fences[index];
    pile->count--;
    memmove(&pile->fences[index], &pile->fences[index + 1],
            (pile->count - index) * sizeof(*pile->fences));
    return fence;
}

static void pile_finish(struct pv_fence_pool *pool, struct fence_pile *pile)
{
    for (uint32_t i = 0; i < pile->count; i++) {
        pool->vk->vkDestroyFence(pool->device, pile->fences[i], NULL);
    }
    free(pile->fences);
}

struct pv_fence_pool *pv_fence_pool_create(VkDevice device, const struct pv_device_functions *vk)
{
    struct pv_fence_pool *pool = calloc(1, sizeof(*pool));
    if (!pool) {
        return NULL;
    }
    pool->device = device;
    pool->vk = vk;
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

void pv_fence_pool_destroy(struct pv_fence_pool *pool)
{
    if (!pool) {
        return;
    }
    pile_finish(pool, &pool->idle);
    pile_finish(pool, &pool->abandoned);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

// Under the lock: an abandoned fence that has been signalled meanwhile, or VK_NULL_HANDLE.
static VkFence find_returned(struct pv_fence_pool *pool)
{
    for (uint32_t i = 0; i < pool->abandoned.count && i < ABANDONED_CHECKS; i++) {
        if (pool->vk->vkGetFenceStatus(pool->device, pool->abandoned.fences[i]) == VK_SUCCESS) {
            return pile_remove(&pool->abandoned, i);
        }
    }
    return VK_NULL_HANDLE;
}

VkResult pv_fence_pool_acquire(struct pv_fence_pool *pool, VkFence *fence)
{
    pthread_mutex_lock(&pool->lock);
    VkFence found = find_returned(pool);
    if (!found && pool->idle.count > 0) {
        found = pool->idle.fences[--pool->idle.count];
    }
    const bool exhausted = pool->abandoned.count >= ABANDONED_LIMIT;
    pthread_mutex_unlock(&pool->lock);

    if (exhausted && !found) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (found) {
        const VkResult result = pool->vk->vkResetFences(pool->device, 1, &found);
        if (result != VK_SUCCESS) {
            pool->vk->vkDestroyFence(pool->device, found, NULL);
            return result;
        }
        *fence = found;
        return VK_SUCCESS;
    }
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return pool->vk->vkCreateFence(pool->device, &info, NULL, fence);
}

void pv_fence_pool_recycle(struct pv_fence_pool *pool, VkFence fence)
{
    pthread_mutex_lock(&pool->lock);
    const bool kept = pool->idle.count < IDLE_LIMIT && pile_push(&pool->idle, fence);
    pthread_mutex_unlock(&pool->lock);
    if (!kept) {
        pool->vk->vkDestroyFence(pool->device, fence, NULL);
    }
}

void pv_fence_pool_abandon(struct pv_fence_pool *pool, VkFence fence)
{
    pthread_mutex_lock(&pool->lock);
    // Without memory to remember it the fence leaks until the device is destroyed, which is
    // better than destroying it under the driver's hands.
    const bool kept = pile_push(&pool->abandoned, fence);
    (void)kept;
    pthread_mutex_unlock(&pool->lock);
}
