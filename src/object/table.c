// Changing the table: everything here runs under its lock, beside lookups that do not take it.
//
// A lookup walks directory -> entry -> page -> slot, so each of these is published with a release
// store when it is complete, and freed through pv_quiesce when nothing points to it any more.
//
// A page lives while it has objects. One empty page is kept in addition: a guest that creates and
// destroys one object over and over would otherwise allocate a page for each. An entry whose page
// is gone keeps its key, because a search must not end there; such entries vanish when the
// directory is rebuilt, which costs a few entries for each page that was ever created.
#include "object/table.h"

#include "base/os.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define MIN_ENTRIES 64

// 2^64 divided by the golden ratio: spreads runs of consecutive page numbers evenly.
#define GOLDEN_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

// Longer searches than this do not happen by chance. The guest then picks its ids so that they
// collide, and the multiplier becomes one that it does not know.
#define MAX_PROBES 64

struct table {
    struct pv_object_table base;
    char padding[64]; // keeps what changes away from what every lookup reads

    struct pv_quiesce *quiesce;
    uint32_t max_objects;
    _Atomic uint32_t count; // live objects; changed under `lock`

    pthread_mutex_t lock;
    // Guarded by `lock`, like the tree inside the objects.
    struct pv_object *first_root; // the youngest
    uint64_t multiplier;          // for the next directory
    size_t page_count;
    uint64_t spare_key; // of the page that may be empty; 0: none
};

static struct table *table_of(struct pv_object_table *base)
{
    return (struct table *)base; // the first member
}

static struct pv_object_directory *directory_of(struct table *table)
{
    return atomic_load_explicit(&table->base.directory, memory_order_relaxed);
}

static uint64_t key_of(uint64_t id)
{
    return (id >> PV_OBJECT_PAGE_BITS) + 1;
}

static struct pv_object_page *page_of(struct pv_object_entry *entry)
{
    return atomic_load_explicit(&entry->page, memory_order_relaxed);
}

// A number that a guest cannot guess easily. Not a secret: losing it costs this guest time.
static uint64_t unpredictable_multiplier(const void *address)
{
    uint64_t x = pv_os_now_ns() ^ ((uint64_t)(uintptr_t)address << 20);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) | 1;
}

static struct pv_object_directory *directory_create(size_t page_count, uint64_t multiplier)
{
    size_t entries = MIN_ENTRIES;
    unsigned bits = 6;
    while (entries / 4 < page_count) {
        entries *= 2;
        bits++;
    }
    struct pv_object_directory *directory =
        calloc(1, sizeof(*directory) + entries * sizeof(directory->entries[0]));
    if (directory) {
        directory->multiplier = multiplier;
        directory->shift = 64 - bits;
        directory->mask = entries - 1;
    }
    return directory;
}

// The entry with this key, or the unused one where it belongs.
static struct pv_object_entry *directory_find(struct pv_object_directory *directory, uint64_t key,
                                              unsigned *probes)
{
    size_t i = (size_t)(((key - 1) * directory->multiplier) >> directory->shift);
    for (*probes = 0;; ++*probes, i = (i + 1) & directory->mask) {
        struct pv_object_entry *entry = &directory->entries[i];
        const uint64_t found = atomic_load_explicit(&entry->key, memory_order_relaxed);
        if (found == key || found == 0) {
            return entry;
        }
    }
}

static struct pv_object_entry *entry_of(struct table *table, uint64_t key)
{
    unsigned probes;
    return directory_find(directory_of(table), key, &probes);
}

// Gives an unused entry its key; `page` may be NULL. Pairs with the lookup's acquire load of key.
static void entry_use(struct pv_object_directory *directory, struct pv_object_entry *entry,
                      uint64_t key, struct pv_object_page *page)
{
    atomic_store_explicit(&entry->page, page, memory_order_relaxed);
    atomic_store_explicit(&entry->key, key, memory_order_release);
    directory->used++;
}

// Replaces the directory by one with room for another page.
static bool table_rebuild(struct table *table)
{
    struct pv_object_directory *old = directory_of(table);
    struct pv_object_directory *new = directory_create(table->page_count + 1, table->multiplier);
    if (!new) {
        return false;
    }
    for (size_t i = 0; i <= old->mask; i++) {
        struct pv_object_page *page = page_of(&old->entries[i]);
        if (page) {
            const uint64_t key = atomic_load_explicit(&old->entries[i].key, memory_order_relaxed);
            unsigned probes;
            entry_use(new, directory_find(new, key, &probes), key, page);
        }
    }
    atomic_store_explicit(&table->base.directory, new, memory_order_release);
    pv_quiesce_retire(table->quiesce, old, free);
    return true;
}

// The entry for a page, with the page, both created if need be. NULL: memory is short.
static struct pv_object_entry *table_open_page(struct table *table, uint64_t key)
{
    unsigned probes;
    struct pv_object_entry *entry = directory_find(directory_of(table), key, &probes);
    if (page_of(entry)) {
        return entry;
    }

    if (atomic_load_explicit(&entry->key, memory_order_relaxed) == 0) {
        const bool attacked = probes > MAX_PROBES && table->multiplier == GOLDEN_MULTIPLIER;
        if (attacked) {
            table->multiplier = unpredictable_multiplier(entry);
        }
        if (attacked || directory_of(table)->used > directory_of(table)->mask / 2) {
            if (!table_rebuild(table)) {
                return NULL;
            }
            entry = entry_of(table, key);
        }
    }

    struct pv_object_page *page = calloc(1, sizeof(*page));
    if (!page) {
        return NULL;
    }
    if (atomic_load_explicit(&entry->key, memory_order_relaxed) == 0) {
        entry_use(directory_of(table), entry, key, page);
    } else {
        atomic_store_explicit(&entry->page, page, memory_order_release);
    }
    table->page_count++;
    return entry;
}

// The page of `entry` has just become empty: keep it, and let go of the one kept before.
static void table_keep_empty_page(struct table *table, uint64_t key)
{
    if (table->spare_key != 0 && table->spare_key != key) {
        struct pv_object_entry *entry = entry_of(table, table->spare_key);
        struct pv_object_page *page = page_of(entry);
        if (page->live == 0) {
            atomic_store_explicit(&entry->page, NULL, memory_order_relaxed);
            table->page_count--;
            pv_quiesce_retire(table->quiesce, page, free);
        }
    }
    table->spare_key = key;
}

struct pv_object_table *pv_object_table_create(struct pv_quiesce *quiesce,
                                               const struct pv_object_table_limits *limits)
{
    struct table *table = calloc(1, sizeof(*table));
    struct pv_object_directory *directory = directory_create(0, GOLDEN_MULTIPLIER);
    if (!table || !directory || pthread_mutex_init(&table->lock, NULL) != 0) {
        free(directory);
        free(table);
        return NULL;
    }
    table->quiesce = quiesce;
    table->max_objects = limits->max_objects;
    table->multiplier = GOLDEN_MULTIPLIER;
    atomic_init(&table->base.directory, directory);
    return &table->base;
}

void pv_object_table_destroy(struct pv_object_table *base)
{
    if (!base) {
        return;
    }
    struct table *table = table_of(base);
    assert(!table->first_root);
    if (table->spare_key != 0) {
        free(page_of(entry_of(table, table->spare_key)));
    }
    free(directory_of(table));
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static struct pv_object **youngest_sibling(struct table *table, struct pv_object *parent)
{
    return parent ? &parent->first_child : &table->first_root;
}

static void tree_link(struct table *table, struct pv_object *object, struct pv_object *parent)
{
    struct pv_object **first = youngest_sibling(table, parent);
    object->parent = parent;
    object->first_child = NULL;
    object->prev_sibling = NULL;
    object->next_sibling = *first;
    if (*first) {
        (*first)->prev_sibling = object;
    }
    *first = object;
}

static void tree_unlink(struct table *table, struct pv_object *object)
{
    if (object->prev_sibling) {
        object->prev_sibling->next_sibling = object->next_sibling;
    } else {
        *youngest_sibling(table, object->parent) = object->next_sibling;
    }
    if (object->next_sibling) {
        object->next_sibling->prev_sibling = object->prev_sibling;
    }
}

static enum pv_insert_result table_insert(struct table *table, struct pv_object *object,
                                          struct pv_object *parent)
{
    const uint32_t count = atomic_load_explicit(&table->count, memory_order_relaxed);

    if (object->id == 0 || pv_object_table_lookup(&table->base, object->id)) {
        return PV_INSERT_ID_IN_USE;
    }
    // A removed object is no longer what its id leads to.
    if (parent && pv_object_table_lookup(&table->base, parent->id) != parent) {
        return PV_INSERT_PARENT_GONE;
    }
    if (count >= table->max_objects) {
        return PV_INSERT_LIMIT;
    }
    struct pv_object_entry *entry = table_open_page(table, key_of(object->id));
    if (!entry) {
        return PV_INSERT_NO_MEMORY;
    }

    struct pv_object_page *page = page_of(entry);
    page->live++;
    tree_link(table, object, parent);
    atomic_store_explicit(&table->count, count + 1, memory_order_relaxed);
    // Pairs with the lookup's acquire load of the slot.
    atomic_store_explicit(&page->slots[object->id % PV_OBJECT_PAGE_SLOTS], object,
                          memory_order_release);
    return PV_INSERT_OK;
}

enum pv_insert_result pv_object_table_insert(struct pv_object_table *base, struct pv_object *object,
                                             struct pv_object *parent)
{
    struct table *table = table_of(base);
    pthread_mutex_lock(&table->lock);
    const enum pv_insert_result result = table_insert(table, object, parent);
    pthread_mutex_unlock(&table->lock);
    return result;
}

struct pv_object *pv_object_table_find_child(struct pv_object_table *base,
                                             const struct pv_object *parent, VkObjectType type,
                                             uint64_t handle)
{
    struct table *table = table_of(base);
    pthread_mutex_lock(&table->lock);
    struct pv_object *child = parent->first_child;
    while (child && (child->type != type || child->handle != handle)) {
        child = child->next_sibling;
    }
    pthread_mutex_unlock(&table->lock);
    return child;
}

// Ends the visibility of one object.
static void table_hide(struct table *table, const struct pv_object *object)
{
    const uint64_t key = key_of(object->id);
    struct pv_object_page *page = page_of(entry_of(table, key));
    // No release needed: whoever sees NULL follows nothing.
    atomic_store_explicit(&page->slots[object->id % PV_OBJECT_PAGE_SLOTS], NULL,
                          memory_order_relaxed);
    if (--page->live == 0) {
        table_keep_empty_page(table, key);
    }
    const uint32_t count = atomic_load_explicit(&table->count, memory_order_relaxed);
    atomic_store_explicit(&table->count, count - 1, memory_order_relaxed);
}

static struct pv_object *first_to_die(struct pv_object *object)
{
    while (object->first_child) {
        object = object->first_child;
    }
    return object;
}

// Hides all descendants of `top`, and `top` itself if asked to, and links them in the order of
// their end. Walks along the tree's own links: the guest chooses how deep it is.
static struct pv_object *table_detach(struct table *table, struct pv_object *top, bool with_top)
{
    struct pv_object *first = NULL, **link = &first;
    struct pv_object *object = first_to_die(top);
    while (object != top) {
        struct pv_object *older = object->next_sibling, *parent = object->parent;
        table_hide(table, object);
        *link = object;
        link = &object->next_sibling; // its old value has been read
        object = older ? first_to_die(older) : parent;
    }
    top->first_child = NULL;
    if (with_top) {
        tree_unlink(table, top);
        table_hide(table, top);
        *link = top;
        link = &top->next_sibling;
    }
    *link = NULL;
    return first;
}

static struct pv_object *table_remove(struct pv_object_table *base, struct pv_object *object,
                                      bool with_top)
{
    struct table *table = table_of(base);
    struct pv_object *removed = NULL;

    pthread_mutex_lock(&table->lock);
    if (pv_object_table_lookup(base, object->id) == object) {
        removed = table_detach(table, object, with_top);
    }
    pthread_mutex_unlock(&table->lock);
    return removed;
}

struct pv_object *pv_object_table_remove(struct pv_object_table *table, struct pv_object *object)
{
    return table_remove(table, object, true);
}

struct pv_object *pv_object_table_remove_children(struct pv_object_table *table,
                                                  struct pv_object *object)
{
    return table_remove(table, object, false);
}

void pv_object_table_release(struct pv_object_table *table, struct pv_object *object)
{
    pv_quiesce_retire(table_of(table)->quiesce, object, free);
}

uint32_t pv_object_table_count(const struct pv_object_table *base)
{
    const struct table *table = (const struct table *)base;
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

struct pv_object *pv_object_table_any_root(struct pv_object_table *base)
{
    struct table *table = table_of(base);
    pthread_mutex_lock(&table->lock);
    struct pv_object *root = table->first_root;
    pthread_mutex_unlock(&table->lock);
    return root;
}
