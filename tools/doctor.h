// The parts of `pv-venus doctor`.
#ifndef PV_TOOLS_DOCTOR_H
#define PV_TOOLS_DOCTOR_H

#include <stdbool.h>

#include <pv/renderer.h>

#include "report.h"
#include "trial.h"

struct pv_doctor {
    struct pv_report report;
    struct pv_renderer_params renderer;
    const char *host_driver; // NULL: what the environment says
    const char *guest_icd;   // NULL: looked for
    const char *dev;
    char guest_icds[4096]; // "": there is none
};

// doctor_host.c: drivers, devices and what is chosen for them.
void pv_doctor_check_host(struct pv_doctor *doctor);

// doctor_vtest.c. Returns whether a server answers at `path`.
bool pv_doctor_check_socket(struct pv_report *report, const char *path);

// doctor.c: uses the GPU as a guest of the server at `socket_path`; NULL: of this machine's
// virtio GPU. Says how it went.
void pv_doctor_try_guest(struct pv_doctor *doctor, const char *socket_path);

// "1.3.239" and "discrete GPU".
void pv_doctor_format_version(uint32_t version, char *text, size_t size);
const char *pv_doctor_device_type(uint32_t type);

#endif
