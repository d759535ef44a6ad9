"""The formats of vk.xml: how the texels of each aspect lie in memory.

Nothing of this is on the wire; the renderer needs it to know how many bytes a copy touches.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass
class Aspect:
    """What a copy of one aspect of an image moves."""
    name: str  # VK_IMAGE_ASPECT_..._BIT
    size: int  # bytes of a block
    extent: tuple  # texels of a block: width, height, depth
    divisors: tuple  # of the image's width and height


@dataclass
class Format:
    name: str
    aspects: list


def block(element):
    extent = element.get('blockExtent')
    return int(element.get('blockSize')), \
        tuple(int(n) for n in extent.split(',')) if extent else (1, 1, 1)


def aspects(element, elements):
    """Vulkan, "Buffer and Image Addressing": depth and stencil are copied apart."""
    planes = element.findall('plane')
    if planes:
        return [Aspect(f'VK_IMAGE_ASPECT_PLANE_{plane.get("index")}_BIT',
                       *block(elements[plane.get('compatible')]),
                       (int(plane.get('widthDivisor')), int(plane.get('heightDivisor'))))
                for plane in planes]
    bits = {c.get('name'): c.get('bits') for c in element.findall('component')}
    found = []
    if 'D' in bits:
        # 24 bits lie in words of 32.
        size = 2 if bits['D'] == '16' else 4
        found.append(Aspect('VK_IMAGE_ASPECT_DEPTH_BIT', size, (1, 1, 1), (1, 1)))
    if 'S' in bits:
        found.append(Aspect('VK_IMAGE_ASPECT_STENCIL_BIT', 1, (1, 1, 1), (1, 1)))
    return found or [Aspect('VK_IMAGE_ASPECT_COLOR_BIT', *block(element), (1, 1))]


def read_formats(vk_xml):
    root = ElementTree.parse(vk_xml).getroot()
    elements = {e.get('name'): e for e in root.findall('formats/format')}
    return [Format(name, aspects(element, elements)) for name, element in elements.items()]
