// What dspy.ts's own plan says of its TorchModel, held against the real thing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DummyLM, LMDriver, LMError, TorchModel, configureLM, getLM } from 'dstorch';
import { fixtures } from './support';

const architecture = { inputSize: 1, hiddenSize: 64, outputSize: 10 };

test('the layers made have the sizes asked for', async () => {
  const model = new TorchModel({ deviceType: 'cpu', architecture: { ...architecture, numLayers: 3 } });
  await model.init();
  const { modelType, parameters } = model.info();
  assert.equal(modelType, 'simple_transformer');
  // Linear(1, 64), two Linear(64, 64), Linear(64, 10), with biases.
  assert.equal(parameters, 1 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 10 + 10);
  await model.cleanup();
});

test('one hidden layer unless told otherwise', async () => {
  const model = new TorchModel({ architecture });
  await model.init();
  assert.equal(model.info().parameters, 1 * 64 + 64 + 64 * 10 + 10);
  await model.cleanup();
});

test('init needs a path or an architecture', async () => {
  for (const config of [undefined, {}, { deviceType: 'cpu' as const }]) {
    await assert.rejects(new TorchModel(config).init(), (error: LMError) => {
      assert.ok(error instanceof LMError && error instanceof Error);
      assert.equal(error.name, 'LMError');
      assert.match(error.message, /Either modelPath or architecture must be specified/);
      return true;
    });
  }
});

test('generate before init is an error', async () => {
  const model = new TorchModel({ architecture });
  await assert.rejects(model.generate('test'), {
    name: 'LMError',
    code: 'not_initialized',
    message: 'Torch model not initialized. Call init() first.',
  });
});

test('the output says shape and values', async () => {
  const model = new TorchModel({ architecture });
  await model.init();
  const output = await model.generate('test prompt');
  const found = /^Torch model output \(shape: 1x10, values: (.*)\)$/.exec(output);
  assert.ok(found, output);
  const values = found[1].split(', ').map(Number);
  assert.equal(values.length, 10);
  assert.ok(values.every(Number.isFinite) && new Set(values).size > 1, output);
  // The prompt's length is the input, so prompts of a length are one.
  assert.equal(await model.generate('PROMPT TEST'), output);
  assert.notEqual(await model.generate('longer test prompt'), output);
  await model.cleanup();
});

test('the options of the framework are taken', async () => {
  const model = new TorchModel({ architecture });
  await model.init();
  const options = { maxTokens: 50, temperature: 0.7, topP: 0.9, stopSequences: ['\n'] };
  assert.match(await model.generate('test', options), /shape:.*values:/);
  await model.cleanup();
});

test('weights come from a .pt, and answer as in PyTorch', async () => {
  const directory = path.join(fixtures, 'simple');
  const files: { file: string; cases: { prompt: string; output: number[] }[] }[] = JSON.parse(
    readFileSync(path.join(directory, 'simple.json'), 'utf8'),
  );
  const { file, cases } = files.find((entry) => entry.file.endsWith('.pt'))!;
  const model = new TorchModel({ modelPath: path.join(directory, file) });
  await model.init();
  assert.ok(cases.length > 1);
  for (const { prompt, output } of cases) {
    const values = /values: (.*)\)$/.exec(await model.generate(prompt))![1].split(', ').map(Number);
    assert.equal(values.length, output.length);
    values.forEach((value, i) => assert.ok(Math.abs(value - output[i]) < 1e-5, `${file}, ${prompt}: ${value}`));
  }
  await model.cleanup();
});

test('a path that is not there', async () => {
  await assert.rejects(new TorchModel({ modelPath: '/no/such/model.pt' }).init(), (error: LMError) => {
    assert.match(error.message, /^Failed to initialize Torch model: /);
    assert.match(error.message, /no\/such\/model\.pt/);
    assert.equal(error.code, 'not_found');
    assert.ok(error.cause instanceof LMError);
    assert.match(error.cause.message, /Failed to load model from path/);
    return true;
  });
});

test('cleanup gives everything back, and twice is harmless', async () => {
  const model = new TorchModel({ architecture });
  await model.init();
  assert.ok(model.memory().weights.bytes > 0);
  await model.cleanup();
  assert.equal(model.memory().total.bytes, 0);
  await model.cleanup();
  await assert.rejects(model.generate('test'), /not initialized/);
  await model.init();
  assert.match(await model.generate('test'), /shape:/);
  await model.cleanup();
});

test('cleanup before init is harmless', () => new TorchModel({ architecture }).cleanup());

test('LMError has a message, a code or a cause', () => {
  const cause = new Error('root');
  assert.deepEqual([new LMError('m', 'code').code, new LMError('m', cause).cause], ['code', cause]);
  const wrapped = new LMError(new TypeError('said'));
  assert.deepEqual([wrapped.message, wrapped.name, wrapped.code, wrapped.cause], ['said', 'LMError', undefined, undefined]);
});

test('configureLM and getLM', async () => {
  assert.throws(() => getLM(), { name: 'LMError', message: 'No language model configured. Call configureLM() first.' });
  const driver: LMDriver = { generate: async (prompt) => prompt.toUpperCase() };
  configureLM(driver);
  assert.equal(getLM(), driver);
  assert.equal(await getLM().generate('said'), 'SAID');
  configureLM(null);
  assert.throws(() => getLM(), LMError);
  assert.throws(() => configureLM({} as LMDriver), /driver/);
});

test('DummyLM answers by prompt, as the framework has it', async () => {
  const lm = new DummyLM(new Map([['question', 'answer']]));
  await assert.rejects(lm.generate('question'), { message: 'DummyLM not initialized. Call init() first.' });
  await lm.init();
  assert.equal(await lm.generate('question'), 'answer');
  assert.equal(await lm.generate('other'), 'DummyLM response for prompt: "other" (limited to 100 tokens)');
  assert.equal(
    await lm.generate('other', { maxTokens: 7 }),
    'DummyLM response for prompt: "other" (limited to 7 tokens)',
  );
  lm.setResponse('other', 'known now');
  assert.equal(await lm.generate('other'), 'known now');
  lm.clearResponses();
  assert.match(await lm.generate('question'), /^DummyLM response/);
  await lm.cleanup();
  await assert.rejects(lm.generate('question'), LMError);
});

test('DummyLM answers in order, up to a stop sequence, and remembers what it was asked', async () => {
  const lm = new DummyLM(['one END two', 'three']);
  await lm.init();
  assert.equal(await lm.generate('a', { stopSequences: ['two', ' END', 'absent'] }), 'one');
  assert.equal(await lm.generate('b'), 'three');
  assert.equal(await lm.generate('c'), 'one END two');
  assert.deepEqual(lm.prompts, ['a', 'b', 'c']);
  assert.throws(() => new DummyLM([]), TypeError);
});
