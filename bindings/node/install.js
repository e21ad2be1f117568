'use strict';
// npm runs this where the package is installed: it leaves build/dstorch.node, or says plainly what is missing. It builds
// against the dstorch that the system has (its .deb, or `make install`); DSTORCH_PREFIX names another place.
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { availableParallelism, cpus } = require('node:os');
const path = require('node:path');

const needed = [
  ['cmake', ['--version'], 'cmake'],
  [process.env.CXX || 'c++', ['--version'], 'g++'],
  ['pkg-config', ['--version'], 'pkg-config'],
];
const build = path.join(__dirname, 'build');

function fail(lines) {
  console.error(['', 'dstorch: the addon could not be built.', ...lines, ''].join('\n'));
  process.exit(1);
}

function run(program, args) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  return { failed: error !== undefined || status !== 0, output: `${stdout ?? ''}${stderr ?? ''}${error ?? ''}` };
}

/** The folder of a package that npm put beside or under this one. */
const folder = (name) => path.dirname(require.resolve(`${name}/package.json`));

function main() {
  if (process.platform !== 'linux') {
    fail([`It runs on Linux alone, this is ${process.platform}.`]);
  }
  if (existsSync(path.join(__dirname, '..', '..', 'include', 'dstorch'))) {
    console.log("dstorch: inside dstorch's own tree, where 'make node' builds the addon");
    return;
  }
  const missing = needed.filter(([program, args]) => run(program, args).failed).map(([, , debian]) => debian);
  if (missing.length > 0) {
    fail([`It needs ${missing.join(', ')}. On Debian: apt-get install ${missing.join(' ')}`]);
  }
  const configured = run('cmake', [
    '-S',
    __dirname,
    '-B',
    path.join(build, 'cmake'),
    `-DNODE_ADDON_API_DIR=${folder('node-addon-api')}`,
    `-DNODE_API_HEADERS_DIR=${folder('node-api-headers')}`,
    ...(process.env.DSTORCH_PREFIX ? [`-DCMAKE_PREFIX_PATH=${process.env.DSTORCH_PREFIX}`] : []),
  ]);
  if (configured.failed) {
    const noLibrary = /Could not find a package configuration file provided by "dstorch"/.test(configured.output);
    fail(
      noLibrary
        ? [
            'The dstorch library is not installed. Either install its .deb (make deb in its tree) or run make install',
            'there; where it is under another prefix than /usr or /usr/local, set DSTORCH_PREFIX to that.',
          ]
        : ['CMake said:', configured.output, "What a program needs that links dstorch: see the 'Suggests' of its .deb."],
    );
  }
  const jobs = String(availableParallelism?.() ?? cpus().length);
  const built = run('cmake', ['--build', path.join(build, 'cmake'), '--parallel', jobs]);
  if (built.failed) {
    fail(['The compiler said:', built.output]);
  }
  console.log(`dstorch: built ${path.join(build, 'dstorch.node')}`);
}

main();
