// Compute programs whose results are known.

import { noise } from './session.mjs';

// What the adapter offers, without the lines that name it.
export async function limits(session) {
  session.print('features', [...session.adapter.features].sort().join(' '));
  for (const name in Object.getPrototypeOf(session.adapter.limits)) {
    session.print(name, session.adapter.limits[name]);
  }
  session.print('subgroups', `${session.adapter.info.subgroupMinSize} ${session.adapter.info.subgroupMaxSize}`);
  session.print('format', session.gpu.getPreferredCanvasFormat());
  session.print('wgsl', [...session.gpu.wgslLanguageFeatures].sort().join(' '));
}

export async function sum(session) {
  const numbers = noise(65536);
  const input = session.storage(numbers);
  const output = session.zeros(256 * 4);
  const pipeline = session.compute(`
    @group(0) @binding(0) var<storage, read> numbers: array<u32>;
    @group(0) @binding(1) var<storage, read_write> sums: array<u32>;
    var<workgroup> partial: array<u32, 256>;
    @compute @workgroup_size(256)
    fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32,
            @builtin(workgroup_id) group: vec3u) {
      partial[local] = numbers[id.x];
      for (var step = 128u; step > 0u; step = step / 2u) {
        workgroupBarrier();
        if (local < step) { partial[local] += partial[local + step]; }
      }
      if (local == 0u) { sums[group.x] = partial[0]; }
    }`);
  session.dispatch(pipeline, [input, output], 256);
  const sums = await session.readAs(Uint32Array, output);
  for (let group = 0; group < 256; group++) {
    const wanted = numbers.subarray(group * 256, group * 256 + 256).reduce((a, b) => a + b >>> 0, 0);
    session.expect(sums[group] === wanted, `group ${group}: ${sums[group]}, not ${wanted}`);
  }
  session.printBytes('sums', sums);
}

export async function atomics(session) {
  const numbers = noise(32768, 7);
  const histogram = session.zeros(64 * 4);
  session.dispatch(session.compute(`
    @group(0) @binding(0) var<storage, read> numbers: array<u32>;
    @group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>, 64>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      atomicAdd(&counts[numbers[id.x] >> 26u], 1u);
    }`), [session.storage(numbers), histogram], 512);
  const counts = await session.readAs(Uint32Array, histogram);
  const wanted = new Uint32Array(64);
  numbers.forEach(number => wanted[number >>> 26]++);
  session.expect(counts.every((count, bin) => count === wanted[bin]), 'the histogram is wrong');
  session.printBytes('histogram', counts);
}

export async function matrix(session) {
  const size = 64;
  const [a, b] = [3, 5].map(seed => Float32Array.from(noise(size * size, seed), n => (n >>> 8 & 15) - 8));
  const product = session.zeros(size * size * 4);
  session.dispatch(session.compute(`
    override size: u32;
    @group(0) @binding(0) var<storage, read> a: array<f32>;
    @group(0) @binding(1) var<storage, read> b: array<f32>;
    @group(0) @binding(2) var<storage, read_write> product: array<f32>;
    @compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {
      var sum = 0.0;
      for (var i = 0u; i < size; i++) { sum += a[id.y * size + i] * b[i * size + id.x]; }
      product[id.y * size + id.x] = sum;
    }`, { size }), [session.storage(a), session.storage(b), product], size / 8, size / 8);
  const values = await session.readAs(Float32Array, product);
  for (const [row, column] of [[0, 0], [17, 42], [63, 63]]) {
    let wanted = 0;
    for (let i = 0; i < size; i++) {
      wanted += a[row * size + i] * b[i * size + column];
    }
    session.expect(values[row * size + column] === wanted, `row ${row}, column ${column}`);
  }
  session.printBytes('product', values);
}

// A function of floats whose last bits depend on the driver's code.
export async function waves(session) {
  const output = session.zeros(4096 * 16);
  session.dispatch(session.compute(`
    @group(0) @binding(0) var<storage, read_write> values: array<vec4f>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      let x = f32(id.x) * 0.01;
      values[id.x] = vec4f(sin(x), exp2(cos(x)), pow(x + 1.0, 1.7), inverseSqrt(x + 0.5));
    }`), [output], 64);
  const values = await session.readAs(Float32Array, output);
  session.expect(Math.abs(values[400] - Math.sin(1)) < 1e-3, `sin(1) is not ${values[400]}`);
  session.printBytes('values', values);
}

export async function half(session) {
  if (!session.has('shader-f16')) {
    return session.print('shader-f16', 'absent');
  }
  const output = session.zeros(1024 * 2);
  session.dispatch(session.compute(`enable f16;
    @group(0) @binding(0) var<storage, read_write> values: array<f16>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      values[id.x] = sqrt(f16(id.x)) * 1.5h;
    }`), [output], 16);
  const values = await session.readAs(Uint16Array, output);
  session.expect(values[4] === 0x4200, `3.0 is not 0x${values[4].toString(16)}`);
  session.printBytes('values', values);
}

export async function subgroups(session) {
  if (!session.has('subgroups')) {
    return session.print('subgroups', 'absent');
  }
  const output = session.zeros(256 * 16);
  session.dispatch(session.compute(`enable subgroups;
    @group(0) @binding(0) var<storage, read_write> values: array<vec4u>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3u, @builtin(subgroup_invocation_id) lane: u32,
            @builtin(subgroup_size) size: u32) {
      values[id.x] = vec4u(subgroupAdd(id.x), subgroupExclusiveAdd(1u), subgroupBroadcastFirst(id.x),
        subgroupShuffleXor(id.x, 1u));
    }`), [output], 4);
  const values = await session.readAs(Uint32Array, output);
  for (let id = 0; id < 256; id++) {
    session.expect(values[id * 4 + 3] === (id ^ 1), `invocation ${id} saw ${values[id * 4 + 3]}`);
  }
  session.printBytes('values', values);
}

// A dispatch whose size another dispatch computes.
export async function indirect(session) {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.INDIRECT | GPUBufferUsage.COPY_SRC;
  const size = session.zeros(12, usage);
  const count = session.zeros(4);
  const writer = session.compute(`
    @group(0) @binding(0) var<storage, read_write> size: array<u32>;
    @compute @workgroup_size(1) fn main() { size[0] = 5u; size[1] = 3u; size[2] = 2u; }`);
  const counter = session.compute(`
    @group(0) @binding(0) var<storage, read_write> count: atomic<u32>;
    @compute @workgroup_size(4, 4) fn main() { atomicAdd(&count, 1u); }`);
  session.submit(encoder => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(writer);
    pass.setBindGroup(0, session.bind(writer, [size]));
    pass.dispatchWorkgroups(1);
    pass.setPipeline(counter);
    pass.setBindGroup(0, session.bind(counter, [count]));
    pass.dispatchWorkgroupsIndirect(size, 0);
    pass.end();
  });
  const [invocations] = await session.readAs(Uint32Array, count);
  session.expect(invocations === 5 * 3 * 2 * 16, `${invocations} invocations`);
  session.print('invocations', invocations);
}

// One group with a dynamic offset for each of many dispatches.
export async function offsets(session) {
  const { device } = session;
  const step = 256;
  const parameters = new Uint32Array(64 * step / 4);
  for (let i = 0; i < 64; i++) {
    parameters[i * step / 4] = i * i + 1;
  }
  const uniform = session.buffer(parameters, GPUBufferUsage.UNIFORM);
  const output = session.zeros(64 * step);
  const layout = device.createBindGroupLayout({
    entries: [['uniform', 0], ['storage', 1]].map(([type, binding]) => ({
      binding, visibility: GPUShaderStage.COMPUTE, buffer: { type, hasDynamicOffset: true },
    })),
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code: `
      @group(0) @binding(0) var<uniform> number: u32;
      @group(0) @binding(1) var<storage, read_write> square: u32;
      @compute @workgroup_size(1) fn main() { square = number * number; }` }) },
  });
  const group = device.createBindGroup({ layout, entries: [
    { binding: 0, resource: { buffer: uniform, size: 4 } },
    { binding: 1, resource: { buffer: output, size: 4 } },
  ] });
  session.submit(encoder => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    for (let i = 0; i < 64; i++) {
      pass.setBindGroup(0, group, [i * step, i * step]);
      pass.dispatchWorkgroups(1);
    }
    pass.end();
  });
  const values = await session.readAs(Uint32Array, output);
  for (let i = 0; i < 64; i++) {
    session.expect(values[i * step / 4] === (i * i + 1) ** 2, `square ${i}`);
  }
  session.printBytes('squares', values);
}
