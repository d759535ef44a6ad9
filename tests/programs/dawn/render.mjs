// Render programs: what they draw is read back and hashed.

import { distinct, noise } from './session.mjs';

const SIZE = 128;

const QUAD = `
  struct Vertex { @builtin(position) position: vec4f, @location(0) at: vec2f }
  @vertex fn corner(@builtin(vertex_index) index: u32) -> Vertex {
    let at = vec2f(f32(index & 1u), f32(index >> 1u));
    return Vertex(vec4f(at * 2.0 - 1.0, 0.0, 1.0), at);
  }`;

function pipeline(session, code, format, more = {}) {
  const module = session.device.createShaderModule({ code });
  const { buffers, blend, fragment, ...rest } = more;
  return session.device.createRenderPipeline({
    layout: 'auto',
    vertex: { module, buffers },
    fragment: { module, targets: [{ format, blend }], ...fragment },
    primitive: { topology: 'triangle-strip' },
    ...rest,
  });
}

function draw(session, texture, record, more = {}) {
  session.submit(encoder => {
    const pass = encoder.beginRenderPass({
      colorAttachments: [{
        view: texture.createView(), loadOp: 'clear', storeOp: 'store', clearValue: [0.1, 0.2, 0.3, 1],
      }],
      ...more,
    });
    record(pass);
    pass.end();
  });
}

async function finish(session, label, texture, texel = 4) {
  const pixels = await session.readTexture(texture, texel);
  session.expect(distinct(pixels) > 4, `${label} is a plain colour`);
  session.printBytes(label, pixels);
}

export async function triangle(session) {
  const target = session.target('rgba8unorm', [SIZE, SIZE]);
  const drawn = pipeline(session, `
    struct Vertex { @builtin(position) position: vec4f, @location(0) colour: vec3f }
    @vertex fn corner(@location(0) position: vec2f, @location(1) colour: vec3f) -> Vertex {
      return Vertex(vec4f(position, 0.0, 1.0), colour);
    }
    @fragment fn paint(vertex: Vertex) -> @location(0) vec4f { return vec4f(vertex.colour, 1.0); }`,
  'rgba8unorm', {
    primitive: { topology: 'triangle-list' },
    buffers: [{ arrayStride: 20, attributes: [
      { shaderLocation: 0, offset: 0, format: 'float32x2' },
      { shaderLocation: 1, offset: 8, format: 'float32x3' },
    ] }],
  });
  const vertices = session.buffer(new Float32Array([
    0, 0.9, 1, 0, 0, -0.9, -0.8, 0, 1, 0, 0.9, -0.8, 0, 0, 1,
  ]), GPUBufferUsage.VERTEX);
  draw(session, target, pass => {
    pass.setPipeline(drawn);
    pass.setVertexBuffer(0, vertices);
    pass.draw(3);
  });
  const pixels = await session.readTexture(target);
  session.expect(pixels[0] === 26 && pixels[1] === 51, 'the corner does not have the clear colour');
  session.printBytes('picture', pixels);
}

// Instances with depth, an index buffer and four samples, resolved.
export async function cubes(session) {
  const count = 4;
  const colour = session.target('rgba8unorm', [SIZE, SIZE], { sampleCount: count, usage: GPUTextureUsage.RENDER_ATTACHMENT });
  const depth = session.target('depth24plus', [SIZE, SIZE], { sampleCount: count, usage: GPUTextureUsage.RENDER_ATTACHMENT });
  const resolved = session.target('rgba8unorm', [SIZE, SIZE]);
  const drawn = pipeline(session, `
    struct Vertex { @builtin(position) position: vec4f, @location(0) colour: vec3f }
    @group(0) @binding(0) var<uniform> turn: vec4f;
    @vertex fn corner(@location(0) corner: vec3f, @builtin(instance_index) instance: u32) -> Vertex {
      let angle = f32(instance) * 0.7 + turn.x;
      let c = cos(angle);
      let s = sin(angle);
      let p = vec3f(c * corner.x - s * corner.z, corner.y, s * corner.x + c * corner.z) * 0.25;
      let offset = vec3f(f32(instance % 3u) * 0.5 - 0.5, f32(instance / 3u) * 0.5 - 0.5, 0.5);
      return Vertex(vec4f(p.xy + offset.xy, p.z * 0.5 + offset.z, 1.0), corner * 0.5 + 0.5);
    }
    @fragment fn paint(vertex: Vertex) -> @location(0) vec4f { return vec4f(vertex.colour, 1.0); }`,
  'rgba8unorm', {
    buffers: [{ arrayStride: 12, attributes: [{ shaderLocation: 0, offset: 0, format: 'float32x3' }] }],
    primitive: { topology: 'triangle-list', cullMode: 'back' },
    depthStencil: { format: 'depth24plus', depthWriteEnabled: true, depthCompare: 'less' },
    multisample: { count },
  });
  const corners = [];
  for (let i = 0; i < 8; i++) {
    corners.push(i & 1 ? 1 : -1, i & 2 ? 1 : -1, i & 4 ? 1 : -1);
  }
  const vertices = session.buffer(new Float32Array(corners), GPUBufferUsage.VERTEX);
  const indices = session.buffer(new Uint16Array([
    0, 1, 2, 2, 1, 3, 4, 6, 5, 5, 6, 7, 0, 4, 1, 1, 4, 5, 2, 3, 6, 6, 3, 7, 0, 2, 4, 4, 2, 6, 1, 5, 3, 3, 5, 7,
  ]), GPUBufferUsage.INDEX);
  const turn = session.buffer(new Float32Array(4), GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const group = session.bind(drawn, [turn]);
  for (let frame = 0; frame < 8; frame++) {
    session.device.queue.writeBuffer(turn, 0, new Float32Array([frame * 0.1, 0, 0, 0]));
    draw(session, colour, pass => {
      pass.setPipeline(drawn);
      pass.setBindGroup(0, group);
      pass.setVertexBuffer(0, vertices);
      pass.setIndexBuffer(indices, 'uint16');
      pass.drawIndexed(36, 9);
    }, {
      colorAttachments: [{ view: colour.createView(), resolveTarget: resolved.createView(),
        loadOp: 'clear', storeOp: 'discard', clearValue: [0, 0, 0, 1] }],
      depthStencilAttachment: { view: depth.createView(), depthClearValue: 1, depthLoadOp: 'clear', depthStoreOp: 'discard' },
    });
    if (frame % 7 === 0) {
      await finish(session, `frame ${frame}`, resolved);
    }
  }
}

// A picture with mip levels, filtered in every way.
export async function sampling(session) {
  const source = session.device.createTexture({
    format: 'rgba8unorm', size: [64, 64], mipLevelCount: 4,
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  for (let mipLevel = 0; mipLevel < 4; mipLevel++) {
    const size = 64 >> mipLevel;
    session.device.queue.writeTexture({ texture: source, mipLevel }, noise(size * size, mipLevel + 1),
      { bytesPerRow: size * 4 }, [size, size]);
  }
  const target = session.target('rgba8unorm', [SIZE, SIZE]);
  const drawn = pipeline(session, `${QUAD}
    @group(0) @binding(0) var picture: texture_2d<f32>;
    @group(0) @binding(1) var filtered: sampler;
    @fragment fn paint(vertex: Vertex) -> @location(0) vec4f {
      return textureSample(picture, filtered, vertex.at * vertex.at * 3.0 - 0.5);
    }`, 'rgba8unorm');
  for (const addressMode of ['clamp-to-edge', 'repeat', 'mirror-repeat']) {
    for (const filter of ['nearest', 'linear']) {
      for (const maxAnisotropy of filter === 'linear' ? [1, 8] : [1]) {
        const sampler = session.device.createSampler({
          addressModeU: addressMode, addressModeV: addressMode, magFilter: filter, minFilter: filter,
          mipmapFilter: filter, maxAnisotropy,
        });
        draw(session, target, pass => {
          pass.setPipeline(drawn);
          pass.setBindGroup(0, session.bind(drawn, [source.createView(), sampler]));
          pass.draw(4);
        });
        await finish(session, `${addressMode} ${filter} ${maxAnisotropy}`, target);
      }
    }
  }
}

export async function blending(session) {
  const target = session.target('bgra8unorm', [SIZE, SIZE]);
  const factors = ['zero', 'one', 'src', 'one-minus-src', 'src-alpha', 'one-minus-src-alpha', 'dst',
    'one-minus-dst', 'dst-alpha', 'one-minus-dst-alpha', 'src-alpha-saturated', 'constant', 'one-minus-constant'];
  const operations = ['add', 'subtract', 'reverse-subtract'];
  const all = factors.map((factor, i) => pipeline(session, `${QUAD}
    @fragment fn paint(vertex: Vertex) -> @location(0) vec4f {
      return vec4f(vertex.at, ${(i + 1) / 16}, 0.5 + vertex.at.x * 0.25);
    }`, 'bgra8unorm', {
    blend: {
      color: { srcFactor: factor, dstFactor: factors[factors.length - 1 - i], operation: operations[i % 3] },
      alpha: { srcFactor: 'one', dstFactor: 'one-minus-src-alpha', operation: 'add' },
    },
  }));
  draw(session, target, pass => {
    pass.setBlendConstant([0.5, 0.25, 0.75, 1]);
    all.forEach((drawn, i) => {
      pass.setPipeline(drawn);
      pass.setViewport(i % 4 * 24, (i >> 2) * 24, 56, 56, 0, 1);
      pass.setScissorRect(i % 4 * 24 + 4, (i >> 2) * 24 + 4, 48, 48);
      pass.draw(4);
    });
  });
  await finish(session, 'picture', target);
}

// A stencil decides where a second draw lands.
export async function stencil(session) {
  const target = session.target('rgba8unorm', [SIZE, SIZE]);
  const depth = session.target('depth24plus-stencil8', [SIZE, SIZE]);
  const passes = [['always', 'invert'], ['equal', 'increment-wrap']].map(([compare, passOp], i) =>
    pipeline(session, `${QUAD}
      @fragment fn paint(vertex: Vertex) -> @location(0) vec4f {
        if (${i === 0 ? 'distance(vertex.at, vec2f(0.5)) > 0.4' : 'false'}) { discard; }
        return vec4f(vertex.at.yx, ${i}.0, 1.0);
      }`, 'rgba8unorm', {
      depthStencil: { format: 'depth24plus-stencil8', depthWriteEnabled: true, depthCompare: 'always',
        stencilFront: { compare, passOp }, stencilBack: { compare, passOp } },
    }));
  draw(session, target, pass => {
    pass.setPipeline(passes[0]);
    pass.setViewport(0, 0, 96, 96, 0, 1);
    pass.draw(4);
    pass.setPipeline(passes[1]);
    pass.setViewport(32, 32, 96, 96, 0, 1);
    pass.setStencilReference(255);
    pass.draw(4);
  }, {
    depthStencilAttachment: { view: depth.createView(), depthClearValue: 0.5, depthLoadOp: 'clear', depthStoreOp: 'store',
      stencilClearValue: 0, stencilLoadOp: 'clear', stencilStoreOp: 'store' },
  });
  await finish(session, 'picture', target);
  const values = await session.readTexture(depth, 1, { aspect: 'stencil-only' });
  session.expect(new Set(values).size === 2, `stencil values ${[...new Set(values)]}`);
  session.printBytes('stencil', values);
}

// Several targets of other formats at once.
export async function targets(session) {
  const formats = { rgba8unorm: 4, r32float: 4, rg16uint: 4, rgba16float: 8, rgb10a2unorm: 4 };
  const textures = Object.keys(formats).map(format => session.target(format, [SIZE, SIZE]));
  const module = session.device.createShaderModule({ code: `${QUAD}
    struct Colours {
      @location(0) a: vec4f, @location(1) b: f32, @location(2) c: vec2u, @location(3) d: vec4f, @location(4) e: vec4f,
    }
    @fragment fn paint(vertex: Vertex) -> Colours {
      let at = vertex.at;
      return Colours(vec4f(at, 0.0, 1.0), at.x * at.y, vec2u(at * 999.0), vec4f(at, at),
        vec4f(at, 0.5, 1.0));
    }` });
  const drawn = await session.device.createRenderPipelineAsync({
    layout: 'auto', vertex: { module }, primitive: { topology: 'triangle-strip' },
    fragment: { module, targets: Object.keys(formats).map(format => ({ format })) },
  });
  const bundle = session.device.createRenderBundleEncoder({ colorFormats: Object.keys(formats) });
  bundle.setPipeline(drawn);
  bundle.draw(4);
  draw(session, textures[0], pass => pass.executeBundles([bundle.finish()]), {
    colorAttachments: textures.map(texture => ({ view: texture.createView(), loadOp: 'clear', storeOp: 'store' })),
  });
  for (const [i, [format, texel]] of Object.entries(formats).entries()) {
    await finish(session, format, textures[i], texel);
  }
}

// Draws whose arguments lie in a buffer, and what an occlusion query says of them.
export async function occlusion(session) {
  const target = session.target('rgba8unorm', [SIZE, SIZE]);
  const drawn = pipeline(session, `${QUAD}
    @fragment fn paint(vertex: Vertex) -> @location(0) vec4f { return vec4f(vertex.at, 1.0, 1.0); }`, 'rgba8unorm');
  const calls = session.buffer(new Uint32Array([4, 1, 0, 0, 0, 1, 0, 0, 3, 1, 0, 0]), GPUBufferUsage.INDIRECT);
  const occlusionQuerySet = session.device.createQuerySet({ type: 'occlusion', count: 3 });
  const results = session.zeros(24, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  draw(session, target, pass => {
    pass.setPipeline(drawn);
    for (let i = 0; i < 3; i++) {
      pass.beginOcclusionQuery(i);
      pass.drawIndirect(calls, i * 16);
      pass.endOcclusionQuery();
    }
  }, { occlusionQuerySet });
  session.submit(encoder => encoder.resolveQuerySet(occlusionQuerySet, 0, 3, results, 0));
  const counts = await session.readAs(BigUint64Array, results);
  session.expect(counts[0] > 0n && counts[1] === 0n && counts[2] > 0n, `counts ${counts}`);
  session.print('seen', [...counts].map(count => count > 0n));
  await finish(session, 'picture', target);
}
