// What a program needs to become a Venus guest of ours.
#ifndef PV_TOOLS_GUEST_H
#define PV_TOOLS_GUEST_H

#include <stdbool.h>
#include <stddef.h>

// Finds Mesa's Venus driver: ICD files named virtio_icd*.json in the places where Vulkan drivers
// are registered. Writes them as a list for VK_DRIVER_FILES, which may name one for each
// architecture; loaders skip those that are not theirs. Failure: false, none is installed.
bool pv_guest_find_icd(char *list, size_t size);

// Makes this process's environment that of a guest. `socket_path` is where the server listens.
// Failure: false, memory is short.
bool pv_guest_enter(const char *icd_list, const char *socket_path);

#endif
