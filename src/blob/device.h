// The memory side of one VkDevice: allocation in a form that guests can map and share.
//
// Some mechanisms (opaque fd, mapped pointer) leave blobs whose mapping needs the VkDevice. So
// the device is counted: vkDestroyDevice happens through `destroy` when the context has let go
// and the last such blob is gone. With host pointers and dma-bufs that is at once.
#ifndef PV_BLOB_DEVICE_H
#define PV_BLOB_DEVICE_H

#include "base/log.h"
#include "blob/blob.h"
#include "blob/choose.h"
#include "vk/device_facts.h"

struct pv_blob_device;

struct pv_blob_device_params {
    VkDevice device;
    VkPhysicalDevice physical_device;
    // Borrowed until `destroy` is called.
    const struct pv_device_functions *vk;
    const struct pv_instance_functions *instance_vk;
    const struct pv_device_facts *facts;
    const struct pv_blob_choice *choice;
    const struct pv_log *log;
    // Destroys the VkDevice and what it depends on. NULL: the owner keeps them alive longer
    // than every blob. Called from any thread that drops the last reference.
    void (*destroy)(void *user);
    void *user;
};

// Device extensions that must be enabled for this memory side, beyond what the guest asks for.
#define PV_BLOB_MAX_DEVICE_EXTENSIONS 4
uint32_t pv_blob_device_extensions(const struct pv_device_facts *facts,
                                   const struct pv_blob_choice *choice,
                                   const char *names[PV_BLOB_MAX_DEVICE_EXTENSIONS]);

// Starts with one reference. Failure: NULL; `destroy` is not called.
struct pv_blob_device *pv_blob_device_create(const struct pv_blob_device_params *params);

// Thread-safety: Safe.
struct pv_blob_device *pv_blob_device_ref(struct pv_blob_device *device);
void pv_blob_device_unref(struct pv_blob_device *device); // NULL is allowed

#endif
