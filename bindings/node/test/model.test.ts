// Loading, looking into a model, and letting go of it.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Progress, TorchModel, bundledModelPath, memoryUse } from 'dstorch';
import { bundledModel } from './support';

const model = bundledModel();
before(() => model.init());
const prompt = 'python3-yaml\t';

test('info says what the model is', () => {
  const info = model.info();
  assert.equal(info.modelType, 'mistral');
  assert.equal(info.parameters, 2_361_024);
  assert.equal(info.weightBytes, 2 * 2_361_024);
  assert.deepEqual([info.dtype, info.vocabSize, info.maxContext], ['bfloat16', 4096, 2048]);
  assert.deepEqual([info.hiddenSize, info.numLayers], [192, 4]);
  assert.ok(info.bytesPerToken > 0);
});

test('loading says how far it is', async () => {
  const said: Progress[] = [];
  const other = bundledModel({ onProgress: (progress) => said.push(progress) });
  assert.equal(other.initialized, false);
  await other.init();
  assert.equal(other.initialized, true);
  assert.ok(said.length > 1);
  assert.equal(said.at(-1)?.done, said.at(-1)?.total);
  said.slice(1).forEach((progress, i) => assert.ok(progress.done >= said[i].done));
  const count = said.length;
  await other.init();
  assert.equal(said.length, count, 'it is loaded already');
});

test('what onProgress throws ends the loading', async () => {
  const other = bundledModel({
    onProgress() {
      throw new RangeError('no more');
    },
  });
  // The last word may come when all is done: then there is nothing left to end.
  await other.init().then(
    () => assert.equal(other.initialized, true),
    (error) => assert.deepEqual([error.name, error.message, other.initialized], ['RangeError', 'no more', false]),
  );
});

test('loading can be aborted', async () => {
  const other = bundledModel();
  await assert.rejects(other.init({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  const controller = new AbortController();
  const loading = other.init({ signal: controller.signal });
  controller.abort();
  await assert.rejects(loading, { name: 'AbortError' });
  await other.init().catch(() => other.init()); // the first may join the loading that ends
  assert.ok((await other.generate(prompt, { maxTokens: 1 })).length > 0);
});

test('two inits at once load once', async () => {
  const said: Progress[] = [];
  const once: Progress[] = [];
  await bundledModel({ onProgress: (progress) => once.push(progress) }).init();
  const other = bundledModel({ onProgress: (progress) => said.push(progress) });
  await Promise.all([other.init(), other.init(), other.init()]);
  assert.equal(said.length, once.length);
});

test('tokens there and back', async () => {
  const text = 'libgtk-3-dev\tlibdevel\tdevelopment files <|endoftext|> naïve ☃';
  const ids = await model.tokenize(text);
  assert.ok(ids.every(Number.isSafeInteger));
  assert.equal(await model.detokenize(ids, { skipSpecialTokens: false }), text);
  assert.equal(await model.detokenize(ids), text.replace('<|endoftext|>', ''));
  assert.ok((await model.tokenize(text, { parseSpecialTokens: false })).length > ids.length);
  assert.deepEqual(await model.tokenize(text, { addSpecialTokens: false }), ids);
  assert.deepEqual(await model.tokenize(''), []);
});

test('embed gives plain numbers, near for what is near', async () => {
  const [python, perl, font] = await Promise.all(
    ['python3-yaml\tpython\t', 'python3-json\tpython\t', 'fonts-noto\tfonts\t'].map((text) => model.embed(text)),
  );
  assert.ok(Array.isArray(python) && python.length === 192 && python.every(Number.isFinite));
  const cosine = (a: number[], b: number[]) =>
    a.reduce((sum, x, i) => sum + x * b[i], 0) / Math.hypot(...a) / Math.hypot(...b);
  assert.ok(cosine(python, perl) > cosine(python, font));
  // More at once than there are threads for them.
  const many = await Promise.all(Array.from({ length: 70 }, () => model.embed('fonts-noto\tfonts\t')));
  for (const one of many) assert.deepEqual(one, font);
});

test('classify is of a model with classes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dstorch-classes-'));
  const writes = join(bundledModelPath(), '../../tests/parity/fixtures/text/model');
  cpSync(writes, folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(writes, 'config.json'), 'utf8'));
  config.architectures = ['LlamaForSequenceClassification'];
  config.id2label = { 0: 'libs', 1: 'python' };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  // The weights' file with one tensor more.
  const file = readFileSync(join(writes, 'model.safetensors'));
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  const data = file.subarray(8 + length);
  const head = Float32Array.from({ length: 2 * config.hidden_size }, (_, i) => ((i * 7919) % 41) / 10 - 2);
  header['score.weight'] = {
    dtype: 'F32',
    shape: [2, config.hidden_size],
    data_offsets: [data.length, data.length + head.byteLength],
  };
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([size, text, data, Buffer.from(head.buffer)]));

  const classifier = new TorchModel({ modelPath: folder });
  await classifier.init();
  assert.deepEqual(classifier.info().classes, ['libs', 'python']);
  const scores = await classifier.classify('A mapped file');
  const logits = await classifier.logits('A mapped file');
  assert.equal(logits.length, 2);
  const best = logits[1] > logits[0] ? 1 : 0;
  assert.equal(scores[0].name, ['libs', 'python'][best]);
  assert.ok(Math.abs(scores[0].probability - 1 / (1 + Math.exp(logits[1 - best] - logits[best]))) < 1e-6);
  assert.ok(Math.abs(scores[0].probability + scores[1].probability - 1) < 1e-12);
  await assert.rejects(classifier.generate('A mapped file'), { code: 'unsupported' });
  await assert.rejects(model.classify(prompt), { code: 'unsupported' });
  assert.deepEqual(model.info().classes, []);
  await classifier.cleanup();
  rmSync(folder, { recursive: true });
});

test('logits are those that generate draws from', async () => {
  const logits = await model.logits(prompt);
  assert.ok(logits instanceof Float32Array && logits.length === 4096);
  const { tokens } = await model.complete(prompt, { temperature: 0, maxTokens: 1 });
  assert.equal(logits.indexOf(Math.max(...logits)), tokens[0]);
  assert.deepEqual(await model.logits(await model.tokenize(prompt)), logits);
});

test('perplexity is of the text', async () => {
  const text = 'python3-yaml\tpython\tYAML parser and emitter for Python3\n';
  const likely = await model.perplexity(text);
  assert.equal(likely.bytes, text.length);
  assert.equal(likely.tokens, (await model.tokenize(text)).length - 1);
  assert.ok(Math.abs(Math.exp(likely.nll / likely.tokens) - likely.perplexity) < 1e-6);
  assert.ok(likely.bitsPerByte < (await model.perplexity([...text].reverse().join(''))).bitsPerByte);
  const aborted = model.perplexity(text, { signal: AbortSignal.abort() });
  await assert.rejects(aborted, { name: 'AbortError' });
});

test('plan needs no loaded model, and memory stays within it', async () => {
  const other = bundledModel();
  const plan = await other.plan({ context: 256, batch: 1 });
  assert.deepEqual([plan.device, plan.dtype, plan.context, plan.batch], ['cpu', 'bfloat16', 256, 1]);
  assert.equal(plan.modelContext, 2048);
  assert.ok(plan.fits && plan.kvCache > 0 && plan.total >= plan.weights + plan.kvCache);
  assert.match(plan.text, /weights .* together /);
  assert.ok((await other.plan({ context: 512, batch: 2 })).kvCache > plan.kvCache);
  assert.ok((await other.plan({ training: 'lora', loraRank: 4 })).optimizer > 0);
  await other.init();
  await other.generate(prompt, { maxTokens: 20 });
  const use = other.memory();
  assert.equal(use.device, 'cpu');
  assert.equal(use.weights.bytes, plan.weights);
  assert.ok(use.mapped.bytes > 0 && use.total.peak <= plan.total, `${use.total.peak} of ${plan.total}`);
  await other.generate(prompt, { maxTokens: 1 });
  const { prefixes, kvCache } = other.memory();
  const asked = (await other.tokenize(prompt)).length;
  assert.deepEqual([prefixes.tokensAsked, prefixes.tokensFound], [2 * asked, asked - 1]);
  assert.ok(prefixes.pages > 0 && prefixes.bytes === kvCache.bytes);
  const forgetful = bundledModel({ prefixCache: false });
  await forgetful.init();
  for (let i = 0; i < 2; ++i) assert.equal((await forgetful.complete(prompt, { maxTokens: 1 })).usage.cachedTokens, 0);
  assert.equal(forgetful.memory().kvCache.bytes, 0);
  const copied = bundledModel({ copyWeights: true });
  await copied.init();
  assert.equal(copied.memory().mapped.bytes, 0);
});

test('cleanup waits for what runs, and takes nothing new', async () => {
  const other = bundledModel();
  await other.init();
  let ended = 0;
  const running = Array.from({ length: 6 }, () =>
    other.complete(prompt, { ignoreEos: true, maxTokens: 100 }).then((result) => (ended++, result)),
  );
  const cleaned = other.cleanup().then(() => assert.equal(ended, 6));
  await assert.rejects(other.generate(prompt), { code: 'not_initialized' });
  assert.throws(() => other.stream(prompt), { code: 'not_initialized' });
  assert.throws(() => other.info(), { code: 'not_initialized' });
  for (const { tokens } of await Promise.all(running)) assert.equal(tokens.length, 100);
  await cleaned;
  assert.equal(other.memory().total.bytes, 0);
});

test('a cleanup during an init comes after it', async () => {
  const other = bundledModel();
  const loading = other.init();
  await other.cleanup();
  await loading;
  assert.equal(other.initialized, false);
  await assert.rejects(other.generate(prompt), { code: 'not_initialized' });
});

test('configurations reach the model', async () => {
  const other = bundledModel({ dtype: 'float32', kvDtype: 'bfloat16', maxContext: 64, threads: 1, kvMemory: 1 << 22 });
  await other.init();
  assert.equal(other.info().dtype, 'float32');
  await assert.rejects(other.generate(prompt, { maxTokens: 65 }), { code: 'context_overflow' });
  const small = bundledModel({ memoryLimit: 1 << 20 });
  await assert.rejects(small.init(), { code: 'out_of_memory', message: /weights/ });
  const seeded = async (seed: number) => {
    const plain = new TorchModel({ architecture: { inputSize: 1, hiddenSize: 4, outputSize: 2 }, seed });
    await plain.init();
    const said = await plain.generate('x');
    await plain.cleanup();
    return said;
  };
  assert.equal(await seeded(3), await seeded(3));
  assert.notEqual(await seeded(3), await seeded(4));
});

test('memoryUse counts all models of the process', async () => {
  const before = memoryUse().weights.bytes;
  const other = bundledModel({ copyWeights: true });
  await other.init();
  assert.ok(memoryUse('cpu').weights.bytes >= before + other.info().weightBytes);
});

test('the bundled model is in this tree', () => assert.match(bundledModelPath(), /models\/default$/));

test('Symbol.asyncDispose is cleanup, where there is one', async () => {
  const dispose = (Symbol as unknown as { asyncDispose?: symbol }).asyncDispose;
  if (dispose === undefined) return;
  const other = bundledModel();
  await other.init();
  await (other as unknown as Record<symbol, () => Promise<void>>)[dispose]();
  assert.equal(other.initialized, false);
});
