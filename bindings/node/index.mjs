import dstorch from './index.js';

export default dstorch;
export const {
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
} = dstorch;
