// Arithmetic that says when it does not fit, for sizes and offsets that a guest chose, and the few
// attributes and macros that every folder uses.
//
// The checked functions return true and store the result, or return false and store nothing useful.
// They carry PV_MUST_CHECK, so that an overflow cannot be overlooked.
#ifndef PV_BASE_ARITH_H
#define PV_BASE_ARITH_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The compiler warns when the result of a call is dropped.
#define PV_MUST_CHECK __attribute__((warn_unused_result))

// Arguments are checked as printf's: `format` and `first` are the positions, counted from 1, of
// the format string and of its first argument (0 for a va_list).
#define PV_PRINTF(format, first) __attribute__((format(printf, format, first)))

// Elements of an array. Does not compile for a pointer.
#define PV_ARRAY_LENGTH(array)                                                                     \
    (sizeof(array) / sizeof((array)[0]) +                                                          \
     0 * sizeof(struct {                                                                           \
         _Static_assert(!__builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0])), \
                        "PV_ARRAY_LENGTH wants an array, not a pointer");                          \
         char pv_unused;                                                                           \
     }))

PV_MUST_CHECK static inline bool pv_u64_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

PV_MUST_CHECK static inline bool pv_u64_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

PV_MUST_CHECK static inline bool pv_size_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

PV_MUST_CHECK static inline bool pv_size_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

// Only a 32-bit host can say no.
PV_MUST_CHECK static inline bool pv_size_from_u64(uint64_t value, size_t *size)
{
    return !__builtin_add_overflow(value, (uint64_t)0, size);
}

static inline bool pv_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

// `alignment` is a power of two that we chose or that has been checked.
static inline bool pv_is_aligned(uint64_t value, uint64_t alignment)
{
    assert(pv_is_power_of_two(alignment));
    return (value & (alignment - 1)) == 0;
}

// The next multiple of `alignment`, `value` itself included.
PV_MUST_CHECK static inline bool pv_u64_align_up(uint64_t value, uint64_t alignment,
                                                 uint64_t *aligned)
{
    assert(pv_is_power_of_two(alignment));
    const bool fits = pv_u64_add(value, alignment - 1, aligned);
    *aligned &= ~(alignment - 1);
    return fits;
}

PV_MUST_CHECK static inline bool pv_size_align_up(size_t value, size_t alignment, size_t *aligned)
{
    assert(pv_is_power_of_two(alignment));
    const bool fits = pv_size_add(value, alignment - 1, aligned);
    *aligned &= ~(alignment - 1);
    return fits;
}

// Whether [offset, offset + size) lies within [0, limit).
static inline bool pv_range_fits(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

#endif
