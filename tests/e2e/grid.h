// A picture of 8x8 cells of 8x8 pixels, in which draws show as the cells that they fill.
#ifndef GRID_H
#define GRID_H

#include "harness.h"

enum { GRID_SIZE = 64 }; // pixels, both ways

struct grid {
    struct e2e_target target;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

// The target of a grid, on an open device.
struct e2e_target grid_target(struct e2e *t);

// Opens the device, with `extension` and `features` unless they are NULL, and a pipeline in which
// each instance of six vertices fills the cell of its number.
struct grid grid_open(struct e2e *t, const char *extension, void *features);

// Begins a command buffer and the pass, and binds the pipeline.
VkCommandBuffer grid_begin(struct e2e *t, const struct grid *grid);

// Ends the pass, runs it, prints the picture under `label`, and checks that exactly the cells in
// `expected` (a bit each) are drawn.
void grid_end(struct e2e *t, const struct grid *grid, VkCommandBuffer commands, uint64_t expected,
              const char *label);

#endif
