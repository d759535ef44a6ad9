#include "image.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool demo_image_read(struct demo_image *image, const char *path)
{
    *image = (struct demo_image){0};
    png_image png = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&png, path)) {
        fprintf(stderr, "%s: %s\n", path, png.message);
        return false;
    }
    png.format = PNG_FORMAT_RGBA;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(png));
    if (!pixels || !png_image_finish_read(&png, NULL, pixels, 0, NULL)) {
        fprintf(stderr, "%s: %s\n", path, pixels ? png.message : "out of memory");
        png_image_free(&png);
        free(pixels);
        return false;
    }
    *image = (struct demo_image){.width = png.width, .height = png.height, .pixels = pixels};
    return true;
}

bool demo_image_write(const struct demo_image *image, const char *path)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = image->width,
        .height = image->height,
        .format = PNG_FORMAT_RGBA,
    };
    errno = 0;
    if (!png_image_write_to_file(&png, path, 0, image->pixels, 0, NULL)) {
        fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : png.message);
        return false;
    }
    return true;
}

void demo_image_finish(struct demo_image *image)
{
    free(image->pixels);
    *image = (struct demo_image){0};
}
