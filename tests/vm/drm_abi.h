// The parts of the kernel's DRM interface that pv-vm-guest uses. Debian has the kernel's headers
// for it in a package of its own (libdrm-dev), which these few numbers do not justify.
#ifndef VM_DRM_ABI_H
#define VM_DRM_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

// -- virtio-gpu --

struct drm_virtgpu_execbuffer {
    uint32_t flags;
    uint32_t size; // bytes
    uint64_t command;
    uint64_t bo_handles;
    uint32_t num_bo_handles;
    int32_t fence_fd;
    uint32_t ring_idx;
    uint32_t syncobj_stride;
    uint32_t num_in_syncobjs;
    uint32_t num_out_syncobjs;
    uint64_t in_syncobjs;
    uint64_t out_syncobjs;
};
#define VIRTGPU_EXECBUF_FENCE_FD_OUT 0x02
#define VIRTGPU_EXECBUF_RING_IDX     0x04

struct drm_virtgpu_context_set_param {
    uint64_t param;
    uint64_t value;
};
#define VIRTGPU_CONTEXT_PARAM_CAPSET_ID 1
#define VIRTGPU_CONTEXT_PARAM_NUM_RINGS 2

struct drm_virtgpu_context_init {
    uint32_t num_params;
    uint32_t pad;
    uint64_t ctx_set_params;
};

#define DRM_IOCTL_VIRTGPU_EXECBUFFER   _IOWR('d', 0x42, struct drm_virtgpu_execbuffer)
#define DRM_IOCTL_VIRTGPU_CONTEXT_INIT _IOWR('d', 0x4b, struct drm_virtgpu_context_init)

// -- displays --

struct drm_mode_modeinfo {
    uint32_t clock;
    uint16_t timings[10];
    uint32_t vrefresh;
    uint32_t flags;
    uint32_t type;
    char name[32];
};

struct drm_mode_card_res {
    uint64_t fb_id_ptr;
    uint64_t crtc_id_ptr;
    uint64_t connector_id_ptr;
    uint64_t encoder_id_ptr;
    uint32_t count_fbs;
    uint32_t count_crtcs;
    uint32_t count_connectors;
    uint32_t count_encoders;
    uint32_t min_width, max_width;
    uint32_t min_height, max_height;
};

struct drm_mode_crtc {
    uint64_t set_connectors_ptr;
    uint32_t count_connectors;
    uint32_t crtc_id;
    uint32_t fb_id;
    uint32_t x, y;
    uint32_t gamma_size;
    uint32_t mode_valid;
    struct drm_mode_modeinfo mode;
};

struct drm_mode_fb_cmd {
    uint32_t fb_id;
    uint32_t width, height;
    uint32_t pitch; // bytes
    uint32_t bpp;
    uint32_t depth;
    uint32_t handle;
};

struct drm_mode_map_dumb {
    uint32_t handle;
    uint32_t pad;
    uint64_t offset;
};

#define DRM_IOCTL_MODE_GETRESOURCES _IOWR('d', 0xa0, struct drm_mode_card_res)
#define DRM_IOCTL_MODE_GETCRTC      _IOWR('d', 0xa1, struct drm_mode_crtc)
#define DRM_IOCTL_MODE_GETFB        _IOWR('d', 0xad, struct drm_mode_fb_cmd)
#define DRM_IOCTL_MODE_MAP_DUMB     _IOWR('d', 0xb3, struct drm_mode_map_dumb)

#endif
