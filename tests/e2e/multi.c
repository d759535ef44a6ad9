// Several instances, devices and threads in one program, and the orders in which things end.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "shaders.h"

static const VkBufferUsageFlags copies =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

// Copies a pattern of this seed through the GPU and checks it.
static void copy_pattern(struct e2e *t, uint32_t seed)
{
    enum { SIZE = 20000 };
    const struct e2e_buffer from = e2e_buffer(t, SIZE, copies, E2E_HOST);
    const struct e2e_buffer to = e2e_buffer_with(t, NULL, SIZE, copies);
    e2e_pattern_fill(from.map, SIZE, seed);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdCopyBuffer(commands, from.handle, to.handle, 1, &(VkBufferCopy){.size = SIZE});
    e2e_run(t, commands);
    e2e_pattern_check(to.map, SIZE, seed, "copied");
}

static struct e2e another(const struct e2e *t)
{
    return (struct e2e){.name = t->name, .lock = PTHREAD_MUTEX_INITIALIZER};
}

void case_multi_two_instances(struct e2e *t)
{
    struct e2e other = another(t);
    e2e_open(t, NULL);
    e2e_open(&other, NULL);
    for (uint32_t i = 0; i < 20; i++) {
        copy_pattern(i % 2 ? t : &other, i);
    }
    e2e_close(&other);
    copy_pattern(t, 100);
    e2e_open(&other, NULL);
    copy_pattern(&other, 101);
    e2e_close(t); // the first goes before the second
    copy_pattern(&other, 102);
    e2e_close(&other);
    e2e_print("23 copies");
}

static VkDevice device_create(struct e2e *t)
{
    const float priority = 0.5f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = t->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    VkDevice device = VK_NULL_HANDLE;
    OK(vkCreateDevice(t->physical, &info, NULL, &device));
    return device;
}

// A second device of the same instance; borrows all that is not the device's own.
static struct e2e second_device(struct e2e *t)
{
    struct e2e other = another(t);
    other.instance = t->instance;
    other.physical = t->physical;
    other.api_version = t->api_version;
    other.properties = t->properties;
    other.memory = t->memory;
    other.family = t->family;
    other.device = device_create(t);
    vkGetDeviceQueue(other.device, other.family, 0, &other.queue);
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = other.family,
    };
    OK(vkCreateCommandPool(other.device, &pool, NULL, &other.pool));
    return other;
}

static void second_device_close(struct e2e *other)
{
    other->instance = VK_NULL_HANDLE; // it belongs to the first
    e2e_close(other);
}

void case_multi_two_devices(struct e2e *t)
{
    e2e_open(t, NULL);
    struct e2e other = second_device(t);
    for (uint32_t i = 0; i < 20; i++) {
        copy_pattern(i % 2 ? t : &other, i);
    }
    second_device_close(&other);
    copy_pattern(t, 50);
    for (uint32_t i = 0; i < 5; i++) { // as many devices in a row as there are queue slots to leak
        other = second_device(t);
        copy_pattern(&other, i);
        second_device_close(&other);
    }
    e2e_print("26 copies");
}

enum { THREADS = 8 };

struct worker {
    struct e2e *t;
    pthread_mutex_t *queue_lock; // guards t->queue
    uint32_t number, rounds;
};

// Each thread has its own pool and buffer; the queue is shared.
static void *share_queue(void *argument)
{
    enum { WORDS = 1024 };
    const struct worker *worker = argument;
    struct e2e *t = worker->t;
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = t->family,
    };
    VkCommandPool pool = VK_NULL_HANDLE;
    OK(vkCreateCommandPool(t->device, &pool_info, NULL, &pool));
    KEEP(t, COMMAND_POOL, pool);
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = VK_NULL_HANDLE;
    OK(vkAllocateCommandBuffers(t->device, &allocate, &commands));
    const struct e2e_buffer buffer = e2e_buffer_with(
        t, NULL, WORDS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    const struct e2e_binding binding = e2e_bind_storage(&buffer);
    const struct e2e_set set = e2e_set(t, &binding, 1, VK_SHADER_STAGE_COMPUTE_BIT, 8);
    const VkPipeline pipeline = e2e_compute(t, CODE(add_comp), set.layout, NULL);
    const VkFence fence = e2e_fence(t, 0);
    uint32_t expected[WORDS] = {0};
    for (uint32_t round = 0; round < worker->rounds; round++) {
        const uint32_t push[2] = {worker->number * 2 + 3, WORDS};
        OK(vkResetCommandPool(t->device, pool, 0));
        const VkCommandBufferBeginInfo begin = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
        };
        OK(vkBeginCommandBuffer(commands, &begin));
        e2e_use(commands, pipeline, &set);
        vkCmdPushConstants(commands, set.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 8, push);
        vkCmdDispatch(commands, WORDS / 64, 1, 1);
        e2e_barrier(commands);
        OK(vkEndCommandBuffer(commands));
        const VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &commands,
        };
        pthread_mutex_lock(worker->queue_lock);
        OK(vkQueueSubmit(t->queue, 1, &submit, fence));
        pthread_mutex_unlock(worker->queue_lock);
        OK(vkWaitForFences(t->device, 1, &fence, VK_TRUE, UINT64_MAX));
        OK(vkResetFences(t->device, 1, &fence));
        for (uint32_t i = 0; i < WORDS; i++) {
            expected[i] = expected[i] * push[0] + i;
        }
        CHECK(!memcmp(expected, buffer.map, sizeof(expected)), "thread %u, round %u",
              worker->number, round);
    }
    return NULL;
}

static void run_workers(struct worker *workers, uint32_t count, void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < count; i++) {
        threads[i] = e2e_thread(run, &workers[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        e2e_join(threads[i]);
    }
}

void case_multi_threads_one_queue(struct e2e *t)
{
    pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
    struct worker workers[THREADS];
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){t, &queue_lock, i, 50};
    }
    run_workers(workers, THREADS, share_queue);
    e2e_print("%d threads", THREADS);
}

static void *use_own_device(void *argument)
{
    const struct worker *worker = argument;
    for (uint32_t round = 0; round < worker->rounds; round++) {
        struct e2e own = second_device(worker->t);
        copy_pattern(&own, worker->number * 100 + round);
        second_device_close(&own);
    }
    return NULL;
}

void case_multi_threads_own_devices(struct e2e *t)
{
    struct worker workers[THREADS];
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){t, NULL, i, 3};
    }
    run_workers(workers, THREADS, use_own_device);
    e2e_print("%d threads", THREADS);
}

static void *use_own_instance(void *argument)
{
    const struct worker *worker = argument;
    for (uint32_t round = 0; round < worker->rounds; round++) {
        struct e2e own = another(worker->t);
        e2e_open(&own, NULL);
        copy_pattern(&own, worker->number * 100 + round);
        e2e_close(&own);
    }
    return NULL;
}

void case_multi_threads_own_instances(struct e2e *t)
{
    struct worker workers[4];
    // Keeps the driver loaded: Mesa's guest driver has a destructor that runs at a thread's end,
    // and the loader unloads the driver with the last instance.
    e2e_open_instance(t);
    for (uint32_t i = 0; i < COUNT(workers); i++) {
        workers[i] = (struct worker){t, NULL, i, 3};
    }
    run_workers(workers, COUNT(workers), use_own_instance);
    e2e_print("%zu threads", COUNT(workers));
}

// Memory that one thread allocates, another maps, a third frees.
struct relay {
    struct e2e *t;
    uint32_t type;
    VkDeviceMemory memory[100];
    uint32_t *maps[100];
};

static void *relay_allocate(void *argument)
{
    struct relay *relay = argument;
    for (uint32_t i = 0; i < COUNT(relay->memory); i++) {
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .allocationSize = 4096,
            .memoryTypeIndex = relay->type,
        };
        OK(vkAllocateMemory(relay->t->device, &info, NULL, &relay->memory[i]));
    }
    return NULL;
}

static void *relay_map(void *argument)
{
    struct relay *relay = argument;
    for (uint32_t i = 0; i < COUNT(relay->memory); i++) {
        OK(vkMapMemory(relay->t->device, relay->memory[i], 0, VK_WHOLE_SIZE, 0,
                       (void **)&relay->maps[i]));
        relay->maps[i][1000] = i;
    }
    return NULL;
}

static void *relay_free(void *argument)
{
    struct relay *relay = argument;
    for (uint32_t i = 0; i < COUNT(relay->memory); i++) {
        CHECK(relay->maps[i][1000] == i, "mapping %u", i);
        vkFreeMemory(relay->t->device, relay->memory[i], NULL);
    }
    return NULL;
}

void case_multi_threads_hand_over(struct e2e *t)
{
    e2e_open(t, NULL);
    struct relay relay = {.t = t, .type = e2e_memory_type(t, UINT32_MAX, E2E_HOST)};
    void *(*const legs[])(void *) = {relay_allocate, relay_map, relay_free};
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t leg = 0; leg < COUNT(legs); leg++) {
            e2e_join(e2e_thread(legs[leg], &relay)); // a thread of its own for every leg
        }
    }
    e2e_print("5 rounds");
}

void case_multi_instance_churn(struct e2e *t)
{
    for (uint32_t i = 0; i < 20; i++) {
        struct e2e own = another(t);
        if (i % 3 == 2) {
            e2e_open_instance(&own); // an instance that makes no device
        } else {
            e2e_open(&own, NULL);
            copy_pattern(&own, i);
        }
        e2e_close(&own);
    }
    e2e_print("20 instances");
}

void case_multi_object_churn(struct e2e *t)
{
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < 3000; i++) {
        const VkSemaphoreCreateInfo semaphore_info = {VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, NULL,
                                                      0};
        const VkEventCreateInfo event_info = {VK_STRUCTURE_TYPE_EVENT_CREATE_INFO, NULL, 0};
        const VkCommandPoolCreateInfo pool_info = {VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, NULL,
                                                   0, t->family};
        const VkSamplerCreateInfo sampler_info = {
            .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
            .mipLodBias = (float)(i % 8) / 8.0f,
        };
        VkSemaphore semaphore;
        VkEvent event;
        VkCommandPool pool;
        VkSampler sampler;
        VkCommandBuffer commands[4];
        OK(vkCreateSemaphore(t->device, &semaphore_info, NULL, &semaphore));
        OK(vkCreateEvent(t->device, &event_info, NULL, &event));
        OK(vkCreateCommandPool(t->device, &pool_info, NULL, &pool));
        OK(vkCreateSampler(t->device, &sampler_info, NULL, &sampler));
        const VkCommandBufferAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = pool,
            .commandBufferCount = COUNT(commands),
        };
        OK(vkAllocateCommandBuffers(t->device, &allocate, commands));
        if (i % 2) {
            vkFreeCommandBuffers(t->device, pool, COUNT(commands), commands);
        }
        vkDestroySemaphore(t->device, semaphore, NULL);
        vkDestroySampler(t->device, sampler, NULL);
        vkDestroyCommandPool(t->device, pool, NULL);
        vkDestroyEvent(t->device, event, NULL);
        vkDestroyBuffer(t->device, VK_NULL_HANDLE, NULL); // nothing happens
    }
    e2e_print("3000 rounds");
}

// Lawful orders that are easily got wrong: what was needed to make a thing goes before the thing.
void case_multi_destruction_order(struct e2e *t)
{
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < 50; i++) {
        VkBuffer buffer = e2e_buffer_bare(t, 1024, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT);
        VkMemoryRequirements needs;
        vkGetBufferMemoryRequirements(t->device, buffer, &needs);
        const VkMemoryAllocateInfo memory_info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .allocationSize = needs.size,
            .memoryTypeIndex = e2e_memory_type(t, needs.memoryTypeBits, E2E_HOST),
        };
        VkDeviceMemory memory = VK_NULL_HANDLE;
        OK(vkAllocateMemory(t->device, &memory_info, NULL, &memory));
        OK(vkBindBufferMemory(t->device, buffer, memory, 0));
        const VkBufferViewCreateInfo view_info = {
            .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
            .buffer = buffer,
            .format = VK_FORMAT_R8G8B8A8_UNORM,
            .range = VK_WHOLE_SIZE,
        };
        VkBufferView view = VK_NULL_HANDLE;
        OK(vkCreateBufferView(t->device, &view_info, NULL, &view));
        vkFreeMemory(t->device, memory, NULL); // memory, buffer, view
        vkDestroyBuffer(t->device, buffer, NULL);
        vkDestroyBufferView(t->device, view, NULL);

        const VkDescriptorSetLayoutBinding binding = {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                      VK_SHADER_STAGE_COMPUTE_BIT, NULL};
        const VkDescriptorSetLayoutCreateInfo set_info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
            .bindingCount = 1,
            .pBindings = &binding,
        };
        VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
        OK(vkCreateDescriptorSetLayout(t->device, &set_info, NULL, &set_layout));
        const VkPipelineLayoutCreateInfo layout_info = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
            .setLayoutCount = 1,
            .pSetLayouts = &set_layout,
        };
        VkPipelineLayout layout = VK_NULL_HANDLE;
        OK(vkCreatePipelineLayout(t->device, &layout_info, NULL, &layout));
        const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 4};
        const VkDescriptorPoolCreateInfo pool_info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
            .flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT,
            .maxSets = 4,
            .poolSizeCount = 1,
            .pPoolSizes = &size,
        };
        VkDescriptorPool pool = VK_NULL_HANDLE;
        OK(vkCreateDescriptorPool(t->device, &pool_info, NULL, &pool));
        VkDescriptorSet sets[4];
        for (uint32_t s = 0; s < 4; s++) {
            const VkDescriptorSetAllocateInfo allocate = {
                .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                .descriptorPool = pool,
                .descriptorSetCount = 1,
                .pSetLayouts = &set_layout,
            };
            OK(vkAllocateDescriptorSets(t->device, &allocate, &sets[s]));
        }
        vkDestroyDescriptorSetLayout(t->device, set_layout, NULL); // before layout and sets
        OK(vkFreeDescriptorSets(t->device, pool, 2, sets));
        const VkPipeline pipeline = e2e_compute(t, CODE(constant_comp), layout, NULL);
        vkDestroyPipelineLayout(t->device, layout, NULL); // before the pipeline
        vkDestroyDescriptorPool(t->device, pool, NULL);   // with two of its sets
        CHECK(pipeline, "no pipeline");
    }
    e2e_print("50 rounds");
}

// The device goes with all its children alive: forbidden, but programs do it.
void case_multi_device_with_children(struct e2e *t)
{
    e2e_open(t, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        struct e2e other = second_device(t);
        copy_pattern(&other, i);
        e2e_fence(&other, 0);
        e2e_buffer_with(&other, NULL, 4096, copies);
        e2e_sampler(&other, VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_REPEAT);
        OK(vkDeviceWaitIdle(other.device));
        vkDestroyDevice(other.device, NULL);
        free(other.kept);
    }
    copy_pattern(t, 10);
    e2e_print("3 devices");
}

// The process ends in the middle of its work, without a word to Vulkan.
void case_multi_exit_in_the_middle(struct e2e *t)
{
    e2e_open(t, NULL);
    const struct e2e_buffer buffer = e2e_buffer_with(t, NULL, 16 << 20, copies);
    for (uint32_t i = 0; i < 20; i++) {
        VkCommandBuffer commands = e2e_begin(t);
        vkCmdFillBuffer(commands, buffer.handle, 0, VK_WHOLE_SIZE, i);
        OK(vkEndCommandBuffer(commands));
        const VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &commands,
        };
        OK(vkQueueSubmit(t->queue, 1, &submit, VK_NULL_HANDLE));
    }
    e2e_print("gone");
    fflush(stdout);
    _exit(0);
}
