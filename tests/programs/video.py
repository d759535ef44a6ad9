"""ffmpeg's Vulkan filters and encoders on generated pictures: the checksum of each frame."""

import os

from harness import program

PACKAGES = ['ffmpeg']

TEST = 'testsrc2=size=320x240:rate=25:duration=0.4'
SMALL = 'testsrc2=size=128x96:rate=25:duration=0.12'
OTHER = 'testsrc=size={size}:rate=25:duration=0.4'

# Left out: xfade_vulkan, whose frames differ between two native runs, and chromaber_vulkan, which
# crashes lavapipe. Debian 13's ffmpeg uploads nothing where a driver has no
# VK_EXT_external_memory_host; only its libplacebo, which uploads by itself, is run there
# (docs/programs.md).
FILTERS = {
    'hflip': 'hflip_vulkan',
    'vflip': 'vflip_vulkan',
    'flip': 'flip_vulkan',
    'transpose': 'transpose_vulkan=dir=clock',
    'scale': 'scale_vulkan=w=200:h=150',
    'gblur': 'gblur_vulkan=sigma=3',
    'avgblur': 'avgblur_vulkan=sizeX=5',
    'bwdif': 'bwdif_vulkan',
    'libplacebo': 'libplacebo=w=200:h=150',
    'deband': 'libplacebo=w=480:h=360:upscaler=ewa_lanczos:deband=1:dithering=blue',
    'interlace': 'interlace_vulkan',
    'scdet': 'scdet_vulkan',
    'blackdetect': 'blackdetect_vulkan=d=0.1',
    'v360': 'v360_vulkan=e:flat:w=160:h=120',
}


def compare(test, name, *arguments, timeout=900):
    """Frames with their checksums, natively and through pv-venus."""
    command = ['ffmpeg', '-nostdin', '-hide_banner', '-v', 'error',
               '-init_hw_device', 'vulkan=gpu:0', '-filter_hw_device', 'gpu',
               *arguments, '-f', 'framemd5', '-']
    native, ours = test.native(command, timeout=timeout), test.ours(command, timeout=timeout)
    frames = [line for line in ours.output.splitlines() if not line.startswith('#')]
    test.expect(frames, f'{name}: no frames')
    try:
        test.same_text(native, ours)
    except Exception as error:
        raise type(error)(f'{name}: {error}') from error
    return len(frames)


def filtered(test, name, chain, source=TEST, pixels='yuv420p', out='yuv420p'):
    return compare(test, name, '-f', 'lavfi', '-i', source,
                   '-vf', f'format={pixels},hwupload,{chain},hwdownload,format={out}')


@program(places=('sid',), package='ffmpeg')
def ffmpeg_upload(test):
    """Frames go up and come down in formats of one, two and three planes."""
    formats = ['yuv420p', 'nv12', 'p010', 'rgba', 'yuv444p16', 'gray']
    frames = sum(compare(test, pixels, '-f', 'lavfi', '-i', TEST,
                         '-vf', f'format={pixels},hwupload,hwdownload,format={pixels}')
                 for pixels in formats)
    test.note(f'{frames} frames of {len(formats)} formats, bit-exact')


@program(places=('sid',), package='ffmpeg')
def ffmpeg_filters(test):
    frames = sum(filtered(test, name, chain) for name, chain in FILTERS.items())
    frames += filtered(test, 'scale to yuv444p', 'scale_vulkan=w=640:h=480:format=yuv444p',
                       pixels='rgba', out='yuv444p')
    frames += filtered(test, 'nlmeans', 'nlmeans_vulkan=s=3:p=5:r=7', source=SMALL)
    frames += filtered(
        test, 'tone mapping',
        'libplacebo=tonemapping=bt.2390:colorspace=bt709:color_primaries=bt709:color_trc=bt709:'
        'format=yuv420p', source=SMALL,
        pixels='p010,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc')
    test.note(f'{frames} frames of {len(FILTERS) + 3} filters, bit-exact')


@program(places=('trixie', 'sid'), package='ffmpeg')
def ffmpeg_libplacebo(test):
    """Frames of the CPU's memory, which libplacebo moves to the device and back."""
    frames = 0
    for name, chain in (('scale', 'libplacebo=w=200:h=150'),
                        ('crop and debanding', 'libplacebo=w=400:h=300:crop_w=200:deband=1'),
                        ('to 10 bits', 'libplacebo=format=yuv420p10')):
        frames += compare(test, name, '-f', 'lavfi', '-i', TEST,
                          '-vf', f'format=yuv420p,{chain},format=yuv444p16')
    test.note(f'{frames} frames, bit-exact')


@program(places=('sid',), package='ffmpeg')
def ffmpeg_two_inputs(test):
    frames = 0
    for name, size, chain in (('overlay', '100x80', 'overlay_vulkan=x=50:y=40'),
                              ('blend', '320x240', 'blend_vulkan=all_mode=multiply')):
        frames += compare(
            test, name, '-f', 'lavfi', '-i', TEST, '-f', 'lavfi', '-i', OTHER.format(size=size),
            '-filter_complex', '[0]format=yuv420p,hwupload[a];[1]format=yuv420p,hwupload[b];'
            f'[a][b]{chain},hwdownload,format=yuv420p')
    test.note(f'{frames} frames of overlay and blend, bit-exact')


@program(places=('sid',), package='ffmpeg')
def ffmpeg_ffv1(test):
    """A lossless codec in compute shaders: encoded, and decoded again."""
    frames = compare(test, 'encode', '-f', 'lavfi', '-i', TEST, '-vf', 'format=yuv420p,hwupload',
                     '-c:v', 'ffv1_vulkan', '-level', '4', '-strict', '-2')
    film = test.path('film.mkv')
    test.native(['ffmpeg', '-nostdin', '-hide_banner', '-v', 'error', '-f', 'lavfi', '-i', TEST,
                 '-c:v', 'ffv1', '-level', '3', '-pix_fmt', 'yuv420p', film])
    test.expect(os.path.getsize(film) > 1000, 'no film to decode')
    frames += compare(test, 'decode', '-hwaccel', 'vulkan', '-hwaccel_device', 'gpu',
                      '-hwaccel_output_format', 'vulkan', '-i', film,
                      '-vf', 'hwdownload,format=yuv420p')
    test.note(f'{frames} packets and frames of FFV1, bit-exact')
