// The way of 2D images to VMMs that show textures: a copy in an OpenGL context that the VMM makes.
// OpenGL is opened at run time and only if the VMM hands over a context; images are kept in plain
// memory all the same.
#ifndef PV_VIRGL_GL_H
#define PV_VIRGL_GL_H

#include "image.h"

// After init, before any image. Asks the VMM for nothing yet.
void pv_virgl_gl_init(void);
// Ends the context. All textures must be gone.
void pv_virgl_gl_finish(void);

// A texture with the image's contents, or 0. Makes it at the first call.
uint32_t pv_virgl_gl_texture(struct pv_virgl_image *image);
// Copies rows [y, y + height) into the texture if there is one.
void pv_virgl_gl_upload(const struct pv_virgl_image *image, uint32_t y, uint32_t height);
void pv_virgl_gl_destroy_texture(struct pv_virgl_image *image);

#endif
