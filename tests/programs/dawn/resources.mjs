// Buffers, textures and queries in number and variety.

import { noise } from './session.mjs';

// Two thousand buffers, mapped, written, copied around and mapped again.
export async function buffers(session) {
  const { device } = session;
  const count = 2000;
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const list = Array.from({ length: count }, (_, i) => session.buffer(noise(64, i + 1), usage));
  const sum = session.zeros(count * 256, usage);
  session.submit(encoder => list.forEach((buffer, i) => encoder.copyBufferToBuffer(buffer, 0, sum, (count - 1 - i) * 256, 256)));
  const bytes = await session.read(sum);
  session.expect(new Uint32Array(bytes.buffer)[63] === noise(64, count)[63], 'the last buffer is not first');
  session.printBytes('copied', bytes);
  list.forEach(buffer => buffer.destroy());

  // Mapped for writing again and again, all at once.
  const uploads = Array.from({ length: 100 }, () => device.createBuffer({ size: 4096, usage: GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC }));
  for (let round = 0; round < 5; round++) {
    await Promise.all(uploads.map(buffer => buffer.mapAsync(GPUMapMode.WRITE)));
    uploads.forEach((buffer, i) => {
      new Uint32Array(buffer.getMappedRange(256, 1024)).set(noise(256, round * 100 + i + 1));
      buffer.unmap();
    });
    session.submit(encoder => uploads.forEach((buffer, i) => encoder.copyBufferToBuffer(buffer, 0, sum, i * 4096, 4096)));
  }
  session.printBytes('uploaded', await session.read(sum));

  // Many reads in flight, ended in any order.
  const downloads = Array.from({ length: 100 }, () => session.zeros(4096, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST));
  session.submit(encoder => downloads.forEach((buffer, i) => encoder.copyBufferToBuffer(sum, (99 - i) * 4096, buffer, 0, 4096)));
  await Promise.all(downloads.map(buffer => buffer.mapAsync(GPUMapMode.READ)));
  const all = new Uint8Array(100 * 4096);
  downloads.forEach((buffer, i) => all.set(new Uint8Array(buffer.getMappedRange()), i * 4096));
  session.printBytes('downloaded', all);
}

// A quarter of a GiB, written, filled, copied and read.
export async function large(session) {
  const size = Math.min(256 << 20, session.device.limits.maxBufferSize);
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [a, b] = [0, 1].map(() => session.zeros(size, usage));
  const block = noise(1 << 20);
  for (let at = 0; at < size; at += block.byteLength) {
    block[0] = at;
    session.device.queue.writeBuffer(a, at, block);
  }
  session.submit(encoder => {
    encoder.copyBufferToBuffer(a, 0, b, 0, size);
    encoder.clearBuffer(b, size / 2, 4096);
  });
  const bytes = await session.read(b);
  session.expect(new Uint32Array(bytes.buffer, size - block.byteLength)[0] === size - block.byteLength, 'the last block is wrong');
  session.printBytes('bytes', bytes);
}

// Name: bytes a block, texels a block, the feature it needs.
const FORMATS = {
  r8unorm: [1], r8snorm: [1], r8uint: [1], r8sint: [1], rg8unorm: [2], rg8snorm: [2], rg8uint: [2], rg8sint: [2],
  rgba8unorm: [4], 'rgba8unorm-srgb': [4], rgba8snorm: [4], rgba8uint: [4], rgba8sint: [4], bgra8unorm: [4],
  'bgra8unorm-srgb': [4], r16uint: [2], r16sint: [2], r16float: [2], rg16uint: [4], rg16sint: [4], rg16float: [4],
  rgba16uint: [8], rgba16sint: [8], rgba16float: [8], r32uint: [4], r32sint: [4], r32float: [4], rg32uint: [8],
  rg32sint: [8], rg32float: [8], rgba32uint: [16], rgba32sint: [16], rgba32float: [16], rgb10a2uint: [4],
  rgb10a2unorm: [4], rg11b10ufloat: [4], rgb9e5ufloat: [4],
  'bc1-rgba-unorm': [8, 4, 'texture-compression-bc'], 'bc2-rgba-unorm-srgb': [16, 4, 'texture-compression-bc'],
  'bc3-rgba-unorm': [16, 4, 'texture-compression-bc'], 'bc4-r-snorm': [8, 4, 'texture-compression-bc'],
  'bc5-rg-unorm': [16, 4, 'texture-compression-bc'], 'bc6h-rgb-ufloat': [16, 4, 'texture-compression-bc'],
  'bc7-rgba-unorm-srgb': [16, 4, 'texture-compression-bc'],
  'etc2-rgb8unorm': [8, 4, 'texture-compression-etc2'], 'eac-rg11snorm': [16, 4, 'texture-compression-etc2'],
  'astc-4x4-unorm': [16, 4, 'texture-compression-astc'], 'astc-8x8-unorm-srgb': [16, 8, 'texture-compression-astc'],
};

// Every format: written, copied from texture to texture and read, with layers and mip levels.
export async function textures(session) {
  const usage = GPUTextureUsage.COPY_SRC | GPUTextureUsage.COPY_DST | GPUTextureUsage.TEXTURE_BINDING;
  for (const [format, [texel, block = 1, feature]] of Object.entries(FORMATS)) {
    if (feature && !session.has(feature)) {
      session.print(format, 'absent');
      continue;
    }
    const size = [64, 64, 3];
    const [a, b] = [0, 1].map(() => session.device.createTexture({ format, size, usage, mipLevelCount: 3 }));
    for (let mipLevel = 0; mipLevel < 3; mipLevel++) {
      const side = 64 >> mipLevel;
      const blocks = Math.ceil(side / block);
      // Small positive exponents: copies keep bits that are numbers, but need not keep NaNs.
      const data = new Uint8Array(noise(blocks * blocks * texel * 3).buffer).map(byte => byte & 0x3b);
      session.device.queue.writeTexture({ texture: a, mipLevel }, data.subarray(0, blocks * blocks * texel * 3),
        { bytesPerRow: blocks * texel, rowsPerImage: blocks }, [blocks * block, blocks * block, 3]);
      session.submit(encoder => {
        for (let layer = 0; layer < 3; layer++) {
          encoder.copyTextureToTexture({ texture: a, mipLevel, origin: [0, 0, layer] },
            { texture: b, mipLevel, origin: [0, 0, 2 - layer] }, [blocks * block, blocks * block, 1]);
        }
      });
      const read = await session.readTexture(b, texel, { mipLevel, block });
      const layerSize = blocks * blocks * texel;
      session.expect(Buffer.compare(read.subarray(0, layerSize), data.subarray(2 * layerSize, 3 * layerSize)) === 0,
        `${format}, level ${mipLevel}: other bytes came back`);
      session.printBytes(`${format} ${mipLevel}`, read);
    }
    a.destroy();
    b.destroy();
  }
}

// Every format that can be sampled, as a shader sees it.
export async function loads(session) {
  for (const [format, [texel, block = 1, feature]] of Object.entries(FORMATS)) {
    if (feature && !session.has(feature)) {
      continue;
    }
    const type = /uint$/.test(format) ? 'u32' : /sint$/.test(format) ? 'i32' : 'f32';
    const blocks = 16 / block;
    const texture = session.device.createTexture({ format, size: [16, 16],
      usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST });
    const data = new Uint8Array(noise(blocks * blocks * texel).buffer).map(byte => byte & 0x3b);
    session.device.queue.writeTexture({ texture }, data.subarray(0, blocks * blocks * texel), { bytesPerRow: blocks * texel }, [16, 16]);
    const output = session.zeros(16 * 16 * 16);
    session.dispatch(session.compute(`
      @group(0) @binding(0) var picture: texture_2d<${type}>;
      @group(0) @binding(1) var<storage, read_write> texels: array<vec4<${type}>>;
      @compute @workgroup_size(16) fn main(@builtin(global_invocation_id) id: vec3u) {
        texels[id.y * 16u + id.x] = textureLoad(picture, id.xy, 0);
      }`), [texture.createView(), output], 1, 16);
    session.printBytes(format, await session.read(output));
  }
}

// 3D, cube and storage textures.
export async function shapes(session) {
  const data = noise(16 * 16 * 8);
  const volume = session.device.createTexture({ format: 'r32float', dimension: '3d', size: [16, 16, 8],
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC });
  session.device.queue.writeTexture({ texture: volume }, Float32Array.from(data, n => n >>> 20),
    { bytesPerRow: 64, rowsPerImage: 16 }, [16, 16, 8]);
  const image = session.device.createTexture({ format: 'rgba16float', size: [16, 16, 8],
    usage: GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_SRC });
  session.dispatch(session.compute(`
    @group(0) @binding(0) var volume: texture_3d<f32>;
    @group(0) @binding(1) var image: texture_storage_2d_array<rgba16float, write>;
    @compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {
      let value = textureLoad(volume, id, 0).x;
      textureStore(image, id.xy, id.z, vec4f(value, value * 0.5, f32(id.z), 1.0));
    }`), [volume.createView(), image.createView()], 2, 2, 8);
  session.printBytes('volume', await session.readTexture(volume, 4));
  session.printBytes('storage', await session.readTexture(image, 8));

  const cube = session.device.createTexture({ format: 'rgba8unorm', size: [8, 8, 6],
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST });
  session.device.queue.writeTexture({ texture: cube }, noise(8 * 8 * 6), { bytesPerRow: 32, rowsPerImage: 8 }, [8, 8, 6]);
  const seen = session.zeros(1024 * 16);
  session.dispatch(session.compute(`
    @group(0) @binding(0) var cube: texture_cube<f32>;
    @group(0) @binding(1) var filtered: sampler;
    @group(0) @binding(2) var<storage, read_write> seen: array<vec4f>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      let a = f32(id.x) * 0.37;
      seen[id.x] = textureSampleLevel(cube, filtered, vec3f(sin(a), cos(a * 1.3), sin(a * 0.7)), 0.0);
    }`), [cube.createView({ dimension: 'cube' }), session.device.createSampler({ magFilter: 'linear' }), seen], 16);
  session.printBytes('cube', await session.read(seen));
}

// Timestamps are not equal in two runs; that they are there and in order is.
export async function timestamps(session) {
  if (!session.has('timestamp-query')) {
    return session.print('timestamp-query', 'absent');
  }
  const querySet = session.device.createQuerySet({ type: 'timestamp', count: 8 });
  const results = session.zeros(64, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  const work = session.zeros(65536 * 4);
  const pipeline = session.compute(`
    @group(0) @binding(0) var<storage, read_write> values: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      for (var i = 0u; i < 100u; i++) { values[id.x] = values[id.x] * 5u + i; }
    }`);
  session.submit(encoder => {
    for (let i = 0; i < 4; i++) {
      const pass = encoder.beginComputePass({ timestampWrites: {
        querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 } });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, session.bind(pipeline, [work]));
      pass.dispatchWorkgroups(1024);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, 8, results, 0);
  });
  const times = await session.readAs(BigUint64Array, results);
  session.expect(times.every((time, i) => time > 0n && (i === 0 || time >= times[i - 1])), `out of order: ${times}`);
  const took = times[7] - times[0];
  session.expect(took > 0n && took < 60_000_000_000n, `the passes took ${took} ns`);
  session.print('timestamps', 'in order');
}

// What WebGPU finds wrong, and that the device lives on.
export async function mistakes(session) {
  const { device } = session;
  for (const [label, attempt] of Object.entries({
    usage: () => device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE }),
    shader: () => device.createShaderModule({ code: '@compute fn main() {}' }),
    size: () => device.createTexture({ format: 'rgba8unorm', size: [1 << 20, 1], usage: GPUTextureUsage.COPY_DST }),
    range: () => device.queue.writeBuffer(session.zeros(16), 8, new Uint8Array(16)),
  })) {
    device.pushErrorScope('validation');
    attempt();
    const error = await device.popErrorScope();
    session.expect(error !== null, `${label}: no error`);
    session.print(label, error.message.split('\n')[0]);
  }
}
