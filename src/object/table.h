// The table of one context: guest id -> object.
//
// Pages of 256 slots; a directory maps id / 256 to a page. Guests number objects from one counter
// per process, so pages are dense and the directory is tiny, but any choice of ids stays correct
// and bounded by the table's limits. Lookups take no lock: they are valid between two checkpoints
// of a pv_quiesce_reader (or under whatever else keeps removals away). Changes take the lock.
#ifndef PV_OBJECT_TABLE_H
#define PV_OBJECT_TABLE_H

#include "base/quiesce.h"
#include "object/object.h"

#include <stdatomic.h>
#include <stddef.h>

#define PV_OBJECT_PAGE_BITS  8
#define PV_OBJECT_PAGE_SLOTS (1u << PV_OBJECT_PAGE_BITS)

// What a lookup touches is declared here so that it can be inlined: decoders look an object up for
// every handle of every command. Only table.c changes any of it.

struct pv_object_page {
    _Atomic(struct pv_object *) slots[PV_OBJECT_PAGE_SLOTS];
    uint32_t live; // guarded by the table's lock
};

// One page number of the directory. `key` is the number + 1, 0 in an entry never used; it is
// written once, after `page`, and stays until the directory is replaced. `page` is NULL while the
// page does not exist.
struct pv_object_entry {
    _Atomic uint64_t key;
    _Atomic(struct pv_object_page *) page;
};

// An open-addressed hash of page numbers, at most half full, so that every search ends. Replaced
// as a whole when it runs out of room.
struct pv_object_directory {
    uint64_t multiplier; // odd
    unsigned shift;      // 64 - log2(entries)
    size_t mask;         // entries - 1
    size_t used;         // entries with a key; guarded by the table's lock
    struct pv_object_entry entries[];
};

struct pv_object_table {
    _Atomic(struct pv_object_directory *) directory; // never NULL
};

struct pv_object_table_limits {
    uint32_t max_objects; // live
};

// `quiesce` is borrowed until destroy; it defers the freeing of pages and objects.
// Failure: NULL, memory is short.
struct pv_object_table *pv_object_table_create(struct pv_quiesce *quiesce,
                                               const struct pv_object_table_limits *limits);

// The table must be empty. NULL is allowed.
void pv_object_table_destroy(struct pv_object_table *table);

// The object with this id, or NULL. Any id is allowed, 0 included.
// Thread-safety: lock-free; the pointer is good until the caller's next checkpoint.
static inline struct pv_object *pv_object_table_lookup(const struct pv_object_table *table,
                                                       uint64_t id)
{
    // Each acquire pairs with the release store in table.c that published what it points to.
    const struct pv_object_directory *directory =
        atomic_load_explicit(&table->directory, memory_order_acquire);
    const uint64_t number = id >> PV_OBJECT_PAGE_BITS;

    size_t i = (size_t)((number * directory->multiplier) >> directory->shift);
    for (;; i = (i + 1) & directory->mask) {
        const struct pv_object_entry *entry = &directory->entries[i];
        const uint64_t key = atomic_load_explicit(&entry->key, memory_order_acquire);
        if (key == number + 1) {
            const struct pv_object_page *page =
                atomic_load_explicit(&entry->page, memory_order_acquire);
            return page ? atomic_load_explicit(&page->slots[id % PV_OBJECT_PAGE_SLOTS],
                                               memory_order_acquire)
                        : NULL;
        }
        if (key == 0) {
            return NULL;
        }
    }
}

enum pv_insert_result {
    PV_INSERT_OK,
    PV_INSERT_ID_IN_USE, // or id 0
    PV_INSERT_LIMIT,     // max_objects reached
    PV_INSERT_NO_MEMORY,
    PV_INSERT_PARENT_GONE, // the parent was removed meanwhile
};

// Publishes `object` as the youngest child of `parent` (NULL: a root). On success the table owns
// the allocation (from malloc) until it is removed. Thread-safety: Safe.
enum pv_insert_result pv_object_table_insert(struct pv_object_table *table,
                                             struct pv_object *object, struct pv_object *parent);

// Ends the visibility of `object` and of all its descendants, at once, and returns them linked
// through `next_sibling` in the order in which the driver's handles must be destroyed: children
// before parents, youngest first, `object` last. Each is then freed with
// pv_object_table_release(). NULL when `object` has already been removed by somebody else.
// Thread-safety: Safe; the caller's `object` must still be good, as after a lookup.
struct pv_object *pv_object_table_remove(struct pv_object_table *table, struct pv_object *object);

// Same for the descendants of `object` alone (vkResetDescriptorPool); `object` stays.
struct pv_object *pv_object_table_remove_children(struct pv_object_table *table,
                                                  struct pv_object *object);

// Frees the object's own memory once no reader can hold it. Its links are no longer used.
void pv_object_table_release(struct pv_object_table *table, struct pv_object *object);

// The live child of `parent` with this type and driver's handle, or NULL. Takes time in proportion
// to the children. Thread-safety: Safe; the pointer is good until the caller's next checkpoint.
struct pv_object *pv_object_table_find_child(struct pv_object_table *table,
                                             const struct pv_object *parent, VkObjectType type,
                                             uint64_t handle);

// Live objects. Thread-safety: Safe.
uint32_t pv_object_table_count(const struct pv_object_table *table);

// Any root that is left, or NULL: for tearing a context down. Thread-safety: Safe.
struct pv_object *pv_object_table_any_root(struct pv_object_table *table);

#endif
