// The ICD files by which Vulkan drivers are registered.
#ifndef PV_TOOLS_MANIFEST_H
#define PV_TOOLS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

struct pv_manifest {
    char path[1024];
    char library[1024];   // as the loader will open it: a path, or a name to search for
    char api_version[32]; // as the file says, "" if it does not
    char problem[256];    // "" if the file is good
};

// Calls `visit` for each ICD file that the loader will look at, in its order: those that
// VK_DRIVER_FILES or VK_ICD_FILENAMES name, else those in the folders for them.
// Returns the name of the variable that decided, or NULL.
const char *pv_manifest_visit(void (*visit)(void *user, const struct pv_manifest *manifest),
                              void *user);

// Reads the ICD file at manifest->path; what is wrong with it is in manifest->problem.
void pv_manifest_read(struct pv_manifest *manifest);

// Mesa's version as the driver's file itself has it, such as "25.0.7". Failure: false.
bool pv_manifest_find_mesa(const struct pv_manifest *manifest, char *version, size_t size);

#endif
