'use strict';
// npm runs this where the package is installed: it leaves build/dstorch.node, or says plainly what is missing. It builds
// against the dstorch that the system has (its .deb, or `make install`); DSTORCH_PREFIX names another place. DSTORCH_ADDON
// names an addon that is built already, which is then used.
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { availableParallelism, cpus } = require('node:os');
const path = require('node:path');

const needed = [
  ['cmake', ['--version'], 'cmake'],
  [(process.env.CXX || 'c++').split(' ')[0], ['--version'], 'g++'],
  ['pkg-config', ['--version'], 'pkg-config'],
];
/** What a program that links dstorch needs on Debian; the .deb suggests the same. */
const debian =
  'g++ cmake pkg-config libtorch-dev nlohmann-json3-dev libfmt-dev libpcre2-dev libutf8proc-dev libhwy-dev'.split(' ');
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

/** What CMake did not find, as it says it of packages of its own, of pkg-config's and of modules. */
function notFound(output) {
  const ways = [/package configuration file provided by\s+"([^"]+)"/g, /^\s*-\s+(lib\S+)$/gm, /Could NOT find (\w+)/g];
  return [...new Set(ways.flatMap((way) => [...output.matchAll(way)].map(([, name]) => name)))];
}

/** Lines that say why CMake failed. */
function whyNot(output) {
  const names = notFound(output);
  if (names.includes('dstorch')) {
    return [
      'The dstorch library is not installed. Either install its .deb (make deb in its tree) or run make install',
      'there; where it is under another prefix than /usr or /usr/local, set DSTORCH_PREFIX to that.',
    ];
  }
  const install = `What it needs is on Debian: apt-get install ${debian.join(' ')}`;
  return names.length > 0 ? [`CMake did not find ${names.join(', ')}.`, install] : ['CMake said:', output, install];
}

function main() {
  const addon = process.env.DSTORCH_ADDON;
  if (addon) {
    if (!existsSync(addon)) fail([`DSTORCH_ADDON names ${addon}, which is not there.`]);
    console.log(`dstorch: DSTORCH_ADDON names the addon, ${addon}`);
    return;
  }
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
    fail(whyNot(configured.output));
  }
  const jobs = String(availableParallelism?.() ?? cpus().length);
  const built = run('cmake', ['--build', path.join(build, 'cmake'), '--parallel', jobs]);
  if (built.failed) {
    fail(['The compiler said:', built.output, 'Is the library that is installed of the same version as this package?']);
  }
  console.log(`dstorch: built ${path.join(build, 'dstorch.node')}`);
}

main();
