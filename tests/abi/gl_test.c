// Textures of 2D resources, in an OpenGL context as a VMM's display makes it: EGL without a
// surface, opened at run time. Skipped where there is no EGL.
#include "vmm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define EGL_NONE                  0x3038
#define EGL_PLATFORM_SURFACELESS  0x31dd
#define EGL_OPENGL_API            0x30a2
#define EGL_CONTEXT_MAJOR_VERSION 0x3098
#define EGL_CONTEXT_MINOR_VERSION 0x30fb
#define GL_TEXTURE_2D             0x0de1
#define GL_UNSIGNED_BYTE          0x1401
#define GL_RGBA                   0x1908

static struct {
    void *(*get_platform_display)(unsigned platform, void *native, const intptr_t *attributes);
    unsigned (*initialize)(void *display, int *major, int *minor);
    unsigned (*bind_api)(unsigned api);
    void *(*create_context)(void *display, void *config, void *share, const int *attributes);
    unsigned (*destroy_context)(void *display, void *context);
    unsigned (*make_current)(void *display, void *draw, void *read, void *context);
    void *display;
    void *shown; // the context that the display draws with
    int live;    // contexts made for the library
    int refuse;  // how many more are refused
} egl;

static struct {
    void (*bind_texture)(unsigned target, unsigned name);
    void (*get_tex_image)(unsigned target, int level, unsigned format, unsigned type, void *pixels);
    unsigned char (*is_texture)(unsigned name);
} gl;

static bool find(void *library, const char *name, void *function)
{
    void *symbol = library ? dlsym(library, name) : NULL;
    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static void *create_egl_context(int major, int minor)
{
    const int attributes[] = {EGL_CONTEXT_MAJOR_VERSION, major, EGL_CONTEXT_MINOR_VERSION, minor,
                              EGL_NONE};
    return egl.create_context(egl.display, NULL, egl.shown, attributes);
}

static bool open_egl(void)
{
    void *library = dlopen("libEGL.so.1", RTLD_NOW), *opengl = dlopen("libOpenGL.so.0", RTLD_NOW);
    if (!find(library, "eglGetPlatformDisplay", &egl.get_platform_display) ||
        !find(library, "eglInitialize", &egl.initialize) ||
        !find(library, "eglBindAPI", &egl.bind_api) ||
        !find(library, "eglCreateContext", &egl.create_context) ||
        !find(library, "eglDestroyContext", &egl.destroy_context) ||
        !find(library, "eglMakeCurrent", &egl.make_current) ||
        !find(opengl, "glBindTexture", &gl.bind_texture) ||
        !find(opengl, "glGetTexImage", &gl.get_tex_image) ||
        !find(opengl, "glIsTexture", &gl.is_texture)) {
        return false;
    }
    int major, minor;
    egl.display = egl.get_platform_display(EGL_PLATFORM_SURFACELESS, NULL, NULL);
    if (!egl.display || !egl.initialize(egl.display, &major, &minor) ||
        !egl.bind_api(EGL_OPENGL_API)) {
        return false;
    }
    egl.shown = create_egl_context(3, 1);
    return egl.shown != NULL;
}

static virgl_renderer_gl_context create_gl(void *cookie, int scanout,
                                           struct virgl_renderer_gl_ctx_param *param)
{
    (void)cookie;
    assert_int_equal(scanout, 0);
    if (egl.refuse > 0) {
        egl.refuse--;
        return NULL;
    }
    void *context = create_egl_context(param->major_ver, param->minor_ver);
    egl.live += context != NULL;
    return context;
}

static void destroy_gl(void *cookie, virgl_renderer_gl_context context)
{
    (void)cookie;
    egl.make_current(egl.display, NULL, NULL, NULL);
    egl.destroy_context(egl.display, context);
    egl.live--;
}

static int make_current(void *cookie, int scanout, virgl_renderer_gl_context context)
{
    (void)cookie;
    (void)scanout;
    return egl.make_current(egl.display, NULL, NULL, context) ? 0 : -1;
}

#define WIDTH  33
#define HEIGHT 17

static uint8_t pixels[HEIGHT][WIDTH][4];
static struct iovec iov = {pixels, sizeof(pixels)};

// A VMM whose callbacks make contexts, and resource 1 with what `pixels` has.
static void open_with_image(struct vmm *vmm, uint32_t format)
{
    vmm_open(vmm, QEMU_10_FLAGS, 3);
    vmm->callbacks.create_gl_context = create_gl;
    vmm->callbacks.destroy_gl_context = destroy_gl;
    vmm->callbacks.make_current = make_current;
    virgl_renderer_cleanup(vmm); // it looks at the callbacks when it starts
    assert_int_equal(virgl_renderer_init(vmm, QEMU_10_FLAGS, &vmm->callbacks), 0);
    for (int i = 0; i < WIDTH * HEIGHT * 4; i++) {
        ((uint8_t *)pixels)[i] = (uint8_t)(i * 5 + i / 256);
    }
    struct virgl_renderer_resource_create_args args = {
        .handle = 1, .target = 2, .format = format, .width = WIDTH, .height = HEIGHT, .flags = 1};
    assert_int_equal(virgl_renderer_resource_create(&args, &iov, 1), 0);
    struct virgl_box box = {.w = WIDTH, .h = HEIGHT, .d = 1};
    assert_int_equal(virgl_renderer_transfer_write_iov(1, 0, 0, 0, 0, &box, 0, NULL, 0), 0);
}

static uint32_t texture(void)
{
    struct virgl_renderer_resource_info_ext info;
    assert_int_equal(virgl_renderer_resource_get_info_ext(1, &info), 0);
    assert_int_equal(info.base.flags, info.base.tex_id ? 0 : 1);
    return info.base.tex_id;
}

// Reads in the display's context; `order` says where red, green, blue and alpha are in `pixels`.
static void expect_shown(uint32_t name, const int order[4])
{
    static uint8_t shown[HEIGHT][WIDTH][4];
    assert_true(egl.make_current(egl.display, NULL, NULL, egl.shown));
    gl.bind_texture(GL_TEXTURE_2D, name);
    gl.get_tex_image(GL_TEXTURE_2D, 0, GL_RGBA, GL_UNSIGNED_BYTE, shown);
    gl.bind_texture(GL_TEXTURE_2D, 0);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            for (int i = 0; i < 4; i++) {
                assert_int_equal(shown[y][x][i], pixels[y][x][order[i]]);
            }
        }
    }
}

static void the_display_sees_what_the_guest_draws(void **state)
{
    (void)state;
    static const struct {
        uint32_t format;
        int order[4];
    } cases[] = {
        {1, {2, 1, 0, 3}},  {2, {2, 1, 0, 3}},  {3, {1, 2, 3, 0}},   {4, {1, 2, 3, 0}},
        {67, {0, 1, 2, 3}}, {68, {3, 2, 1, 0}}, {121, {3, 2, 1, 0}}, {134, {0, 1, 2, 3}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vmm vmm;
        open_with_image(&vmm, cases[i].format);
        assert_int_equal(egl.live, 0); // nobody has asked for a texture
        const uint32_t name = texture();
        assert_int_not_equal(name, 0);
        assert_int_equal(texture(), name);
        assert_int_equal(egl.live, 1);
        expect_shown(name, cases[i].order);

        memset(pixels[5], 0x31, 3 * WIDTH * 4);
        struct virgl_box box = {.y = 5, .w = WIDTH, .h = 3, .d = 1};
        assert_int_equal(
            virgl_renderer_transfer_write_iov(1, 0, 0, 0, 0, &box, 5 * WIDTH * 4, NULL, 0), 0);
        expect_shown(name, cases[i].order);

        virgl_renderer_resource_unref(1);
        assert_true(egl.make_current(egl.display, NULL, NULL, egl.shown));
        assert_false(gl.is_texture(name));
        vmm_close(&vmm);
        assert_int_equal(egl.live, 0);
    }
}

static void an_older_context_will_do(void **state)
{
    (void)state;
    struct vmm vmm;
    open_with_image(&vmm, 2);
    egl.refuse = 1;
    const uint32_t name = texture();
    assert_int_equal(egl.refuse, 0);
    expect_shown(name, (int[]){2, 1, 0, 3});
    vmm_close(&vmm); // with the texture
    assert_int_equal(egl.live, 0);
}

static void without_a_context_there_is_no_texture(void **state)
{
    (void)state;
    struct vmm vmm;
    open_with_image(&vmm, 2);
    egl.refuse = 100;
    assert_int_equal(texture(), 0);
    const int left = egl.refuse;
    assert_int_equal(texture(), 0);
    assert_int_equal(egl.refuse, left); // it is asked once
    egl.refuse = 0;
    uint8_t copy[sizeof(pixels)];
    struct iovec copy_iov = {copy, sizeof(copy)};
    struct virgl_box box = {.w = WIDTH, .h = HEIGHT, .d = 1};
    assert_int_equal(virgl_renderer_transfer_read_iov(1, 0, 0, 0, 0, &box, 0, &copy_iov, 1), 0);
    assert_memory_equal(copy, pixels, sizeof(pixels));
    vmm_close(&vmm);
}

int main(void)
{
    if (!open_egl()) {
        printf("1..0 # SKIP no EGL without a surface here\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        VMM_CASE(the_display_sees_what_the_guest_draws),
        VMM_CASE(an_older_context_will_do),
        VMM_CASE(without_a_context_there_is_no_texture),
    };
    return cmocka_run_group_tests_name("gl", tests, NULL, NULL);
}
