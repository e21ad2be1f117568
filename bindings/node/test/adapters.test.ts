// LoRA adapters that peft saved, beside what peft computes with them (tools/make_finetune_fixtures.py made both).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { TorchModel, load } from 'dstorch';
import { bundledModel, fixtures, sourceRoot } from './support';

const modelPath = path.join(fixtures, 'llama', 'model');
const saved = path.join(sourceRoot, 'tests', 'data', 'finetune', 'llama');
const adapter = path.join(saved, 'adapter');
const { prompt } = JSON.parse(readFileSync(path.join(saved, 'expected.json'), 'utf8')) as { prompt: number[] };
const options = { temperature: 0, maxTokens: 8, ignoreEos: true, logprobs: 0 };

const model = bundledModel({ modelPath });
before(() => model.init());

/** The likelihoods, which differ where tokens may not. */
const said = async (of: TorchModel, name?: string) => {
  const { tokens, logprobs } = await of.complete(prompt, { ...options, ...(name && { adapter: name }) });
  return [tokens, logprobs];
};

test("a model with an adapter computes peft's logits", async () => {
  const expected = (await load(path.join(saved, 'expected.safetensors'))).prompt_logits.data() as Float32Array;
  const largest = Math.max(...expected.map(Math.abs));
  const difference = (logits: Float32Array) => Math.max(...logits.map((value, i) => Math.abs(value - expected[i])));
  const adapted = bundledModel({ modelPath, adapter });
  await adapted.init();
  assert.ok(difference(await adapted.logits(prompt)) < 1e-4 * largest);
  assert.ok(difference(await model.logits(prompt)) > 1e-3 * largest, 'the adapter changes something');
});

test('an attached adapter is of the calls that name it, together with others', async () => {
  const adapted = bundledModel({ modelPath, adapter });
  await adapted.init();
  const [plain, changed] = [await said(model), await said(adapted)];
  assert.notDeepEqual(changed, plain);
  assert.deepEqual(model.adapters(), []);
  await model.attachAdapter('one', adapter);
  await model.attachAdapter('a second', path.join(saved, 'trained'));
  assert.deepEqual(model.adapters(), ['a second', 'one']);
  const other = await said(model, 'a second');
  const together = await Promise.all([said(model), said(model, 'one'), said(model, 'a second'), said(model, 'one')]);
  assert.deepEqual(together, [plain, changed, other, changed]);
  const running = said(model, 'one');
  await new Promise((resolve) => setTimeout(resolve, 1));
  model.detachAdapter('a second');
  assert.deepEqual(await running, changed);
  assert.deepEqual(model.adapters(), ['one']);
  await assert.rejects(said(model, 'a second'), { name: 'LMError', code: 'not_found', message: /a second/ });
});

test('what is wrong with an adapter is named', async () => {
  const other = bundledModel({ modelPath });
  await assert.rejects(other.attachAdapter('one', adapter), { code: 'not_initialized' });
  assert.throws(() => other.adapters(), { code: 'not_initialized' });
  await other.init();
  await other.attachAdapter('one', adapter);
  await assert.rejects(other.attachAdapter('one', adapter), { code: 'invalid_argument', message: /one/ });
  await assert.rejects(other.attachAdapter('two', '/no/such'), { code: 'not_found', message: /no\/such/ });
  const smollm2 = path.join(sourceRoot, 'tests', 'data', 'finetune', 'smollm2', 'adapter');
  await assert.rejects(other.attachAdapter('two', smollm2), { name: 'LMError', code: 'format' });
  assert.throws(() => other.detachAdapter('two'), { name: 'LMError', code: 'not_found', message: /two/ });
  await assert.rejects(other.attachAdapter(7 as never, adapter), /TypeError: name must be a string, got 7/);
  await assert.rejects(other.attachAdapter('two', undefined as never), /TypeError: directory must be a path/);
  assert.throws(() => other.detachAdapter({} as never), /TypeError: name must be a string/);
  await assert.rejects(other.generate(prompt, { adapter: 7 } as never), /TypeError: adapter must be a string/);
  await other.cleanup();
  await other.init();
  assert.deepEqual(other.adapters(), []);
});
