// What a real guest driver has sent, to be run in the library without a guest: bench/record.c
// writes such files, bench/decode.c runs them. In the order of the file, little endian:
//
//     struct stream_header
//     struct stream_resource, `resource_count` of them
//     `set_up_size` bytes of commands, to be run once
//     `loop_size` bytes, `loop_commands` commands, that can be run again and again
//
// The commands of rings and indirect streams stand in one row, as they were run. Those that are
// about rings, indirect streams and the virtqueue themselves are left out.
#ifndef BENCH_STREAM_FILE_H
#define BENCH_STREAM_FILE_H

#include <stdint.h>

#define STREAM_MAGIC     0x31535650u // "PVS1"
#define STREAM_RESOURCES 16

struct stream_header {
    uint32_t magic, resource_count, set_up_size, loop_size, loop_commands;
};

// Shared memory that replies go to.
struct stream_resource {
    uint32_t id, size;
};

#endif
