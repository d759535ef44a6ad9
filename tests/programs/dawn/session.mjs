// A device for one program, and what all programs need of it.

import { createHash } from 'node:crypto';

export class Session {
  // `gpu` owns the Vulkan instance: Dawn frees it as soon as nothing refers to the object.
  static async open(dawn, name) {
    const session = new Session();
    session.dawn = dawn;
    session.name = name;
    session.gpu = dawn.create(['backend=vulkan']);
    session.adapter = await session.gpu.requestAdapter();
    if (session.adapter === null) {
      throw new Error('Dawn found no Vulkan adapter');
    }
    const wanted = ['timestamp-query', 'shader-f16', 'subgroups', 'depth32float-stencil8',
      'texture-compression-bc', 'texture-compression-etc2', 'texture-compression-astc',
      'indirect-first-instance', 'float32-filterable', 'float32-blendable', 'rg11b10ufloat-renderable',
      'bgra8unorm-storage', 'dual-source-blending', 'clip-distances', 'depth-clip-control'];
    session.device = await session.adapter.requestDevice({
      requiredFeatures: wanted.filter(feature => session.adapter.features.has(feature)),
    });
    session.errors = [];
    session.device.addEventListener('uncapturederror', event => session.errors.push(event.error.message));
    return session;
  }

  async close() {
    await this.device.queue.onSubmittedWorkDone();
    this.expect(this.errors.length === 0, `errors: ${this.errors.join('; ')}`);
    this.device.destroy();
    const lost = await this.device.lost;
    this.expect(lost.reason === 'destroyed', `the device was lost: ${lost.message}`);
  }

  expect(condition, text) {
    if (!condition) {
      throw new Error(`${this.name}: ${text}`);
    }
  }

  print(label, value) {
    console.log(`${this.name} ${label}: ${value}`);
  }

  printBytes(label, bytes) {
    this.print(label, `${bytes.byteLength} bytes ${createHash('sha256').update(bytes).digest('hex')}`);
  }

  has(feature) {
    return this.device.features.has(feature);
  }

  // A buffer with these contents.
  buffer(data, usage) {
    const buffer = this.device.createBuffer({
      size: Math.ceil(data.byteLength / 4) * 4, usage, mappedAtCreation: true,
    });
    new Uint8Array(buffer.getMappedRange()).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    buffer.unmap();
    return buffer;
  }

  storage(data) {
    return this.buffer(data, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  }

  zeros(size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST) {
    return this.device.createBuffer({ size, usage });
  }

  compute(code, constants, entryPoint = 'main') {
    return this.device.createComputePipeline({
      layout: 'auto', compute: { module: this.device.createShaderModule({ code }), entryPoint, constants },
    });
  }

  bind(pipeline, resources, group = 0) {
    return this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(group),
      entries: resources.map((resource, binding) => ({
        binding, resource: resource instanceof GPUBuffer ? { buffer: resource } : resource,
      })),
    });
  }

  dispatch(pipeline, resources, ...groups) {
    this.submit(encoder => {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, this.bind(pipeline, resources));
      pass.dispatchWorkgroups(...groups);
      pass.end();
    });
  }

  submit(record) {
    const encoder = this.device.createCommandEncoder();
    record(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  async read(buffer, size = buffer.size) {
    const staging = this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    this.submit(encoder => encoder.copyBufferToBuffer(buffer, 0, staging, 0, size));
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = new Uint8Array(staging.getMappedRange()).slice();
    staging.unmap();
    staging.destroy();
    return bytes;
  }

  async readAs(Type, buffer) {
    return new Type((await this.read(buffer)).buffer);
  }

  // The texels of one mip level without the padding of rows. `texel`: bytes in a block of texels;
  // `block`: how many texels wide and high a block is.
  async readTexture(texture, texel = 4, { mipLevel = 0, aspect = 'all', block = 1 } = {}) {
    const level = size => Math.max(1, size >> mipLevel);
    const columns = Math.ceil(level(texture.width) / block);
    const rows = Math.ceil(level(texture.height) / block);
    const layers = texture.dimension === '3d' ? level(texture.depthOrArrayLayers) : texture.depthOrArrayLayers;
    const bytesPerRow = Math.ceil(columns * texel / 256) * 256;
    const size = bytesPerRow * rows * layers;
    const buffer = this.zeros(size, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    this.submit(encoder => encoder.copyTextureToBuffer({ texture, mipLevel, aspect },
      { buffer, bytesPerRow, rowsPerImage: rows },
      [columns * block, rows * block, layers]));
    const padded = await this.read(buffer);
    buffer.destroy();
    const tight = new Uint8Array(columns * texel * rows * layers);
    for (let row = 0; row < rows * layers; row++) {
      tight.set(padded.subarray(row * bytesPerRow, row * bytesPerRow + columns * texel), row * columns * texel);
    }
    return tight;
  }

  target(format, size, more = {}) {
    return this.device.createTexture({
      format, size, usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC |
        GPUTextureUsage.TEXTURE_BINDING, ...more,
    });
  }
}

// Numbers that look random and are the same in each run.
export function noise(count, seed = 1) {
  let state = seed;
  return Uint32Array.from({ length: count }, () => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return (state ^ state >>> 15) >>> 0;
  });
}

export function distinct(bytes) {
  return new Set(bytes).size;
}
