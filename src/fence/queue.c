// A queue and its lock.
#include "fence/queue.h"

void pv_host_queue_init(struct pv_host_queue *queue, VkDevice device,
                        const struct pv_device_functions *vk, VkQueue handle, uint32_t family)
{
    *queue = (struct pv_host_queue){.device = device, .vk = vk, .handle = handle, .family = family};
    pthread_mutex_init(&queue->lock, NULL);
}

void pv_host_queue_finish(struct pv_host_queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
}

void pv_host_queue_begin(struct pv_host_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->submissions++;
}

void pv_host_queue_end(struct pv_host_queue *queue)
{
    pthread_mutex_unlock(&queue->lock);
}
