// Classic 2D resources: the guest's frame buffers and cursors, kept in plain memory.
#ifndef PV_VIRGL_IMAGE_H
#define PV_VIRGL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virglrenderer.h"

struct pv_virgl_image {
    uint32_t format; // virgl's number
    uint32_t fourcc; // DRM's
    uint32_t flags;
    uint32_t width, height;
    uint32_t stride;  // bytes
    uint8_t *pixels;  // 4 bytes each
    unsigned texture; // the VMM's view of it (gl.h), 0: none
};

// NULL when the arguments ask for something else than a 2D image of a virtio-gpu format.
struct pv_virgl_image *
pv_virgl_image_create(const struct virgl_renderer_resource_create_args *args);
void pv_virgl_image_destroy(struct pv_virgl_image *image); // NULL is allowed

struct pv_virgl_transfer {
    uint32_t x, y, width, height;
    uint64_t offset; // of the first pixel in the iovecs
    uint32_t stride; // in the iovecs; 0: the image's
    const struct iovec *iov;
    unsigned iov_count;
    bool to_image;
};

// Failure: false, it does not fit the image or the iovecs; nothing was copied.
bool pv_virgl_image_transfer(struct pv_virgl_image *image,
                             const struct pv_virgl_transfer *transfer);

uint64_t pv_virgl_iov_size(const struct iovec *iov, unsigned iov_count);

#endif
