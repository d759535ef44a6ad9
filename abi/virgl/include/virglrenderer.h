// The C interface of virglrenderer 1.3, as far as names, numbers and layouts go, served by
// libpv-venus: Venus contexts (capset 4) and plain 2D resources, no OpenGL for guests.
//
// docs/abi.md lists what differs from upstream's library. Rules that hold for all functions:
//
// * One thread at a time calls into the library. Callbacks come from the thread that
//   calls, except where VIRGL_RENDERER_ASYNC_FENCE_CB allows any thread for fences.
// * Functions return 0 on success. The sign of an error is noted at each function, because it
//   differs and callers depend on it.
// * Contexts and resources are named by numbers of the caller's choice, greater than 0. Resources
//   are known in all contexts.
#ifndef VIRGLRENDERER_H
#define VIRGLRENDERER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "virgl-version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;
struct virgl_box; // of the caller: uint32_t x, y, z, w, h, d

#define VIRGL_EXPORT __attribute__((visibility("default")))

// -- start and end ---------------------------------------------------------------------------

typedef void *virgl_renderer_gl_context;

struct virgl_renderer_gl_ctx_param {
    int version;
    bool shared;
    int major_ver;
    int minor_ver;
    int compat_ctx;
};

#define VIRGL_RENDERER_CALLBACKS_VERSION 4

// What the caller does for the library. Fields newer than `version` are not read.
struct virgl_renderer_callbacks {
    int version; // 1 to 4

    // A fence of virgl_renderer_create_fence() has retired.
    void (*write_fence)(void *cookie, uint32_t fence);

    // For a VMM that shows textures: all three, or none is called. A texture of a 2D resource
    // lives in a context of the VMM, which must share objects with the one that shows it.
    virgl_renderer_gl_context (*create_gl_context)(void *cookie, int scanout_idx,
                                                   struct virgl_renderer_gl_ctx_param *param);
    void (*destroy_gl_context)(void *cookie, virgl_renderer_gl_context ctx);
    int (*make_current)(void *cookie, int scanout_idx, virgl_renderer_gl_context ctx);

    int (*get_drm_fd)(void *cookie); // since 2; not called

    // Since 3: a fence of virgl_renderer_context_create_fence() has retired, and with it all
    // older ones of the same context and ring_idx that were mergeable.
    void (*write_context_fence)(void *cookie, uint32_t ctx_id, uint32_t ring_idx,
                                uint64_t fence_id);
    int (*get_server_fd)(void *cookie, uint32_t version); // since 3; not called

    void *(*get_egl_display)(void *cookie); // since 4; not called
};

// Bits of `flags`. Those with a comment change what the library does.
#define VIRGL_RENDERER_USE_EGL             (1 << 0)
#define VIRGL_RENDERER_THREAD_SYNC         (1 << 1) // virgl_renderer_get_poll_fd() has one
#define VIRGL_RENDERER_USE_GLX             (1 << 2)
#define VIRGL_RENDERER_USE_SURFACELESS     (1 << 3)
#define VIRGL_RENDERER_USE_GLES            (1 << 4)
#define VIRGL_RENDERER_USE_EXTERNAL_BLOB   (1 << 5) // every blob has a descriptor
#define VIRGL_RENDERER_VENUS               (1 << 6) // Venus contexts can be created
#define VIRGL_RENDERER_NO_VIRGL            (1 << 7) // no textures either
#define VIRGL_RENDERER_ASYNC_FENCE_CB      (1 << 8) // fences retire from any thread at any time
#define VIRGL_RENDERER_RENDER_SERVER       (1 << 9)
#define VIRGL_RENDERER_DRM                 (1 << 10)
#define VIRGL_RENDERER_D3D11_SHARE_TEXTURE (1 << 12)
#define VIRGL_RENDERER_COMPAT_PROFILE      (1 << 13)
#define VIRGL_RENDERER_USE_GUEST_VRAM      (1 << 14)
#ifdef VIRGL_RENDERER_UNSTABLE_APIS
#define VIRGL_RENDERER_USE_VIDEO (1 << 11)
#endif

// `callbacks` must stay valid until cleanup. Again with the same arguments: nothing happens; with
// others: -EBUSY. A host without a Vulkan driver is no error: a line in the log says so, and
// contexts cannot be created. Errors are negative.
VIRGL_EXPORT int virgl_renderer_init(void *cookie, int flags,
                                     struct virgl_renderer_callbacks *callbacks);

// Destroys all contexts and resources; cleanup also ends what init began. Fences that are out
// retire before these return.
VIRGL_EXPORT void virgl_renderer_reset(void);
VIRGL_EXPORT void virgl_renderer_cleanup(void *cookie);

// -- capsets: may be called before init ------------------------------------------------------

// A size of 0: the library has no such capset.
VIRGL_EXPORT void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size);
VIRGL_EXPORT void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps);

// -- log -------------------------------------------------------------------------------------

enum virgl_log_level_flags {
    VIRGL_LOG_LEVEL_DEBUG,
    VIRGL_LOG_LEVEL_INFO,
    VIRGL_LOG_LEVEL_WARNING,
    VIRGL_LOG_LEVEL_ERROR,
    VIRGL_LOG_LEVEL_SILENT,
};

typedef void (*virgl_free_data_callback_type)(void *user_data);
typedef void (*virgl_log_callback_type)(enum virgl_log_level_flags log_level, const char *message,
                                        void *user_data);
typedef void (*virgl_debug_callback_type)(const char *fmt, va_list ap);

// Without a callback, warnings and errors go to standard error. The callback may run in any
// thread, one line at a time. `free_user_data_cb` runs when another callback takes over and when
// the library is unloaded. The setting outlives cleanup.
VIRGL_EXPORT void virgl_set_log_callback(virgl_log_callback_type cb, void *user_data,
                                         virgl_free_data_callback_type free_user_data_cb);

// The older form: messages end with a newline. Returns the former callback of this form, or NULL.
VIRGL_EXPORT virgl_debug_callback_type virgl_set_debug_callback(virgl_debug_callback_type cb);

// -- contexts --------------------------------------------------------------------------------

#define VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK 0xff

// `name` has `nlen` bytes and need not be terminated. The first form is for capset 2, which the
// library has not. A context that exists with the same capset is no error. Errors are positive.
VIRGL_EXPORT int virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name);
VIRGL_EXPORT int virgl_renderer_context_create_with_flags(uint32_t ctx_id, uint32_t ctx_flags,
                                                          uint32_t nlen, const char *name);
VIRGL_EXPORT void virgl_renderer_context_destroy(uint32_t handle);

// Runs `ndw` words, which are not changed and must be aligned to 4 bytes. Errors are positive.
VIRGL_EXPORT int virgl_renderer_submit_cmd(void *buffer, int ctx_id, int ndw);

VIRGL_EXPORT void virgl_renderer_ctx_attach_resource(int ctx_id, int res_handle);
VIRGL_EXPORT void virgl_renderer_ctx_detach_resource(int ctx_id, int res_handle);
VIRGL_EXPORT void virgl_renderer_force_ctx_0(void);

// -- fences ----------------------------------------------------------------------------------

#define VIRGL_RENDERER_FENCE_FLAG_MERGEABLE (1 << 0)

// write_fence() follows. Errors are positive.
VIRGL_EXPORT int virgl_renderer_create_fence(int client_fence_id, uint32_t ctx_id);

// write_context_fence() follows when what was submitted on `ring_idx` is done. Errors are negative.
VIRGL_EXPORT int virgl_renderer_context_create_fence(uint32_t ctx_id, uint32_t flags,
                                                     uint32_t ring_idx, uint64_t fence_id);

// Report fences that have retired, of all or of one context. With ASYNC_FENCE_CB they do nothing.
VIRGL_EXPORT void virgl_renderer_poll(void);
VIRGL_EXPORT void virgl_renderer_context_poll(uint32_t ctx_id);

// Readable while polling has something to report; stays the library's. -1 unless flags have
// THREAD_SYNC and not ASYNC_FENCE_CB.
VIRGL_EXPORT int virgl_renderer_get_poll_fd(void);
VIRGL_EXPORT int virgl_renderer_context_get_poll_fd(uint32_t ctx_id);

// -- classic resources -----------------------------------------------------------------------

#define VIRGL_RES_BIND_DEPTH_STENCIL   (1 << 0)
#define VIRGL_RES_BIND_RENDER_TARGET   (1 << 1)
#define VIRGL_RES_BIND_SAMPLER_VIEW    (1 << 3)
#define VIRGL_RES_BIND_VERTEX_BUFFER   (1 << 4)
#define VIRGL_RES_BIND_INDEX_BUFFER    (1 << 5)
#define VIRGL_RES_BIND_CONSTANT_BUFFER (1 << 6)
#define VIRGL_RES_BIND_STREAM_OUTPUT   (1 << 11)
#define VIRGL_RES_BIND_CURSOR          (1 << 16)
#define VIRGL_RES_BIND_CUSTOM          (1 << 17)
#define VIRGL_RES_BIND_SCANOUT         (1 << 18)
#define VIRGL_RES_BIND_SHARED          (1 << 20)

struct virgl_renderer_resource_create_args {
    uint32_t handle;
    uint32_t target;
    uint32_t format;
    uint32_t bind;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t array_size;
    uint32_t last_level;
    uint32_t nr_samples;
    uint32_t flags;
};

// 2D images of the virtio-gpu formats, kept in plain memory. Errors are positive, except for a
// handle that is taken: -EINVAL.
VIRGL_EXPORT int virgl_renderer_resource_create(struct virgl_renderer_resource_create_args *args,
                                                struct iovec *iov, uint32_t num_iovs);
VIRGL_EXPORT int
virgl_renderer_resource_import_eglimage(struct virgl_renderer_resource_create_args *args,
                                        void *image);

// Detaches the resource from all contexts and forgets it. Memory that is mapped stays mapped.
VIRGL_EXPORT void virgl_renderer_resource_unref(uint32_t res_handle);

VIRGL_EXPORT void virgl_renderer_resource_set_priv(uint32_t res_handle, void *priv);
VIRGL_EXPORT void *virgl_renderer_resource_get_priv(uint32_t res_handle);

// The array stays the caller's and is used until it is detached, which hands it back. Errors are
// positive.
VIRGL_EXPORT int virgl_renderer_resource_attach_iov(int res_handle, struct iovec *iov,
                                                    int num_iovs);
VIRGL_EXPORT void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov,
                                                     int *num_iovs);

// Copy between the image and `iovec`, or what is attached if that is NULL. A stride of 0 is the
// image's. Errors are positive.
VIRGL_EXPORT int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level,
                                                  uint32_t stride, uint32_t layer_stride,
                                                  struct virgl_box *box, uint64_t offset,
                                                  struct iovec *iovec, int iovec_cnt);
VIRGL_EXPORT int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level,
                                                   uint32_t stride, uint32_t layer_stride,
                                                   struct virgl_box *box, uint64_t offset,
                                                   struct iovec *iovec, unsigned int iovec_cnt);

// A copy of a small image, for free(). NULL if there is none.
VIRGL_EXPORT void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width,
                                                  uint32_t *height);
VIRGL_EXPORT void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int num_iovs,
                                          uint32_t offset, int x, int y, int width, int height);

// No texture leaves the library as a descriptor: -1.
VIRGL_EXPORT int virgl_renderer_get_fd_for_texture(uint32_t tex_id, int *fd);
VIRGL_EXPORT int virgl_renderer_get_fd_for_texture2(uint32_t tex_id, int *fd, int *stride,
                                                    int *offset);

// -- blobs -----------------------------------------------------------------------------------

#define VIRGL_RENDERER_BLOB_MEM_GUEST        1
#define VIRGL_RENDERER_BLOB_MEM_HOST3D       2
#define VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST 3
#define VIRGL_RENDERER_BLOB_MEM_GUEST_VRAM   4

#define VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE     (1 << 0)
#define VIRGL_RENDERER_BLOB_FLAG_USE_SHAREABLE    (1 << 1)
#define VIRGL_RENDERER_BLOB_FLAG_USE_CROSS_DEVICE (1 << 2)

struct virgl_renderer_resource_create_blob_args {
    uint32_t res_handle;
    uint32_t ctx_id;
    uint32_t blob_mem;
    uint32_t blob_flags;
    uint64_t blob_id;
    uint64_t size;
    const struct iovec *iovecs;
    uint32_t num_iovs;
};

// Errors of all functions for blobs are negative.
VIRGL_EXPORT int
virgl_renderer_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args);

#define VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF 1
#define VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE 2
#define VIRGL_RENDERER_BLOB_FD_TYPE_SHM    3
#define VIRGL_RENDERER_BLOB_FD_TYPE_APPLE  4 // not upstream; macOS only

struct virgl_renderer_resource_import_blob_args {
    uint32_t res_handle;
    uint32_t blob_mem;
    uint32_t fd_type;
    int fd; // taken on success
    uint64_t size;
};

VIRGL_EXPORT int
virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args);

// `fd` is new and the caller's. SHM and DMABUF are mapped at offset 0.
VIRGL_EXPORT int virgl_renderer_resource_export_blob(uint32_t res_id, uint32_t *fd_type, int *fd);

VIRGL_EXPORT int virgl_renderer_resource_map(uint32_t res_handle, void **map, uint64_t *out_size);
VIRGL_EXPORT int virgl_renderer_resource_unmap(uint32_t res_handle);

// Maps over what is at `addr`; the caller unmaps. -EOPNOTSUPP: nothing changed, use
// virgl_renderer_resource_map().
VIRGL_EXPORT int virgl_renderer_resource_map_fixed(uint32_t res_handle, void *addr);

#define VIRGL_RENDERER_MAP_CACHE_MASK     0x0f
#define VIRGL_RENDERER_MAP_CACHE_NONE     0x00
#define VIRGL_RENDERER_MAP_CACHE_CACHED   0x01
#define VIRGL_RENDERER_MAP_CACHE_UNCACHED 0x02
#define VIRGL_RENDERER_MAP_CACHE_WC       0x03

VIRGL_EXPORT int virgl_renderer_resource_get_map_info(uint32_t res_handle, uint32_t *map_info);

// Not upstream; libkrun and its relatives call them. resource_map2() maps the first `size` bytes
// like mmap(addr, size, prot, flags, ...); get_map_ptr() gives the address in this process, which
// is valid until the resource is unreferenced.
#define VIRGL_RENDERER_HAS_RESOURCE_MAP2        1
#define VIRGL_RENDERER_HAS_RESOURCE_GET_MAP_PTR 1
VIRGL_EXPORT int virgl_renderer_resource_map2(uint32_t res_handle, void *addr, uint64_t size,
                                              int32_t prot, int32_t flags);
VIRGL_EXPORT int virgl_renderer_resource_get_map_ptr(uint32_t res_handle, uint64_t *map_ptr);

// -- questions -------------------------------------------------------------------------------

struct virgl_renderer_resource_info {
    uint32_t handle;
    uint32_t virgl_format;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t flags;
    uint32_t tex_id;
    uint32_t stride;
    int drm_fourcc;
    int fd; // stays the library's; -1 if there is none
};

#define VIRGL_RENDERER_RESOURCE_INFO_EXT_VERSION 0

struct virgl_renderer_resource_info_ext {
    int version;
    struct virgl_renderer_resource_info base;
    bool has_dmabuf_export;
    int planes;
    uint64_t modifiers;
    void *d3d_tex2d;
};

// Errors are positive.
VIRGL_EXPORT int virgl_renderer_resource_get_info(int res_handle,
                                                  struct virgl_renderer_resource_info *info);
VIRGL_EXPORT int
virgl_renderer_resource_get_info_ext(int res_handle, struct virgl_renderer_resource_info_ext *info);

enum virgl_renderer_structure_type_v0 {
    VIRGL_RENDERER_STRUCTURE_TYPE_NONE = 0,
    VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY = 1 << 0,
    VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES = 1 << 1,
};

struct virgl_renderer_hdr {
    uint32_t stype;
    uint32_t stype_version;
    uint32_t size;
};

struct virgl_renderer_export_query {
    struct virgl_renderer_hdr hdr;
    uint32_t in_resource_id;

    uint32_t out_num_fds;
    uint32_t in_export_fds;
    uint32_t out_fourcc;
    uint32_t pad;

    int32_t out_fds[4];
    uint32_t out_strides[4];
    uint32_t out_offsets[4];
    uint64_t out_modifier;
};

struct virgl_renderer_supported_structures {
    struct virgl_renderer_hdr hdr;
    uint32_t in_stype_version;
    uint32_t out_supported_structures_mask;
};

// Answers the question in `execute_args`, one of the structures above. Errors are negative.
VIRGL_EXPORT int virgl_renderer_execute(void *execute_args, uint32_t execute_size);

// -- upstream's unstable functions: fences as descriptors, which the library has not ------------

#ifdef VIRGL_RENDERER_UNSTABLE_APIS
VIRGL_EXPORT int virgl_renderer_export_fence(uint64_t client_fence_id, int *fd);
VIRGL_EXPORT int virgl_renderer_export_signalled_fence(void);
VIRGL_EXPORT int virgl_renderer_submit_cmd2(void *buffer, int ctx_id, int ndw,
                                            uint64_t *in_fence_ids, uint32_t num_in_fences);
VIRGL_EXPORT int virgl_renderer_attach_fence(int ctx_id, int fence_fd);
VIRGL_EXPORT int virgl_renderer_get_fence_fd(uint64_t fence_id);
VIRGL_EXPORT int virgl_renderer_get_dev_fd(int ctx_id);
#endif

#ifdef __cplusplus
}
#endif
#endif
