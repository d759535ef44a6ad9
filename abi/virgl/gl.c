#include "gl.h"

#include "log.h"
#include "state.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// The few names of OpenGL 1.2 that are needed, so that no header of OpenGL is.
#define GL_TEXTURE_2D         0x0de1
#define GL_UNSIGNED_BYTE      0x1401
#define GL_UNSIGNED_INT_8888  0x8035
#define GL_RGBA               0x1908
#define GL_BGRA               0x80e1
#define GL_RGBA8              0x8058
#define GL_VERSION            0x1f02
#define GL_NEAREST            0x2600
#define GL_TEXTURE_MAG_FILTER 0x2800
#define GL_TEXTURE_MIN_FILTER 0x2801

static struct {
    void *library;
    void (*gen_textures)(int count, unsigned *names);
    void (*delete_textures)(int count, const unsigned *names);
    void (*bind_texture)(unsigned target, unsigned name);
    void (*tex_parameter)(unsigned target, unsigned name, int value);
    void (*tex_image)(unsigned target, int level, int internal, int width, int height, int border,
                      unsigned format, unsigned type, const void *pixels);
    void (*tex_sub_image)(unsigned target, int level, int x, int y, int width, int height,
                          unsigned format, unsigned type, const void *pixels);
    const unsigned char *(*get_string)(unsigned name);
    unsigned (*get_error)(void);
    void (*flush)(void);
} gl; // loaded once, valid for the life of the process

static struct {
    bool wanted; // the VMM has the callbacks
    bool tried;
    bool embedded; // OpenGL ES
    virgl_renderer_gl_context context;
} state;

static bool load(const char *name)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return false;
    }
    const struct {
        const char *name;
        void *function;
    } functions[] = {
        {"glGenTextures", &gl.gen_textures},
        {"glDeleteTextures", &gl.delete_textures},
        {"glBindTexture", &gl.bind_texture},
        {"glTexParameteri", &gl.tex_parameter},
        {"glTexImage2D", &gl.tex_image},
        {"glTexSubImage2D", &gl.tex_sub_image},
        {"glGetString", &gl.get_string},
        {"glGetError", &gl.get_error},
        {"glFlush", &gl.flush},
    };
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *symbol = dlsym(library, functions[i].name);
        if (!symbol) {
            dlclose(library);
            return false;
        }
        memcpy(functions[i].function, &symbol, sizeof(symbol));
    }
    gl.library = library;
    return true;
}

static bool load_any(void)
{
    for (const char *const *name = pv_virgl_os_gl_libraries; !gl.library && *name; name++) {
        load(*name);
    }
    return gl.library != NULL;
}

static virgl_renderer_gl_context create_context(void)
{
    static const struct {
        int major, minor;
    } versions[] = {{3, 3}, {3, 1}, {3, 0}, {2, 0}};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct virgl_renderer_gl_ctx_param param = {
            .version = 2, .major_ver = versions[i].major, .minor_ver = versions[i].minor};
        virgl_renderer_gl_context context =
            pv_virgl.callbacks->create_gl_context(pv_virgl.cookie, 0, &param);
        if (context) {
            return context;
        }
    }
    return NULL;
}

// Makes our context current, and makes it at the first call. The VMM makes its own current
// before it draws. Failure: false, there is no OpenGL.
static bool make_current(void)
{
    if (!state.tried) {
        state.tried = true;
        state.context = load_any() ? create_context() : NULL;
        if (!state.context) {
            pv_virgl_log(VIRGL_LOG_LEVEL_WARNING,
                         "no OpenGL context: a display of the VMM that needs textures stays black");
        }
    }
    return state.context &&
           pv_virgl.callbacks->make_current(pv_virgl.cookie, 0, state.context) == 0;
}

void pv_virgl_gl_init(void)
{
    const struct virgl_renderer_callbacks *callbacks = pv_virgl.callbacks;
    memset(&state, 0, sizeof(state));
    state.wanted = !(pv_virgl.flags & VIRGL_RENDERER_NO_VIRGL) && callbacks->create_gl_context &&
                   callbacks->destroy_gl_context && callbacks->make_current;
}

void pv_virgl_gl_finish(void)
{
    if (state.context) {
        pv_virgl.callbacks->destroy_gl_context(pv_virgl.cookie, state.context);
    }
    memset(&state, 0, sizeof(state));
}

// How the bytes of a format read for OpenGL. False: OpenGL ES cannot.
static bool find_layout(const struct pv_virgl_image *image, unsigned *format, unsigned *type)
{
    switch (image->format) {
    case 1: // B8G8R8A8, B8G8R8X8
    case 2:
        *format = GL_BGRA;
        *type = GL_UNSIGNED_BYTE;
        return true;
    case 67: // R8G8B8A8, R8G8B8X8
    case 134:
        *format = GL_RGBA;
        *type = GL_UNSIGNED_BYTE;
        return true;
    case 3: // A8R8G8B8, X8R8G8B8
    case 4:
        *format = GL_BGRA;
        *type = GL_UNSIGNED_INT_8888;
        return !state.embedded;
    default: // X8B8G8R8, A8B8G8R8
        *format = GL_RGBA;
        *type = GL_UNSIGNED_INT_8888;
        return !state.embedded;
    }
}

uint32_t pv_virgl_gl_texture(struct pv_virgl_image *image)
{
    if (image->texture || !state.wanted || !make_current()) {
        return image->texture;
    }
    const char *version = (const char *)gl.get_string(GL_VERSION);
    state.embedded = version && strncmp(version, "OpenGL ES", 9) == 0;
    unsigned format, type;
    if (!find_layout(image, &format, &type)) {
        return 0;
    }
    while (gl.get_error()) {
    }
    gl.gen_textures(1, &image->texture);
    gl.bind_texture(GL_TEXTURE_2D, image->texture);
    gl.tex_parameter(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    gl.tex_parameter(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    // OpenGL ES wants the internal format to be the format.
    gl.tex_image(GL_TEXTURE_2D, 0, (int)(state.embedded ? format : GL_RGBA8), (int)image->width,
                 (int)image->height, 0, format, type, image->pixels);
    gl.flush();
    const unsigned error = gl.get_error();
    if (error) {
        pv_virgl_log(VIRGL_LOG_LEVEL_WARNING, "no texture of %ux%u for a display: OpenGL error %#x",
                     image->width, image->height, error);
        pv_virgl_gl_destroy_texture(image);
    }
    return image->texture;
}

void pv_virgl_gl_upload(const struct pv_virgl_image *image, uint32_t y, uint32_t height)
{
    unsigned format, type;
    if (!image->texture || height == 0 || !make_current() || !find_layout(image, &format, &type)) {
        return;
    }
    gl.bind_texture(GL_TEXTURE_2D, image->texture);
    // Whole rows: OpenGL ES 2 knows no strides.
    gl.tex_sub_image(GL_TEXTURE_2D, 0, 0, (int)y, (int)image->width, (int)height, format, type,
                     image->pixels + (size_t)y * image->stride);
    gl.flush(); // the VMM reads it in another context
}

void pv_virgl_gl_destroy_texture(struct pv_virgl_image *image)
{
    if (image->texture && make_current()) {
        gl.delete_textures(1, &image->texture);
    }
    image->texture = 0;
}
