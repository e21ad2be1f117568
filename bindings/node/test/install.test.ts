// install.js, in the package as npm packs it, in a folder that has nothing else: it says plainly what is missing. That it
// builds the addon where all is there is a test of its own (test/package.sh).
import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Ended, packageRoot, run, scratch, sourceRoot } from './support';

const installed = path.join(scratch(), 'node_modules');
const copy = path.join(installed, 'dstorch');
const { files } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { files: string[] };
for (const name of [...files, 'package.json']) cpSync(path.join(packageRoot, name), path.join(copy, name), { recursive: true });
for (const name of ['node-addon-api', 'node-api-headers']) {
  symlinkSync(path.join(packageRoot, 'node_modules', name), path.join(installed, name));
}

const install = (env: NodeJS.ProcessEnv): Promise<Ended> =>
  run(process.execPath, ['install.js'], { ...process.env, DSTORCH_PREFIX: undefined, DSTORCH_ADDON: undefined, ...env }, copy);

/** Programs for a PATH: `cmake` says and does what is given, the others are there. */
function programs(cmake: string): string {
  const directory = scratch();
  for (const [name, script] of Object.entries({ cmake, 'c++': '', 'pkg-config': '' })) {
    writeFileSync(path.join(directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(directory, name), 0o755);
  }
  return directory;
}

/** A cmake that is there, and fails with this when it is to configure. */
const failing = (output: string) => programs(`case "$1" in --version) exit 0 ;; esac\necho '${output}' >&2\nexit 1`);

test('the package has what its entries need', async () => {
  for (const name of ['CMakeLists.txt', 'index.d.ts', 'lib/native.js', 'src/addon.cpp']) assert.ok(existsSync(path.join(copy, name)), name);
  const script = `const d = require('dstorch'); console.log(typeof d.TorchModel, d.configureLM(null));`;
  const ended = await run(process.execPath, ['-e', script], process.env, path.dirname(installed));
  assert.deepEqual([ended.code, ended.stdout], [0, 'function undefined\n'], ended.stderr);
});

test('tools that are missing are named', async () => {
  const empty = scratch();
  const { code, stderr } = await install({ PATH: empty });
  assert.equal(code, 1);
  assert.match(stderr, /could not be built\.\nIt needs cmake, g\+\+, pkg-config\. On Debian: apt-get install cmake g\+\+ pkg-config\n/);
  const one = await install({ PATH: programs(''), CXX: 'no-such-compiler' });
  assert.match(one.stderr, /It needs g\+\+\. On Debian: apt-get install g\+\+\n/);
});

test('the library and what it needs are named', async () => {
  // As CMake and pkg-config write it.
  const cases: [string, RegExp][] = [
    ['  Could not find a package configuration file provided by "dstorch" with any of', /The dstorch library is not installed\..*make install/],
    ['  Could not find a package configuration file provided by\n  "nlohmann_json" with any', /CMake did not find nlohmann_json\.\n.*apt-get install .*nlohmann-json3-dev/],
    ['  The following required packages were not found:\n\n   - libhwy\n', /CMake did not find libhwy\.\n/],
    ['Could NOT find OpenMP_CXX (missing: OpenMP_CXX_FLAGS)', /CMake did not find OpenMP_CXX\.\n/],
    ['CMake 3.25 or higher is required.  You are running version 3.18', /CMake said:\nCMake 3\.25 or higher is required/],
  ];
  for (const [output, expected] of cases) {
    const { code, stderr } = await install({ PATH: failing(output) });
    assert.equal(code, 1);
    assert.match(stderr.replace(/\n(?=there)/, ' '), expected);
  }
  const suggested = /PACKAGE_SUGGESTS\s+"([^"]*)"/.exec(readFileSync(path.join(sourceRoot, 'cmake', 'dstorch_package.cmake'), 'utf8'));
  const { stderr } = await install({ PATH: failing('what else there may be') });
  assert.match(stderr, new RegExp(`apt-get install ${suggested![1].replaceAll(', ', ' ').replaceAll('+', '\\+')}\n`));
});

test('what the real CMake says of a library that is not there', async () => {
  const prefix = path.join(scratch(), 'empty');
  mkdirSync(path.join(prefix, 'lib', 'cmake', 'dstorch'), { recursive: true });
  const config = path.join(prefix, 'lib', 'cmake', 'dstorch', 'dstorchConfig.cmake');
  writeFileSync(config, 'include(CMakeFindDependencyMacro)\nfind_dependency(missing_one)\n');
  const { code, stderr } = await install({ DSTORCH_PREFIX: prefix });
  assert.equal(code, 1);
  assert.match(stderr, /CMake did not find missing_one\.\n/);
});

test('an addon that is built already is used', async () => {
  const addon = path.join(packageRoot, 'build', 'dstorch.node');
  const used = await install({ DSTORCH_ADDON: addon, PATH: '/nowhere' });
  assert.deepEqual([used.code, used.stdout], [0, `dstorch: DSTORCH_ADDON names the addon, ${addon}\n`], used.stderr);
  const script = `console.log(require('dstorch').bundledModelPath().length > 0)`;
  const ended = await run(process.execPath, ['-e', script], { ...process.env, DSTORCH_ADDON: addon }, path.dirname(installed));
  assert.deepEqual([ended.code, ended.stdout], [0, 'true\n'], ended.stderr);
  const wrong = await install({ DSTORCH_ADDON: '/no/such.node' });
  assert.deepEqual([wrong.code, /names \/no\/such\.node, which is not there/.test(wrong.stderr)], [1, true]);
});
