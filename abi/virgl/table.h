// Things by number: a sorted array, because callers choose small numbers, mostly ascending.
#ifndef PV_VIRGL_TABLE_H
#define PV_VIRGL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_virgl_table {
    struct pv_virgl_entry {
        uint32_t id;
        void *item;
    } * entries;
    size_t count, capacity;
};

// NULL when there is none.
void *pv_virgl_table_find(const struct pv_virgl_table *table, uint32_t id);

// Failure: false, memory is short or the id is taken.
bool pv_virgl_table_insert(struct pv_virgl_table *table, uint32_t id, void *item);

// Returns what was removed, or NULL.
void *pv_virgl_table_remove(struct pv_virgl_table *table, uint32_t id);

// Items stay the caller's.
void pv_virgl_table_finish(struct pv_virgl_table *table);

#endif
