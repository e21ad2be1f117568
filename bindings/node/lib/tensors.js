'use strict';
const native = require('./native.js');
const { check, checkOptions, kinds, show } = require('./check.js');
const { checkIds } = require('./options.js');

const tensorOptions = {
  shape: { what: 'an array of whole numbers', is: (value) => Array.isArray(value) && value.every(Number.isSafeInteger) },
  dtype: kinds.string,
  device: kinds.string,
  requiresGrad: kinds.boolean,
};

/** A place for tensors, as `device()` makes it. */
class Device {
  constructor(name) {
    this.type = name.split(':')[0];
    this.index = Number(name.split(':')[1] ?? 0);
    Object.freeze(this);
  }

  toString() {
    return this.type === 'cuda' ? `cuda:${this.index}` : this.type;
  }
}

/** "cpu", "webgl", "cuda", "cuda:1". Throws an LMError unless it is there. */
function device(name) {
  check('device', name, kinds.string);
  return new Device(native().device(name));
}

function nameOf(place) {
  if (place instanceof Device) return place.toString();
  check('device', place, kinds.string);
  return place;
}

/** A tensor of LibTorch's. Immutable, as far as JavaScript can see. */
class Tensor {
  #native;

  constructor(handle) {
    if (!(handle instanceof native().Tensor)) {
      throw new TypeError('a Tensor is made by TorchUtils.createTensor, load or to');
    }
    this.#native = handle;
  }

  get shape() {
    return this.#native.shape;
  }
  get dtype() {
    return this.#native.dtype;
  }
  get device() {
    return this.#native.device;
  }
  get requiresGrad() {
    return this.#native.requiresGrad;
  }

  /** The elements in a typed array of their kind; halves as a Float32Array. */
  data() {
    return this.#native.data();
  }
  numel() {
    return this.#native.numel();
  }
  element_size() {
    return this.#native.element_size();
  }
  to(place) {
    return new Tensor(this.#native.to(nameOf(place)));
  }

  static numbers(tensor) {
    return tensor.#native.numbers();
  }
  static bytes(tensor) {
    return tensor.#native.memory();
  }
  static isTensor(value) {
    return typeof value === 'object' && value !== null && #native in value;
  }
}

function checkTensor(value) {
  if (!Tensor.isTensor(value)) {
    throw new TypeError(`tensor must be a Tensor, got ${show(value)}`);
  }
  return value;
}

function numbersOf(data) {
  if (Array.isArray(data)) {
    return Float64Array.from(data, (value, i) => {
      check(`data[${i}]`, value, { what: 'a number', is: (v) => typeof v === 'number' || typeof v === 'boolean' });
      return Number(value);
    });
  }
  if (!ArrayBuffer.isView(data) || data instanceof DataView) {
    throw new TypeError(`data must be an array of numbers or a typed array, got ${show(data)}`);
  }
  return data;
}

/** Tensors in and out of plain numbers. */
class TorchUtils {
  static createTensor(data, options) {
    const numbers = numbersOf(data);
    const { shape, ...rest } = checkOptions(options, tensorOptions);
    return new Tensor(native().createTensor(numbers, { ...rest, shape: shape && checkIds('shape', shape) }));
  }

  static toDevice(tensor, place) {
    return checkTensor(tensor).to(place);
  }

  static extractTensorData(tensor) {
    return Tensor.numbers(checkTensor(tensor));
  }

  /** Bytes of the elements. */
  static calculateTensorMemory(tensor) {
    return Tensor.bytes(checkTensor(tensor));
  }
}

/** The tensors of a checkpoint: a .pt, .pth, .bin or .safetensors, or a directory with some. Nothing in it is executed. */
async function load(path) {
  check('path', path, kinds.path);
  const handles = await native.promised((done) => native().load(path, done));
  return Object.fromEntries(Object.entries(handles).map(([name, handle]) => [name, new Tensor(handle)]));
}

/** Every device there could be, and whether it can be used. */
async function devices() {
  return native.promised((done) => native().devices(done));
}

/** What all models of this process hold on a device. */
function memoryUse(place = 'cpu') {
  return native().memory(nameOf(place));
}

module.exports = { TorchUtils, Tensor, device, devices, load, memoryUse };
