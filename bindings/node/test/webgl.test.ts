// The device webgl inside Node: Mesa's libraries beside Node's own symbols.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TorchModel, TorchUtils, bundledModelPath, device, devices, memoryUse } from 'dstorch';

process.env.DSTORCH_WEBGL_TRIAL ??= 'off';
const architecture = { inputSize: 4, hiddenSize: 64, outputSize: 6, numLayers: 2 };

test('webgl is there', async () => {
  const webgl = (await devices()).find((each) => each.device === 'webgl');
  assert.deepEqual([webgl?.usable, webgl?.reason], [true, '']);
  assert.equal(String(device('webgl')), 'webgl');
});

test('a plain network says on webgl what it says on the processor', async () => {
  const answers: number[][] = [];
  for (const deviceType of ['cpu', 'webgl'] as const) {
    const model = new TorchModel({ deviceType, architecture, seed: 5 });
    await model.init();
    answers.push((await model.generate('prompt')).split('values: ')[1].slice(0, -1).split(', ').map(Number));
    const use = model.memory();
    assert.equal(use.device, deviceType);
    const parameters = 4 * 64 + 64 + 64 * 64 + 64 + 64 * 6 + 6;
    assert.equal(model.info().parameters, parameters);
    assert.equal(use.weights.bytes, 4 * parameters, deviceType);
    assert.ok(use.total.peak >= use.weights.bytes);
    assert.ok(memoryUse(deviceType).weights.bytes >= use.weights.bytes);
    await model.cleanup();
    assert.equal(model.memory().total.bytes, 0, deviceType);
  }
  assert.equal(answers[0].length, 6);
  answers[0].forEach((value, i) => assert.ok(Math.abs(value - answers[1][i]) < 1e-4, `${answers}`));
});

test('tensors go there and come back', () => {
  const tensor = TorchUtils.createTensor([1, 2, 3, 4], { shape: [2, 2] });
  const there = TorchUtils.toDevice(tensor, 'webgl');
  assert.equal(there.device, 'webgl');
  assert.deepEqual(TorchUtils.extractTensorData(there), [1, 2, 3, 4]);
  assert.deepEqual(there.to('cpu').data(), tensor.data());
  assert.equal(TorchUtils.calculateTensorMemory(there), 16);
  assert.equal(TorchUtils.createTensor([1], { device: 'webgl' }).device, 'webgl');
});

test('a language model generates there, as planned', async () => {
  const config = { modelPath: bundledModelPath(), deviceType: 'webgl' as const, maxContext: 64 };
  const model = new TorchModel(config);
  const plan = await model.plan();
  assert.equal(plan.device, 'webgl');
  await model.init();
  const text = await model.generate('python3-yaml\t', { temperature: 0, maxTokens: 4 });
  assert.match(text, /^python\tPython/);
  const use = model.memory();
  assert.ok(use.weights.bytes > 0 && use.total.peak <= plan.total, `${use.total.peak} of ${plan.total}`);
  await model.cleanup();
});
