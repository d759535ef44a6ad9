#include "sync.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "os.h"
#include "protocol.h"
#include "slots.h"

#define LOOK_AGAIN_NS UINT64_C(1000000000)

struct sync_wait;

// One counter that a wait still lacks.
struct watch {
    struct pv_sync *sync; // referenced; NULL: reached
    uint64_t value;
    struct sync_wait *wait;
    struct watch *previous, *next; // pv_sync.watches
};

struct pv_sync {
    uint64_t value;
    uint32_t refs; // the client's number, watches and fences
    bool lost;     // who waits for it hangs up
    struct watch *watches;
};

// Lives from SYNC_WAIT until it is satisfied or given up, and at least until its descriptor has
// been handed out.
//
// The client gets the reading end of a pipe and not an eventfd: when the server or the worker
// goes, the pipe hangs up and Mesa reports VK_ERROR_DEVICE_LOST instead of waiting for ever, and
// when the client gives up, the writing end tells.
struct sync_wait {
    int read_fd, write_fd;
    uint64_t deadline_ns; // then the client has probably given up
    uint32_t missing;     // how many more must be reached; 0: satisfied
    bool answered;
    bool lost; // has hung up
    uint32_t count;
    struct sync_wait *previous, *next; // pv_syncs.waits
    struct sync_wait *next_satisfied;  // settle()
    struct watch watches[];
};

struct pv_syncs {
    pthread_mutex_t mutex;
    // Guarded by mutex:
    struct pv_slots slots; // of struct pv_sync
    struct sync_wait *waits;
    uint32_t wait_count;
    uint32_t fence_count;
    uint32_t pair_count; // of waits and fences
    uint64_t earliest_deadline_ns;
    // Constant: answers that never change. Both belong to this client alone.
    int signalled_fd;
    int never_fds[2]; // a pipe that stays empty
    int lost_fd;      // a pipe that has hung up
};

struct pv_sync_fence {
    struct pv_syncs *syncs;
    uint32_t count;
    struct {
        struct pv_sync *sync; // referenced
        uint64_t value;
    } pairs[];
};

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

struct pv_syncs *pv_syncs_create(void)
{
    struct pv_syncs *syncs = calloc(1, sizeof(*syncs));
    if (!syncs) {
        return NULL;
    }
    pthread_mutex_init(&syncs->mutex, NULL);
    pv_slots_init(&syncs->slots, PV_SYNC_LIMIT);
    syncs->earliest_deadline_ns = UINT64_MAX;
    syncs->never_fds[0] = syncs->never_fds[1] = syncs->lost_fd = -1;
    syncs->signalled_fd = pv_server_os_signalled_fd();
    int fds[2];
    if (syncs->signalled_fd < 0 || !pv_server_os_pipe(syncs->never_fds) ||
        !pv_server_os_pipe(fds)) {
        pv_syncs_destroy(syncs);
        return NULL;
    }
    syncs->lost_fd = fds[0];
    close_fd(fds[1]);
    return syncs;
}

static void unref(struct pv_sync *sync)
{
    if (--sync->refs == 0) {
        assert(!sync->watches);
        free(sync);
    }
}

static void end_watch(struct watch *watch)
{
    struct pv_sync *sync = watch->sync;
    if (!sync) {
        return;
    }
    if (watch->previous) {
        watch->previous->next = watch->next;
    } else {
        sync->watches = watch->next;
    }
    if (watch->next) {
        watch->next->previous = watch->previous;
    }
    watch->sync = NULL;
    unref(sync);
}

static void begin_watch(struct watch *watch, struct sync_wait *wait, struct pv_sync *sync,
                        uint64_t value)
{
    *watch = (struct watch){.sync = sync, .value = value, .wait = wait, .next = sync->watches};
    if (watch->next) {
        watch->next->previous = watch;
    }
    sync->watches = watch;
    sync->refs++;
}

static void end_watches(struct sync_wait *wait)
{
    for (uint32_t i = 0; i < wait->count; i++) {
        end_watch(&wait->watches[i]);
    }
}

static void destroy_wait(struct pv_syncs *syncs, struct sync_wait *wait)
{
    end_watches(wait);
    if (wait->previous) {
        wait->previous->next = wait->next;
    } else {
        syncs->waits = wait->next;
    }
    if (wait->next) {
        wait->next->previous = wait->previous;
    }
    syncs->wait_count--;
    syncs->pair_count -= wait->count;
    close_fd(wait->read_fd);
    close_fd(wait->write_fd);
    free(wait);
}

void pv_syncs_destroy(struct pv_syncs *syncs)
{
    if (!syncs) {
        return;
    }
    assert(syncs->fence_count == 0);
    while (syncs->waits) {
        destroy_wait(syncs, syncs->waits);
    }
    void *item;
    for (uint32_t id = 1; (id = pv_slots_next(&syncs->slots, id, &item)) != 0; id++) {
        unref(item);
    }
    pv_slots_finish(&syncs->slots);
    close_fd(syncs->signalled_fd);
    close_fd(syncs->never_fds[0]);
    close_fd(syncs->never_fds[1]);
    close_fd(syncs->lost_fd);
    pthread_mutex_destroy(&syncs->mutex);
    free(syncs);
}

uint32_t pv_syncs_add(struct pv_syncs *syncs, uint64_t value)
{
    struct pv_sync *sync = calloc(1, sizeof(*sync));
    if (!sync) {
        return 0;
    }
    *sync = (struct pv_sync){.value = value, .refs = 1};
    pthread_mutex_lock(&syncs->mutex);
    const uint32_t id = pv_slots_insert(&syncs->slots, sync);
    pthread_mutex_unlock(&syncs->mutex);
    if (!id) {
        free(sync);
    }
    return id;
}

bool pv_syncs_remove(struct pv_syncs *syncs, uint32_t id)
{
    pthread_mutex_lock(&syncs->mutex);
    struct pv_sync *sync = pv_slots_remove(&syncs->slots, id);
    if (sync) {
        unref(sync);
    }
    pthread_mutex_unlock(&syncs->mutex);
    return sync != NULL;
}

bool pv_syncs_read(struct pv_syncs *syncs, uint32_t id, uint64_t *value)
{
    pthread_mutex_lock(&syncs->mutex);
    const struct pv_sync *sync = pv_slots_find(&syncs->slots, id);
    if (sync) {
        *value = sync->value;
    }
    pthread_mutex_unlock(&syncs->mutex);
    return sync != NULL;
}

static void signal_wait(const struct sync_wait *wait)
{
    const uint64_t counter = 1; // what an eventfd would say
    // Fails only when the client has given up.
    const ssize_t written = write(wait->write_fd, &counter, sizeof(counter));
    (void)written;
}

// Sets a counter and ends the watches that it satisfies.
static void set_value(struct pv_syncs *syncs, struct pv_sync *sync, uint64_t value)
{
    struct sync_wait *satisfied = NULL;
    sync->value = value;
    sync->refs++; // end_watch() must not be the last
    for (struct watch *watch = sync->watches, *next; watch; watch = next) {
        next = watch->next;
        struct sync_wait *wait = watch->wait;
        if (value < watch->value) {
            continue;
        }
        end_watch(watch);
        if (wait->missing > 0 && --wait->missing == 0) {
            wait->next_satisfied = satisfied;
            satisfied = wait;
        }
    }
    unref(sync);
    while (satisfied) {
        struct sync_wait *wait = satisfied;
        satisfied = wait->next_satisfied;
        signal_wait(wait);
        if (wait->answered) {
            destroy_wait(syncs, wait);
        } else {
            end_watches(wait);
        }
    }
}

// Whoever waits for this counter learns that the device is lost. Its value is set all the same: who
// only reads it could not be told, and would never come to wait.
static void lose(struct pv_syncs *syncs, struct pv_sync *sync, uint64_t value)
{
    sync->lost = true;
    sync->value = value;
    sync->refs++; // end_watch() must not be the last
    while (sync->watches) {
        struct sync_wait *wait = sync->watches->wait;
        if (wait->answered) {
            destroy_wait(syncs, wait);
        } else {
            end_watches(wait);
            close_fd(wait->write_fd);
            wait->write_fd = -1;
            wait->lost = true;
        }
    }
    unref(sync);
}

bool pv_syncs_write(struct pv_syncs *syncs, uint32_t id, uint64_t value)
{
    pthread_mutex_lock(&syncs->mutex);
    struct pv_sync *sync = pv_slots_find(&syncs->slots, id);
    if (sync) {
        set_value(syncs, sync, value);
    }
    pthread_mutex_unlock(&syncs->mutex);
    return sync != NULL;
}

const char *pv_syncs_error_text(enum pv_syncs_error error)
{
    switch (error) {
    case PV_SYNCS_OK:
        return "fine";
    case PV_SYNCS_UNKNOWN:
        return "unknown sync";
    case PV_SYNCS_TOO_MANY:
        return "too many waits or fences are pending";
    case PV_SYNCS_NO_MEMORY:
        return "the host is short of memory or file descriptors";
    }
    return "unknown";
}

static enum pv_syncs_error check_pairs(const struct pv_syncs *syncs, const uint32_t *pairs,
                                       uint32_t count)
{
    if (count > PV_SYNC_PAIR_LIMIT - syncs->pair_count) {
        return PV_SYNCS_TOO_MANY;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!pv_slots_find(&syncs->slots, pv_vtest_pair_id(pairs, i))) {
            return PV_SYNCS_UNKNOWN;
        }
    }
    return PV_SYNCS_OK;
}

static enum pv_syncs_error prepare(struct pv_syncs *syncs, const uint32_t *pairs, uint32_t count,
                                   struct pv_sync_fence **result)
{
    if (syncs->fence_count >= PV_SYNC_FENCE_LIMIT) {
        return PV_SYNCS_TOO_MANY;
    }
    const enum pv_syncs_error error = check_pairs(syncs, pairs, count);
    if (error) {
        return error;
    }
    struct pv_sync_fence *fence = malloc(sizeof(*fence) + (size_t)count * sizeof(fence->pairs[0]));
    if (!fence) {
        return PV_SYNCS_NO_MEMORY;
    }
    fence->syncs = syncs;
    fence->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct pv_sync *sync = pv_slots_find(&syncs->slots, pv_vtest_pair_id(pairs, i));
        sync->refs++;
        fence->pairs[i].sync = sync;
        fence->pairs[i].value = pv_vtest_pair_value(pairs, i);
    }
    syncs->fence_count++;
    syncs->pair_count += count;
    *result = fence;
    return PV_SYNCS_OK;
}

enum pv_syncs_error pv_syncs_prepare(struct pv_syncs *syncs, const uint32_t *pairs, uint32_t count,
                                     struct pv_sync_fence **fence)
{
    pthread_mutex_lock(&syncs->mutex);
    const enum pv_syncs_error error = prepare(syncs, pairs, count, fence);
    pthread_mutex_unlock(&syncs->mutex);
    return error;
}

static void end_fence(struct pv_sync_fence *fence, bool lost)
{
    struct pv_syncs *syncs = fence->syncs;
    pthread_mutex_lock(&syncs->mutex);
    for (uint32_t i = 0; i < fence->count; i++) {
        if (lost) {
            lose(syncs, fence->pairs[i].sync, fence->pairs[i].value);
        } else {
            set_value(syncs, fence->pairs[i].sync, fence->pairs[i].value);
        }
        unref(fence->pairs[i].sync);
    }
    syncs->fence_count--;
    syncs->pair_count -= fence->count;
    pthread_mutex_unlock(&syncs->mutex);
    free(fence);
}

void pv_sync_fence_apply(struct pv_sync_fence *fence)
{
    end_fence(fence, false);
}

void pv_sync_fence_lose(struct pv_sync_fence *fence)
{
    end_fence(fence, true);
}

static bool is_satisfied(const struct pv_syncs *syncs, bool any, const uint32_t *pairs,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_sync *sync = pv_slots_find(&syncs->slots, pv_vtest_pair_id(pairs, i));
        const bool reached = sync->value >= pv_vtest_pair_value(pairs, i);
        if (reached == any) {
            return any;
        }
    }
    return !any || count == 0;
}

static bool is_lost(const struct pv_syncs *syncs, const uint32_t *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_sync *sync = pv_slots_find(&syncs->slots, pv_vtest_pair_id(pairs, i));
        if (sync->lost) {
            return true;
        }
    }
    return false;
}

// Drops the waits whose client no longer looks, among those with a deadline up to `until_ns`.
// The client's own clock started later than ours, so passing the deadline alone proves nothing,
// and a pipe that hangs up too early would be taken for a lost device.
static void drop_given_up(struct pv_syncs *syncs, uint64_t until_ns)
{
    uint64_t earliest = UINT64_MAX;
    for (struct sync_wait *wait = syncs->waits, *next; wait; wait = next) {
        next = wait->next;
        if (wait->deadline_ns <= until_ns) {
            struct pollfd reader = {.fd = wait->write_fd};
            if (wait->answered && poll(&reader, 1, 0) > 0) {
                destroy_wait(syncs, wait);
                continue;
            }
            if (wait->deadline_ns != UINT64_MAX) {
                wait->deadline_ns = pv_server_os_now_ns() + LOOK_AGAIN_NS;
            }
        }
        if (wait->deadline_ns < earliest) {
            earliest = wait->deadline_ns;
        }
    }
    syncs->earliest_deadline_ns = earliest;
}

static enum pv_syncs_error begin_wait(struct pv_syncs *syncs, bool any, uint32_t timeout_ms,
                                      const uint32_t *pairs, uint32_t count,
                                      struct sync_wait **result)
{
    if (syncs->wait_count >= PV_SYNC_WAIT_LIMIT) {
        drop_given_up(syncs, UINT64_MAX);
    }
    if (syncs->wait_count >= PV_SYNC_WAIT_LIMIT) {
        return PV_SYNCS_TOO_MANY;
    }
    int fds[2];
    struct sync_wait *wait = calloc(1, sizeof(*wait) + (size_t)count * sizeof(wait->watches[0]));
    if (!wait || !pv_server_os_pipe(fds)) {
        free(wait);
        return PV_SYNCS_NO_MEMORY;
    }
    wait->read_fd = fds[0];
    wait->write_fd = fds[1];
    wait->count = count;
    wait->deadline_ns = timeout_ms > PV_VTEST_SYNC_WAIT_MAX_TIMEOUT
                            ? UINT64_MAX
                            : pv_server_os_now_ns() + timeout_ms * UINT64_C(1000000);
    for (uint32_t i = 0; i < count; i++) {
        struct pv_sync *sync = pv_slots_find(&syncs->slots, pv_vtest_pair_id(pairs, i));
        const uint64_t value = pv_vtest_pair_value(pairs, i);
        if (sync->value < value) {
            begin_watch(&wait->watches[i], wait, sync, value);
            wait->missing++;
        }
    }
    wait->missing = any ? 1 : wait->missing;
    wait->next = syncs->waits;
    if (wait->next) {
        wait->next->previous = wait;
    }
    syncs->waits = wait;
    syncs->wait_count++;
    syncs->pair_count += count;
    if (wait->deadline_ns < syncs->earliest_deadline_ns) {
        syncs->earliest_deadline_ns = wait->deadline_ns;
    }
    *result = wait;
    return PV_SYNCS_OK;
}

static enum pv_syncs_error answer_wait(struct pv_syncs *syncs, bool any, uint32_t timeout_ms,
                                       const uint32_t *pairs, uint32_t count,
                                       struct pv_sync_answer *answer)
{
    enum pv_syncs_error error = check_pairs(syncs, pairs, count);
    if (error) {
        return error;
    }
    if (is_lost(syncs, pairs, count)) {
        answer->fd = syncs->lost_fd;
        return PV_SYNCS_OK;
    }
    if (is_satisfied(syncs, any, pairs, count)) {
        answer->fd = syncs->signalled_fd;
        return PV_SYNCS_OK;
    }
    if (timeout_ms == 0) {
        answer->fd = syncs->never_fds[0];
        return PV_SYNCS_OK;
    }
    struct sync_wait *wait = NULL;
    error = begin_wait(syncs, any, timeout_ms, pairs, count, &wait);
    if (!error) {
        answer->fd = wait->read_fd;
        answer->wait = wait;
    }
    return error;
}

enum pv_syncs_error pv_syncs_wait(struct pv_syncs *syncs, bool any, uint32_t timeout_ms,
                                  const uint32_t *pairs, uint32_t count,
                                  struct pv_sync_answer *answer)
{
    *answer = (struct pv_sync_answer){.fd = -1};
    pthread_mutex_lock(&syncs->mutex);
    const enum pv_syncs_error error = answer_wait(syncs, any, timeout_ms, pairs, count, answer);
    pthread_mutex_unlock(&syncs->mutex);
    return error;
}

void pv_syncs_answered(struct pv_syncs *syncs, struct pv_sync_answer *answer)
{
    struct sync_wait *wait = answer->wait;
    *answer = (struct pv_sync_answer){.fd = -1};
    if (!wait) {
        return;
    }
    pthread_mutex_lock(&syncs->mutex);
    close_fd(wait->read_fd);
    wait->read_fd = -1;
    wait->answered = true;
    if (wait->missing == 0 || wait->lost) {
        destroy_wait(syncs, wait);
    }
    pthread_mutex_unlock(&syncs->mutex);
}

uint64_t pv_syncs_expire(struct pv_syncs *syncs)
{
    pthread_mutex_lock(&syncs->mutex);
    if (syncs->earliest_deadline_ns != UINT64_MAX) {
        const uint64_t now = pv_server_os_now_ns();
        if (now >= syncs->earliest_deadline_ns) {
            drop_given_up(syncs, now);
        }
    }
    const uint64_t earliest = syncs->earliest_deadline_ns;
    pthread_mutex_unlock(&syncs->mutex);
    return earliest;
}
