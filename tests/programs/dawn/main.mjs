// Runs WebGPU programs on Dawn's Vulkan backend and prints what they computed, as hashes and values.
//
//     node main.mjs FOLDER PROGRAM...      FOLDER: where npm put the package webgpu
//
// The caller compares the lines of two runs. Each program also checks what it can know by itself, so
// that two equal runs that are both wrong do not pass. Exit status: 0, or 1 with the reason.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { Session } from './session.mjs';
import * as compute from './compute.mjs';
import * as render from './render.mjs';
import * as resources from './resources.mjs';
import * as several from './several.mjs';

const programs = { ...compute, ...render, ...resources, ...several };

async function main() {
  const [folder, ...names] = process.argv.slice(2);
  const unknown = names.filter(name => !(name in programs));
  if (folder === undefined || names.length === 0 || unknown.length > 0) {
    throw new Error(`usage: main.mjs FOLDER PROGRAM...; programs: ${Object.keys(programs).join(' ')}`);
  }
  const require = createRequire(pathToFileURL(path.join(path.resolve(folder), 'node_modules/')));
  const dawn = await import(pathToFileURL(path.join(path.resolve(folder), 'node_modules/webgpu/index.js')));
  Object.assign(globalThis, dawn.globals);
  for (const name of names) {
    const session = await Session.open(dawn, name);
    await programs[name](session);
    await session.close();
  }
}

await main();
