#include "table.h"

#include <stdlib.h>
#include <string.h>

// Where `id` is or belongs.
static size_t position(const struct pv_virgl_table *table, uint32_t id)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (table->entries[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool holds(const struct pv_virgl_table *table, size_t i, uint32_t id)
{
    return i < table->count && table->entries[i].id == id;
}

void *pv_virgl_table_find(const struct pv_virgl_table *table, uint32_t id)
{
    const size_t i = position(table, id);
    return holds(table, i, id) ? table->entries[i].item : NULL;
}

static bool grow(struct pv_virgl_table *table)
{
    if (table->count < table->capacity) {
        return true;
    }
    const size_t capacity = table->capacity ? 2 * table->capacity : 16;
    struct pv_virgl_entry *entries = realloc(table->entries, capacity * sizeof(*entries));
    if (!entries) {
        return false;
    }
    table->entries = entries;
    table->capacity = capacity;
    return true;
}

bool pv_virgl_table_insert(struct pv_virgl_table *table, uint32_t id, void *item)
{
    const size_t i = position(table, id);
    if (holds(table, i, id) || !grow(table)) {
        return false;
    }
    memmove(&table->entries[i + 1], &table->entries[i],
            (table->count - i) * sizeof(table->entries[0]));
    table->entries[i] = (struct pv_virgl_entry){.id = id, .item = item};
    table->count++;
    return true;
}

void *pv_virgl_table_remove(struct pv_virgl_table *table, uint32_t id)
{
    const size_t i = position(table, id);
    if (!holds(table, i, id)) {
        return NULL;
    }
    void *item = table->entries[i].item;
    table->count--;
    memmove(&table->entries[i], &table->entries[i + 1],
            (table->count - i) * sizeof(table->entries[0]));
    return item;
}

void pv_virgl_table_finish(struct pv_virgl_table *table)
{
    free(table->entries);
    *table = (struct pv_virgl_table){0};
}
