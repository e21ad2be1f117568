// Whatever comes from a program is a TypeError or an LMError that names the field, never a crash.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { LMError, TorchModel } from 'dstorch';
import { bundledModel } from './support';

const model = bundledModel();
before(() => model.init());

test('configurations', () => {
  const wrong: [unknown, RegExp][] = [
    [null, /config must be an object, got null/],
    ['models/default', /config must be an object, got "models\/default"/],
    [{ modelpath: 'x' }, /config has no field modelpath; did you mean modelPath\?/],
    [{ device: 'cpu' }, /config has no field device; did you mean deviceType\?/],
    [{ colour: 'red' }, /config has no field colour$/],
    [{ modelPath: 7 }, /config\.modelPath must be a path, got 7/],
    [{ modelPath: new URL('file:///x') }, /config\.modelPath must be a path, got a URL/],
    [{ modelPath: '' }, /config\.modelPath must be a path, got ""/],
    [{ deviceType: true }, /config\.deviceType must be a string, got true/],
    [{ threads: 1.5 }, /config\.threads must be a whole number, got 1\.5/],
    [{ memoryLimit: Infinity }, /config\.memoryLimit must be a whole number, got Infinity/],
    [{ seed: -1 }, /config\.seed must be a whole number from 0 on, or such a bigint, got -1/],
    [{ seed: 2n ** 64n }, /config\.seed must be/],
    [{ onProgress: {} }, /config\.onProgress must be a function, got an object/],
    [{ architecture: [] }, /config\.architecture must be an object, got an array/],
    [{ architecture: { inputSize: 1, hiddenSize: 2 } }, /config\.architecture\.outputSize must be .*, got undefined/],
    [{ architecture: { inputSize: 1, hiddenSize: 2, outputSize: 3, layers: 4 } }, /did you mean numLayers\?/],
  ];
  for (const [config, message] of wrong) {
    assert.throws(() => new TorchModel(config as never), { name: 'TypeError', message });
  }
  assert.throws(() => new TorchModel({ deviceType: 'gpu' as never }), { name: 'LMError', message: /cpu.*gpu/ });
  assert.throws(() => new TorchModel({ dtype: 'float31' }), { name: 'LMError', message: /dtype.*float31/ });
});

test('sizes that no network has', async () => {
  const sizes = { inputSize: 0, hiddenSize: 2, outputSize: 3 };
  await assert.rejects(new TorchModel({ architecture: sizes }).init(), { name: 'LMError', message: /inputSize/ });
});

test('options of a generation', async () => {
  const wrong: [unknown, RegExp][] = [
    [null, /options must be an object, got null/],
    [{ max_tokens: 5 }, /options has no field max_tokens; did you mean maxTokens\?/],
    [{ maxToken: 5 }, /did you mean maxTokens\?/],
    [{ tempreature: 1 }, /did you mean temperature\?/],
    [{ stop: ['x'] }, /did you mean stopSequences\?/],
    [{ maxTokens: '5' }, /maxTokens must be a whole number, got "5"/],
    [{ maxTokens: NaN }, /maxTokens must be a whole number, got NaN/],
    [{ temperature: NaN }, /temperature must be a number, got NaN/],
    [{ topP: null }, /topP must be a number, got null/],
    [{ stopSequences: 'x' }, /stopSequences must be an array of strings, got "x"/],
    [{ stopSequences: ['x', 1] }, /stopSequences must be an array of strings/],
    [{ signal: {} }, /signal must be an AbortSignal, got an object/],
    [{ logitBias: { one: 1 } }, /a token id in logitBias must be a whole number, got NaN/],
    [{ logitBias: { 1: 'x' } }, /logitBias\[1\] must be a number, got "x"/],
    [{ seed: 1.5 }, /seed must be/],
    [{ ignoreEos: 'yes' }, /ignoreEos must be a boolean/],
    [{ speculation: 'on' }, /speculation must be "automatic" or "lookup" or "draft_model" or "off", got "on"/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(model.generate('x', options as never), { name: 'TypeError', message });
    await assert.rejects(model.complete('x', options as never), { name: 'TypeError', message });
    assert.throws(() => model.stream('x', options as never), { name: 'TypeError', message });
  }
});

test('values that are out of bounds are named as JavaScript names them', async () => {
  const wrong: [object, RegExp][] = [
    [{ maxTokens: -1 }, /maxTokens/],
    [{ temperature: -1 }, /temperature/],
    [{ topP: 0 }, /topP/],
    [{ topK: -1 }, /topK/],
    [{ minP: 2 }, /minP/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty/],
    [{ frequencyPenalty: 3 }, /frequencyPenalty/],
    [{ presencePenalty: 3 }, /presencePenalty/],
    [{ logprobs: 101 }, /logprobs/],
    [{ logitBias: { 999999: 1 } }, /logitBias/],
    [{ temperature: Infinity }, /temperature/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(model.generate('x', options), (error: LMError) => {
      assert.deepEqual([error.name, error.code], ['LMError', 'invalid_argument']);
      assert.match(error.message, message);
      assert.ok(!error.message.includes('_'), error.message);
      return true;
    });
  }
});

test('prompts', async () => {
  for (const prompt of [undefined, null, 7, true, {}, Symbol('x'), () => 'x']) {
    await assert.rejects(model.generate(prompt as never), { name: 'TypeError', message: /^prompt must be/ });
  }
  await assert.rejects(model.generate(['a'] as never), /TypeError: prompt must hold token ids only, got "a"/);
  await assert.rejects(model.generate([1.5]), { name: 'LMError', message: /whole numbers, got 1\.5/ });
  for (const ids of [[-1], [4096], [1e300], []]) {
    await assert.rejects(model.generate(ids), { name: 'LMError', code: 'invalid_argument' }, String(ids));
  }
  await assert.rejects(model.generate('word '.repeat(10_000)), { code: 'context_overflow' });
  // Half of a character is no text; it is read as the sign for that.
  assert.equal(typeof (await model.generate('\ud800', { maxTokens: 1 })), 'string');
  assert.equal(typeof (await model.generate('nul \0 byte', { maxTokens: 1 })), 'string');
});

test('other calls', async () => {
  const wrong: [() => Promise<unknown>, RegExp][] = [
    [() => model.embed(7 as never), /text must be a string, got 7/],
    [() => model.embed('x', { abort: 1 } as never), /options has no field abort/],
    [() => model.logits({} as never), /prompt must be/],
    [() => model.perplexity(['x'] as never), /text must be a string, got an array/],
    [() => model.tokenize(undefined as never), /text must be a string, got undefined/],
    [() => model.tokenize('x', { addSpecial: true } as never), /did you mean addSpecialTokens\?/],
    [() => model.detokenize('x' as never), /ids must be an array of token ids, got "x"/],
    [() => model.detokenize(new DataView(new ArrayBuffer(8)) as never), /ids must be an array of token ids/],
    [() => model.plan({ training: 'half' } as never), /training must be "none" or "full" or "full-finetune" or "lora", got "half"/],
    [() => model.init({ signal: 1 } as never), /signal must be an AbortSignal, got 1/],
  ];
  for (const [attempt, message] of wrong) await assert.rejects(attempt, { name: 'TypeError', message });
  await assert.rejects(model.detokenize([1e6]), { name: 'LMError', code: 'invalid_argument' });
  await assert.rejects(model.perplexity('x'), { name: 'LMError', message: /at least two tokens/ });
});

test('a model without a tokenizer', async () => {
  const plain = new TorchModel({ architecture: { inputSize: 2, hiddenSize: 2, outputSize: 2 } });
  await plain.init();
  for (const attempt of [() => plain.tokenize('x'), () => plain.detokenize([1]), () => plain.embed('x')]) {
    await assert.rejects(attempt, { name: 'LMError', code: 'unsupported' });
  }
  await assert.rejects(plain.generate([1, 2]), { name: 'LMError', code: 'unsupported' });
  assert.equal((await plain.logits('x')).length, 2);
  await plain.cleanup();
});

test('options are read once', async () => {
  const stops = ['bindings'];
  const options = { temperature: 0, maxTokens: 20, stopSequences: stops };
  const running = model.generate('python3-yaml\t', options);
  stops.length = 0;
  options.maxTokens = 1;
  assert.equal(await running, 'python\tPython 3 ');
});
