'use strict';
const { LMError } = require('./lib/errors.js');
const { configureLM, getLM, DummyLM } = require('./lib/driver.js');
const { TorchModel, bundledModelPath } = require('./lib/torch_model.js');
const { TorchUtils, Tensor, device, devices, load, memoryUse } = require('./lib/tensors.js');

module.exports = {
  TorchModel,
  TorchUtils,
  Tensor,
  DummyLM,
  LMError,
  configureLM,
  getLM,
  bundledModelPath,
  device,
  devices,
  load,
  memoryUse,
};
