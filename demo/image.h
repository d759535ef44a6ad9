// Pictures as rows of RGBA bytes, to and from PNG files. Shared by pv-demo and pv-compare.
#ifndef DEMO_IMAGE_H
#define DEMO_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

// Owns its pixels (4 bytes each, rows without gaps); freed by demo_image_finish().
struct demo_image {
    uint32_t width;
    uint32_t height;
    uint8_t *pixels;
};

// Failure: false, and one line on stderr that names the file and the reason.
bool demo_image_read(struct demo_image *image, const char *path);
bool demo_image_write(const struct demo_image *image, const char *path);

void demo_image_finish(struct demo_image *image);

#endif
