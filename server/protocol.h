// The vtest wire protocol, as far as Venus guests speak it.
//
// A message is a header of two little-endian u32 {length, id} and a payload. `length` counts
// dwords, except for CREATE_RENDERER, where it counts bytes. A reply has the same form and the
// id of its request. A file descriptor follows its reply as ancillary data of one dummy byte.
// Offsets below are in dwords from the start of the payload; a u64 is two dwords, low first.
#ifndef PV_SERVER_PROTOCOL_H
#define PV_SERVER_PROTOCOL_H

#include <stdint.h>

// A client with an older version cannot use Venus. Version 4 has wider SUBMIT_CMD2 batches.
#define PV_VTEST_VERSION_MIN 3u
#define PV_VTEST_VERSION_MAX 4u

// Ids 1, 2, 4..6, 9 and 12..14 belong to OpenGL (virgl), 25 and up to DRM sync objects; neither
// is used by Venus guests.
enum pv_vtest_command {
    PV_VTEST_RESOURCE_UNREF = 3,         // res_id
    PV_VTEST_RESOURCE_BUSY_WAIT = 7,     // res_id, flags             -> busy
    PV_VTEST_CREATE_RENDERER = 8,        // name, with its NUL; `length` is in bytes
    PV_VTEST_PING_PROTOCOL_VERSION = 10, //                          -> (empty)
    PV_VTEST_PROTOCOL_VERSION = 11,      // version                   -> version
    PV_VTEST_GET_PARAM = 15,             // param                     -> valid, value
    PV_VTEST_GET_CAPSET = 16,            // id, version               -> valid, capset bytes
    PV_VTEST_CONTEXT_INIT = 17,          // capset id
    PV_VTEST_RESOURCE_CREATE_BLOB = 18,  // type, flags, size u64, blob id u64 -> res_id; an fd
    PV_VTEST_SYNC_CREATE = 19,           // value u64                 -> sync_id
    PV_VTEST_SYNC_UNREF = 20,            // sync_id
    PV_VTEST_SYNC_READ = 21,             // sync_id                   -> value u64
    PV_VTEST_SYNC_WRITE = 22,            // sync_id, value u64
    PV_VTEST_SYNC_WAIT = 23,             // flags, timeout, pairs     -> (empty); an event fd
    PV_VTEST_SUBMIT_CMD2 = 24,           // batch count, batches, command bytes, pairs
};

struct pv_vtest_header {
    uint32_t length;
    uint32_t id;
};

#define PV_VTEST_PARAM_MAX_TIMELINE_COUNT 1u

#define PV_VTEST_BLOB_HOST3D 2u // the only type Venus asks for

#define PV_VTEST_SYNC_WAIT_ANY         1u          // flag; otherwise all
#define PV_VTEST_SYNC_WAIT_MAX_TIMEOUT 0x7fffffffu // milliseconds; more is for ever

// A sync object and a value: {sync_id, value u64}.
#define PV_VTEST_PAIR_DWORDS 3u

// SUBMIT_CMD2. Batch k begins at dword 1 + k * stride; the first six dwords are the same in both
// strides. Only {cmd,sync}_offset say where bytes and pairs are.
#define PV_VTEST_BATCH_DWORDS_V3 6u
#define PV_VTEST_BATCH_DWORDS_V4 8u // + num_in_syncobj, num_out_syncobj, 0 from Venus
#define PV_VTEST_BATCH_RING_IDX  1u // flags: the pairs are signalled by a fence on ring_idx
#define PV_VTEST_BATCH_IN_FENCE  2u // flags: unused by Venus, refused
#define PV_VTEST_BATCH_OUT_FENCE 4u

// Bounds that the protocol does not name. A message of Mesa is a few hundred bytes; large
// command streams travel in shared memory.
#define PV_VTEST_MAX_NAME    4096u               // bytes of CREATE_RENDERER
#define PV_VTEST_MAX_PAYLOAD (16u * 1024 * 1024) // bytes of any other message

#endif
