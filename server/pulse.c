#include "pulse.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os.h"

struct pv_beating {
    uint32_t client;
    struct pv_pulse pulse; // without its descriptor
    void *page;
    _Atomic uint32_t *word; // in `page`
    struct pv_beating *next;
};

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static void end(struct pv_beating *beating)
{
    munmap(beating->page, page_size());
    free(beating);
}

bool pv_pulses_add(struct pv_pulses *pulses, uint32_t client, const struct pv_pulse *pulse)
{
    uint32_t count = 0;
    for (const struct pv_beating *other = pulses->first; other; other = other->next) {
        count += other->client == client;
    }
    const uint64_t inside = pulse->offset % page_size();
    if (count >= PV_PULSE_MAX_PER_CLIENT || pulse->period_us < PV_PULSE_MIN_PERIOD_US ||
        inside % sizeof(uint32_t) != 0 ||
        !pv_server_os_is_fixed_memory(pulse->fd, pulse->offset, sizeof(uint32_t))) {
        return false;
    }
    struct pv_beating *beating = calloc(1, sizeof(*beating));
    if (!beating) {
        return false;
    }
    beating->page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, pulse->fd,
                         (off_t)(pulse->offset - inside));
    if (beating->page == MAP_FAILED) {
        free(beating);
        return false;
    }
    if (!pv_server_os_keep_from_children(beating->page, page_size())) {
        end(beating);
        return false;
    }
    beating->client = client;
    beating->pulse = *pulse;
    beating->pulse.fd = -1;
    beating->word = (_Atomic uint32_t *)(void *)((uint8_t *)beating->page + inside);
    beating->next = pulses->first;
    if (!pulses->first) {
        pulses->last_ns = pv_server_os_now_ns(); // the worker has set it
    }
    pulses->first = beating;
    return true;
}

void pv_pulses_remove(struct pv_pulses *pulses, uint32_t client, uint64_t id)
{
    for (struct pv_beating **link = &pulses->first; *link; link = &(*link)->next) {
        struct pv_beating *beating = *link;
        if (beating->client == client && beating->pulse.id == id) {
            *link = beating->next;
            end(beating);
            return;
        }
    }
}

void pv_pulses_remove_client(struct pv_pulses *pulses, uint32_t client)
{
    struct pv_beating **link = &pulses->first;
    while (*link) {
        struct pv_beating *beating = *link;
        if (beating->client == client) {
            *link = beating->next;
            end(beating);
        } else {
            link = &beating->next;
        }
    }
}

// Time from one beat to the next. A sixteenth is left for a host that is slow to schedule us.
static uint64_t interval_ns(const struct pv_pulses *pulses)
{
    uint32_t period_us = UINT32_MAX;
    for (const struct pv_beating *beating = pulses->first; beating; beating = beating->next) {
        if (beating->pulse.period_us < period_us) {
            period_us = beating->pulse.period_us;
        }
    }
    return (uint64_t)period_us * 1000 / 16 * 15;
}

int pv_pulses_beat(struct pv_pulses *pulses, uint64_t now_ns)
{
    if (!pulses->first) {
        return -1;
    }
    const uint64_t interval = interval_ns(pulses);
    if (now_ns - pulses->last_ns >= interval) {
        for (struct pv_beating *beating = pulses->first; beating; beating = beating->next) {
            atomic_fetch_or(beating->word, beating->pulse.bits);
        }
        pulses->last_ns = now_ns;
    }
    const uint64_t left_ms = (interval - (now_ns - pulses->last_ns) + 999999) / 1000000;
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}
