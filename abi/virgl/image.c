#include "image.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EXTENT 16384
#define PIXEL      4 // bytes

#define FOURCC(a, b, c, d)                                                                         \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

// The formats of virtio-gpu's 2D commands; virgl gives them the same numbers.
static const struct {
    uint32_t format, fourcc;
} formats[] = {
    {1, FOURCC('A', 'R', '2', '4')},   // B8G8R8A8
    {2, FOURCC('X', 'R', '2', '4')},   // B8G8R8X8
    {3, FOURCC('B', 'A', '2', '4')},   // A8R8G8B8
    {4, FOURCC('B', 'X', '2', '4')},   // X8R8G8B8
    {67, FOURCC('A', 'B', '2', '4')},  // R8G8B8A8
    {68, FOURCC('R', 'X', '2', '4')},  // X8B8G8R8
    {121, FOURCC('R', 'A', '2', '4')}, // A8B8G8R8
    {134, FOURCC('X', 'B', '2', '4')}, // R8G8B8X8
};

static uint32_t find_fourcc(uint32_t format)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i].format == format) {
            return formats[i].fourcc;
        }
    }
    return 0;
}

static bool is_plain_2d(const struct virgl_renderer_resource_create_args *args)
{
    enum { TARGET_2D = 2 };
    return args->target == TARGET_2D && args->depth <= 1 && args->array_size <= 1 &&
           args->last_level == 0 && args->nr_samples <= 1 && args->width > 0 &&
           args->width <= MAX_EXTENT && args->height > 0 && args->height <= MAX_EXTENT;
}

struct pv_virgl_image *pv_virgl_image_create(const struct virgl_renderer_resource_create_args *args)
{
    const uint32_t fourcc = find_fourcc(args->format);
    if (!fourcc || !is_plain_2d(args)) {
        return NULL;
    }
    struct pv_virgl_image *image = malloc(sizeof(*image));
    if (!image) {
        return NULL;
    }
    *image = (struct pv_virgl_image){
        .format = args->format,
        .fourcc = fourcc,
        .flags = args->flags,
        .width = args->width,
        .height = args->height,
        .stride = args->width * PIXEL,
        .pixels = calloc(args->height, (size_t)args->width * PIXEL),
    };
    if (!image->pixels) {
        free(image);
        return NULL;
    }
    return image;
}

void pv_virgl_image_destroy(struct pv_virgl_image *image)
{
    if (image) {
        free(image->pixels);
        free(image);
    }
}

uint64_t pv_virgl_iov_size(const struct iovec *iov, unsigned iov_count)
{
    uint64_t size = 0;
    for (unsigned i = 0; i < iov_count; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

// A place in iovecs that only moves forward.
struct cursor {
    const struct iovec *iov; // the current one
    uint64_t start;          // what lies before it, in bytes
};

// The caller has checked that [offset, offset + size) is inside.
static void copy(struct cursor *cursor, uint64_t offset, uint8_t *row, size_t size, bool to_row)
{
    while (size > 0) {
        while (offset >= cursor->start + cursor->iov->iov_len) {
            cursor->start += cursor->iov->iov_len;
            cursor->iov++;
        }
        const size_t skip = (size_t)(offset - cursor->start);
        const size_t left = cursor->iov->iov_len - skip;
        const size_t chunk = size < left ? size : left;
        uint8_t *there = (uint8_t *)cursor->iov->iov_base + skip;
        memcpy(to_row ? row : there, to_row ? there : row, chunk);
        row += chunk;
        offset += chunk;
        size -= chunk;
    }
}

bool pv_virgl_image_transfer(struct pv_virgl_image *image, const struct pv_virgl_transfer *transfer)
{
    if ((uint64_t)transfer->x + transfer->width > image->width ||
        (uint64_t)transfer->y + transfer->height > image->height) {
        return false;
    }
    if (transfer->width == 0 || transfer->height == 0) {
        return true;
    }
    const size_t row_size = (size_t)transfer->width * PIXEL;
    const uint64_t stride = transfer->stride ? transfer->stride : image->stride;
    if (stride < row_size) {
        return false;
    }
    const uint64_t size = (transfer->height - 1) * stride + row_size; // below 2^47
    const uint64_t available = pv_virgl_iov_size(transfer->iov, transfer->iov_count);
    if (size > available || transfer->offset > available - size) {
        return false;
    }
    struct cursor cursor = {.iov = transfer->iov};
    for (uint32_t i = 0; i < transfer->height; i++) {
        uint8_t *row =
            image->pixels + (size_t)(transfer->y + i) * image->stride + (size_t)transfer->x * PIXEL;
        copy(&cursor, transfer->offset + i * stride, row, row_size, transfer->to_image);
    }
    return true;
}
