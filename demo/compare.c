// pv-compare: are two pictures equal, pixel by pixel?

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

enum { EQUAL = 0, DIFFERENT = 1, TROUBLE = 2 };

static const char usage[] =
    "usage: pv-compare [--diff OUT.png] A.png B.png\n"
    "Compares two pictures pixel by pixel.\n"
    "  --diff OUT.png   write a picture of the differences, eight times as strong\n"
    "Exit status: 0 equal, 1 different, 2 trouble.\n";

struct difference {
    uint64_t pixels;
    int maximum;
    uint32_t first_x, first_y;
};

static struct difference measure(const struct demo_image *a, const struct demo_image *b,
                                 struct demo_image *picture)
{
    struct difference found = {0};
    for (uint32_t i = 0; i < a->width * a->height; i++) {
        int most = 0;
        for (uint32_t c = 0; c < 4; c++) {
            const int delta = abs(a->pixels[i * 4 + c] - b->pixels[i * 4 + c]);
            most = delta > most ? delta : most;
            if (picture->pixels) {
                const int strong = delta * 8 < 255 ? delta * 8 : 255;
                picture->pixels[i * 4 + c] = c == 3 ? 255 : (uint8_t)strong;
            }
        }
        if (most > 0 && found.pixels++ == 0) {
            found.first_x = i % a->width;
            found.first_y = i / a->width;
        }
        found.maximum = most > found.maximum ? most : found.maximum;
    }
    return found;
}

static int compare(const char *path_a, const char *path_b, const char *path_diff)
{
    struct demo_image a = {0}, b = {0}, picture = {0};
    int status = TROUBLE;
    if (!demo_image_read(&a, path_a) || !demo_image_read(&b, path_b)) {
        goto done;
    }
    if (a.width != b.width || a.height != b.height) {
        printf("sizes differ: %ux%u and %ux%u\n", a.width, a.height, b.width, b.height);
        status = DIFFERENT;
        goto done;
    }
    if (path_diff) {
        picture = (struct demo_image){a.width, a.height, calloc(a.width * a.height, 4)};
        if (!picture.pixels) {
            fprintf(stderr, "pv-compare: out of memory\n");
            goto done;
        }
    }
    const struct difference found = measure(&a, &b, &picture);
    if (path_diff && !demo_image_write(&picture, path_diff)) {
        goto done;
    }
    printf("%llu of %llu pixels differ, maximum difference %d\n", (unsigned long long)found.pixels,
           (unsigned long long)a.width * a.height, found.maximum);
    if (found.pixels > 0) {
        printf("first at x %u, y %u\n", found.first_x, found.first_y);
    }
    status = found.pixels > 0 ? DIFFERENT : EQUAL;
done:
    demo_image_finish(&a);
    demo_image_finish(&b);
    demo_image_finish(&picture);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"diff", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *path_diff = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            path_diff = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EQUAL;
        default:
            fputs(usage, stderr);
            return TROUBLE;
        }
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        return TROUBLE;
    }
    return compare(argv[optind], argv[optind + 1], path_diff);
}
