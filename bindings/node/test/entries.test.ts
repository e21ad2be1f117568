// require and import give the same things; a package whose addon is missing says what to do.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as required from 'dstorch';
import { packageRoot, run, runScript, scratch } from './support';

test('import and require are one', async () => {
  const entry = path.join(packageRoot, 'index.mjs');
  const imported = await (new Function('entry', 'return import(entry)')(entry) as Promise<Record<string, unknown>>);
  const names = Object.keys(required).filter((name) => name !== 'default').sort();
  assert.deepEqual(Object.keys(imported).sort(), [...names, 'default'].sort());
  for (const name of names) assert.equal(imported[name], (required as Record<string, unknown>)[name], name);
});

test('import works in a module', async () => {
  const entry = JSON.stringify(path.join(packageRoot, 'index.mjs'));
  const script = `import { TorchModel, LMError } from ${entry}; import whole from ${entry};
    console.log(typeof TorchModel, new LMError('x').name, whole.TorchModel === TorchModel);`;
  const ended = await run(process.execPath, ['--input-type=module', '-e', script]);
  assert.deepEqual([ended.code, ended.stdout], [0, 'function LMError true\n'], ended.stderr);
});

test('require alone loads no LibTorch', async () => {
  const ended = await runScript(`
    new dstorch.DummyLM(['x']);
    const loaded = () => require('node:fs').readFileSync('/proc/self/maps', 'utf8').includes('libtorch_cpu');
    const before = loaded();
    dstorch.TorchUtils.createTensor([1]);
    console.log(before, loaded());`);
  assert.deepEqual([ended.code, ended.stdout], [0, 'false true\n'], ended.stderr);
});

test('a missing addon, and one that does not load', async () => {
  const copy = path.join(scratch(), 'dstorch');
  for (const part of ['index.js', 'lib', 'package.json']) cpSync(path.join(packageRoot, part), path.join(copy, part), { recursive: true });
  const script = `const dstorch = require(${JSON.stringify(copy)});
    try { new dstorch.TorchModel(); } catch (e) { console.log(e instanceof dstorch.LMError, e.code, e.message); }`;
  const missing = await run(process.execPath, ['-e', script]);
  assert.match(missing.stdout, /^true not_found dstorch's addon is not built: .*make node.*node \S*install\.js/, missing.stderr);
  mkdirSync(path.join(copy, 'build'));
  writeFileSync(path.join(copy, 'build', 'dstorch.node'), 'no library');
  const broken = await run(process.execPath, ['-e', script]);
  assert.match(broken.stdout, /^true undefined dstorch's addon cannot be loaded: .*libtorch-dev/, broken.stderr);
});
