// TorchUtils and its tensors, device and load.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Tensor, TorchUtils, device, devices, load } from 'dstorch';
import { fixtures } from './support';

test('a tensor of numbers is float32 and needs no gradient', () => {
  const tensor = TorchUtils.createTensor([1, 2.5, -3]);
  assert.ok(tensor instanceof Tensor);
  assert.deepEqual([tensor.shape, tensor.dtype, tensor.device, tensor.requiresGrad], [[3], 'float32', 'cpu', false]);
  assert.equal(TorchUtils.createTensor([1], { requiresGrad: true }).requiresGrad, true);
  assert.equal(tensor.numel(), 3);
  assert.equal(tensor.element_size(), 4);
  assert.deepEqual(TorchUtils.extractTensorData(tensor), [1, 2.5, -3]);
  assert.deepEqual(tensor.data(), Float32Array.of(1, 2.5, -3));
  assert.equal(TorchUtils.calculateTensorMemory(tensor), 12);
});

test('typed arrays keep their kind, and come back as they were', () => {
  const arrays = [
    [Int8Array.of(-128, 127), 'int8', 1],
    [Uint8Array.of(0, 255), 'uint8', 1],
    [Int16Array.of(-32768, 1), 'int16', 2],
    [Int32Array.of(-(2 ** 31), 2), 'int32', 4],
    [BigInt64Array.of(-(2n ** 63n), 3n), 'int64', 8],
    [Float32Array.of(0.5, -0.25), 'float32', 4],
  ] as const;
  for (const [array, dtype, size] of arrays) {
    const tensor = TorchUtils.createTensor(array);
    assert.equal(tensor.dtype, dtype);
    assert.equal(tensor.element_size(), size);
    assert.deepEqual(tensor.data(), array);
    assert.equal(TorchUtils.calculateTensorMemory(tensor), 2 * size);
  }
  assert.equal(TorchUtils.createTensor(Float64Array.of(0.1)).dtype, 'float32');
  assert.equal(TorchUtils.createTensor(Uint8ClampedArray.of(300)).dtype, 'uint8');
  const exact = TorchUtils.createTensor(Float64Array.of(0.1), { dtype: 'float64' });
  assert.deepEqual(exact.data(), Float64Array.of(0.1));
});

test('dtype and shape may be said', () => {
  const halves = TorchUtils.createTensor([1, 2, 3, 4.001], { dtype: 'bfloat16', shape: [2, -1] });
  assert.deepEqual([halves.shape, halves.dtype, halves.element_size()], [[2, 2], 'bfloat16', 2]);
  assert.deepEqual(halves.data(), Float32Array.of(1, 2, 3, 4));
  const truths = TorchUtils.createTensor([true, false, true], { dtype: 'bool' });
  assert.deepEqual([truths.dtype, truths.data()], ['bool', Uint8Array.of(1, 0, 1)]);
  assert.deepEqual(TorchUtils.createTensor([], { shape: [0, 3] }).shape, [0, 3]);
});

test('what no tensor can be', () => {
  const wrong: [() => unknown, RegExp | object][] = [
    [() => TorchUtils.createTensor([1, 2, 3], { shape: [2, 2] }), { name: 'LMError', code: 'invalid_argument' }],
    [() => TorchUtils.createTensor([1], { dtype: 'float31' }), /dtype.*float31/],
    [() => TorchUtils.createTensor([1], { dtype: 'int64', requiresGrad: true }), { name: 'LMError' }],
    [() => TorchUtils.createTensor([1, 'two'] as never), /TypeError: data\[1\] must be a number, got "two"/],
    [() => TorchUtils.createTensor('text' as never), /TypeError: data must be/],
    [() => TorchUtils.createTensor(Uint32Array.of(1) as never), /Int32, BigInt64/],
    [() => TorchUtils.createTensor([1], { shpae: [1] } as never), /no field shpae; did you mean shape\?/],
    [() => TorchUtils.createTensor([1], { device: 'tpu' as never }), { name: 'LMError', message: /webgl/ }],
    [() => TorchUtils.extractTensorData([1] as never), /tensor must be a Tensor, got an array/],
    [() => TorchUtils.toDevice(undefined as never, 'cpu'), /tensor must be a Tensor, got undefined/],
    [() => TorchUtils.calculateTensorMemory({} as never), /tensor must be a Tensor/],
    [() => new (Tensor as unknown as new (value?: unknown) => Tensor)(), TypeError],
    [() => new (Tensor as unknown as new (value?: unknown) => Tensor)({}), TypeError],
  ];
  for (const [attempt, expected] of wrong) assert.throws(attempt, expected as RegExp);
});

test('to another place, where there is one', () => {
  const tensor = TorchUtils.createTensor([1, 2]);
  const there = TorchUtils.toDevice(tensor, 'cpu');
  assert.deepEqual(there.data(), tensor.data());
  assert.equal(tensor.to(device('cpu')).device, 'cpu');
  assert.throws(() => tensor.to('cuda'), { name: 'LMError' });
});

test('device says where, or why not', async () => {
  const cpu = device('cpu');
  assert.deepEqual([cpu.type, cpu.index, String(cpu)], ['cpu', 0, 'cpu']);
  assert.throws(() => device('gpu' as never), { name: 'LMError', message: /cpu.*cuda.*webgl/ });
  assert.throws(() => device('cuda'), { name: 'LMError', code: 'unsupported' });
  const all = await devices();
  assert.deepEqual([...new Set(all.map((each) => each.device.split(':')[0]))], ['cpu', 'cuda', 'webgl']);
  assert.ok(all[0].usable && all[0].name && all[0].memory > all[0].memoryAvailable);
  for (const each of all) assert.equal(each.usable, each.reason === '');
});

test('load reads a state dict', async () => {
  const tensors = await load(path.join(fixtures, 'simple', 'one_input.pt'));
  assert.deepEqual(
    Object.entries(tensors).map(([name, tensor]) => [name, tensor.shape]),
    [
      ['0.weight', [8, 1]],
      ['0.bias', [8]],
      ['2.weight', [10, 8]],
      ['2.bias', [10]],
    ],
  );
  assert.ok(TorchUtils.extractTensorData(tensors['2.weight']).every(Number.isFinite));
});

test('load reads every kind of checkpoint', async () => {
  const directory = path.join(fixtures, 'simple');
  for (const file of readdirSync(directory).filter((name) => !name.endsWith('.json'))) {
    const tensors = Object.values(await load(path.join(directory, file)));
    assert.ok(tensors.length > 0, file);
    for (const tensor of tensors) assert.equal(tensor.data().length, tensor.numel(), file);
  }
  await assert.rejects(load('/no/such.pt'), { name: 'LMError', code: 'not_found' });
  await assert.rejects(load(7 as never), /TypeError: path must be a path, got 7/);
  await assert.rejects(load(__filename), { name: 'LMError', code: 'format' });
});
