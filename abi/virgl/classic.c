// The functions for classic 2D resources.
#include "gl.h"
#include "image.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CURSOR 128 // pixels, as upstream

// As callers lay it out.
struct virgl_box {
    uint32_t x, y, z;
    uint32_t w, h, d;
};

int virgl_renderer_resource_create(struct virgl_renderer_resource_create_args *args,
                                   struct iovec *iov, uint32_t num_iovs)
{
    if (!pv_virgl.initialized || args->handle == 0) {
        return EINVAL;
    }
    if (pv_virgl_find_resource(args->handle)) {
        return -EINVAL; // upstream's sign
    }
    struct pv_virgl_image *image = pv_virgl_image_create(args);
    if (!image) {
        return EINVAL;
    }
    struct pv_virgl_resource *resource = pv_virgl_add_resource(args->handle);
    if (!resource) {
        pv_virgl_image_destroy(image);
        return -ENOMEM;
    }
    resource->image = image;
    resource->iov = num_iovs ? iov : NULL;
    resource->iov_count = iov ? num_iovs : 0;
    return 0;
}

int virgl_renderer_resource_import_eglimage(struct virgl_renderer_resource_create_args *args,
                                            void *image)
{
    (void)args;
    (void)image;
    return EINVAL;
}

// Returns a positive error. `iov` NULL: the attached one.
static int transfer(uint32_t handle, uint32_t ctx_id, uint32_t level, const struct virgl_box *box,
                    struct pv_virgl_transfer *how)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(handle);
    if (!resource || !resource->image || (ctx_id && !pv_virgl_find_context(ctx_id))) {
        return EINVAL;
    }
    if (!box || level != 0 || box->z != 0 || box->d > 1) {
        return EINVAL;
    }
    how->x = box->x;
    how->y = box->y;
    how->width = box->w;
    how->height = box->h;
    if (!how->iov) {
        how->iov = resource->iov;
        how->iov_count = resource->iov_count;
    }
    if (!pv_virgl_image_transfer(resource->image, how)) {
        return EINVAL;
    }
    if (how->to_image) {
        pv_virgl_gl_upload(resource->image, box->y, box->h);
    }
    return 0;
}

int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level,
                                     uint32_t stride, uint32_t layer_stride, struct virgl_box *box,
                                     uint64_t offset, struct iovec *iovec, int iovec_cnt)
{
    (void)layer_stride; // there is one layer
    return transfer(
        handle, ctx_id, level, box,
        &(struct pv_virgl_transfer){.offset = offset,
                                    .stride = stride,
                                    .iov = iovec,
                                    .iov_count = iovec_cnt > 0 ? (unsigned)iovec_cnt : 0});
}

int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level, uint32_t stride,
                                      uint32_t layer_stride, struct virgl_box *box, uint64_t offset,
                                      struct iovec *iovec, unsigned int iovec_cnt)
{
    (void)layer_stride;
    return transfer(handle, ctx_id, (uint32_t)level, box,
                    &(struct pv_virgl_transfer){.offset = offset,
                                                .stride = stride,
                                                .iov = iovec,
                                                .iov_count = iovec_cnt,
                                                .to_image = true});
}

void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int num_iovs,
                             uint32_t offset, int x, int y, int width, int height)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)resource_id);
    if (resource && resource->image && x >= 0 && y >= 0 && width >= 0 && height >= 0) {
        // What does not fit is not copied; there is no way to say so.
        (void)pv_virgl_image_transfer(resource->image,
                                      &(struct pv_virgl_transfer){.x = (uint32_t)x,
                                                                  .y = (uint32_t)y,
                                                                  .width = (uint32_t)width,
                                                                  .height = (uint32_t)height,
                                                                  .offset = offset,
                                                                  .iov = iov,
                                                                  .iov_count = num_iovs});
    }
}

void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width, uint32_t *height)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    const struct pv_virgl_image *image = resource ? resource->image : NULL;
    if (!image || image->width > MAX_CURSOR || image->height > MAX_CURSOR) {
        return NULL;
    }
    const size_t size = (size_t)image->stride * image->height;
    void *data = malloc(size);
    if (data) {
        memcpy(data, image->pixels, size);
        *width = image->width;
        *height = image->height;
    }
    return data;
}

int virgl_renderer_get_fd_for_texture(uint32_t tex_id, int *fd)
{
    (void)tex_id;
    (void)fd;
    return -1;
}

int virgl_renderer_get_fd_for_texture2(uint32_t tex_id, int *fd, int *stride, int *offset)
{
    (void)tex_id;
    (void)fd;
    (void)stride;
    (void)offset;
    return -1;
}
