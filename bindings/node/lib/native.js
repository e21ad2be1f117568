'use strict';
// The addon, loaded when it is first needed: it brings LibTorch, a third of a second and 150 MB.
const { existsSync } = require('node:fs');
const path = require('node:path');
const { LMError, makeError } = require('./errors.js');

const addon = path.join(__dirname, '..', 'build', 'dstorch.node');
const installer = path.join(__dirname, '..', 'install.js');
let native;

function load(file) {
  if (!existsSync(file)) {
    throw new LMError(
      `dstorch's addon is not built: there is no ${file}. In dstorch's own tree run 'make node'; elsewhere run ` +
        `'node ${installer}', which builds it or says what is missing`,
      'not_found',
    );
  }
  try {
    return require(file);
  } catch (cause) {
    throw new LMError(`dstorch's addon cannot be loaded: ${cause.message}. Is LibTorch (libtorch-dev) installed?`, cause);
  }
}

/** The addon of this thread. Throws an LMError that says what is missing. */
module.exports = function () {
  if (native === undefined) {
    const loaded = load(process.env.DSTORCH_ADDON || addon);
    loaded.setup(makeError);
    // A process that ends takes down the libraries under running threads, so nothing may run by then. A worker thread that
    // is terminated says nothing here; there Node asks the addon itself.
    process.once('exit', loaded.shutDown);
    native = loaded;
  }
  return native;
};

/** A function of the addon's that ends with `done(error, value)`, as a promise. */
module.exports.promised = (start) =>
  new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
