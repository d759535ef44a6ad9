// A renderer without Vulkan behind include/pv, for tests of the server and the tools.
//
// It runs no commands, but a context stream that begins with one of the words below makes it
// misbehave, so a test on the other end of a socket, or of a fork, can direct it. Environment:
// PV_FAKE is a comma list of `no-library`, `no-device`, `no-blob`, `no-export`, `crash-at-start`,
// `count`;
// PV_FAKE_ENVIRONMENT names a file that gets the environment in which a renderer was created.
// PV_FAKE_NODE names a device node that a renderer uses and makes if it is not there and if it may.
#ifndef PV_TESTS_FAKE_RENDERER_H
#define PV_TESTS_FAKE_RENDERER_H

#include <stdint.h>

enum pv_fake_command {
    PV_FAKE_FAIL = 0x7a000001,      // the context fails
    PV_FAKE_CRASH = 0x7a000002,     // the process is killed by SIGSEGV
    PV_FAKE_HOLD = 0x7a000003,      // ring_idx: its fences no longer retire
    PV_FAKE_RELEASE = 0x7a000004,   // ring_idx, milliseconds: they retire, from a thread
    PV_FAKE_BLOCK = 0x7a000005,     // milliseconds: the submission takes so long
    PV_FAKE_NEED_NODE = 0x7a000006, // the process is killed unless it has its PV_FAKE_NODE
    PV_FAKE_DESERT = 0x7a000007,    // milliseconds: all descriptors are closed, then as BLOCK
    PV_FAKE_BABBLE = 0x7a000008,    // a byte is sent to whoever listens to messages
};

// What lives in this process.
struct pv_fake_live {
    int renderers, contexts, resources;
};

struct pv_fake_live pv_fake_live(void);

#endif
