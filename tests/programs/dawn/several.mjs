// More than one of something in one process.

import { Session, noise } from './session.mjs';

async function work(session, seed) {
  const numbers = noise(4096, seed);
  const output = session.zeros(4096 * 4);
  const pipeline = session.compute(`
    @group(0) @binding(0) var<storage, read> numbers: array<u32>;
    @group(0) @binding(1) var<storage, read_write> results: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      results[id.x] = reverseBits(numbers[id.x]) + id.x;
    }`);
  const input = session.storage(numbers);
  for (let i = 0; i < 10; i++) {
    session.dispatch(pipeline, [input, output], 64);
  }
  return session.readAs(Uint32Array, output);
}

// Four instances, so four contexts, at work at the same time.
export async function instances(session) {
  const others = await Promise.all([1, 2, 3].map(number => Session.open(session.dawn, `instance ${number}`)));
  const results = await Promise.all([session, ...others].map((one, i) => work(one, i + 1)));
  results.forEach((result, i) => {
    const first = noise(1, i + 1)[0].toString(2).padStart(32, '0');
    session.expect(result[0] === parseInt([...first].reverse().join(''), 2), `instance ${i} is wrong`);
    session.printBytes(`instance ${i}`, result);
  });
  await Promise.all(others.map(other => other.close()));
}

// Devices made and destroyed again and again, while the first one stays.
export async function devices(session) {
  for (let round = 0; round < 10; round++) {
    const other = await Session.open(session.dawn, `round ${round}`);
    const result = await work(other, round + 1);
    await other.close();
    if (round % 3 === 0) {
      session.printBytes(`round ${round}`, result);
    }
  }
  session.printBytes('first', await work(session, 99));
}
