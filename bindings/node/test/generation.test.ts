// complete, stream and what may be said to them, on the bundled model.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Completion } from 'dstorch';
import { bundledModel } from './support';

const model = bundledModel();
before(() => model.init());

const prompt = 'python3-yaml\t';
const answer = 'python\tPython 3 bindings for Yaml';
const greedy = { temperature: 0 };

test('generate continues a prompt', async () => {
  assert.equal(await model.generate(prompt, greedy), answer);
});

test('complete says how it went', async () => {
  await model.complete(prompt, { ...greedy, maxTokens: 1 });
  const result = await model.complete(prompt, greedy);
  assert.equal(result.text, answer);
  assert.equal(result.finishReason, 'stop');
  const asked = await model.tokenize(prompt);
  assert.deepEqual(result.usage, { promptTokens: asked.length, cachedTokens: asked.length - 1, completionTokens: result.tokens.length });
  // The end token is counted, and is no text.
  assert.equal((await model.detokenize(result.tokens)).trimEnd(), answer);
  assert.equal(result.timings.tokenSeconds.length, result.tokens.length);
  assert.ok(result.timings.promptSeconds > 0 && result.timings.generationSeconds >= 0);
  assert.ok(!('logprobs' in result) && !('stopSequence' in result));
});

test('speculation changes when an answer comes, and nothing of it', async () => {
  const records = 'vim\teditors\tVi IMproved\nvim-gtk3\teditors\tVi IMproved\nvim-nox\teditors\t';
  const options = { ...greedy, ignoreEos: true, maxTokens: 60 };
  const off = await model.complete(records, { ...options, speculation: 'off' });
  assert.deepEqual([off.timings.draftedTokens, off.timings.acceptedTokens], [0, 0]);
  const lookup = await model.complete(records, { ...options, speculation: 'lookup' });
  assert.deepEqual(lookup.tokens, off.tokens);
  assert.ok(lookup.timings.acceptedTokens > 0 && lookup.timings.draftedTokens >= lookup.timings.acceptedTokens);
  assert.deepEqual((await model.complete(records, options)).tokens, off.tokens);
});

test('maxTokens ends an answer', async () => {
  const result = await model.complete(prompt, { ...greedy, maxTokens: 2 });
  assert.equal(result.finishReason, 'length');
  assert.equal(result.tokens.length, 2);
  assert.ok(answer.startsWith(result.text));
  assert.equal((await model.complete(prompt, { maxTokens: 0 })).text, '');
});

test('token ids are a prompt too, in any array', async () => {
  const ids = await model.tokenize(prompt);
  assert.equal(await model.generate(ids, greedy), answer);
  assert.equal(await model.generate(Int32Array.from(ids), greedy), answer);
  assert.equal(await model.generate(BigInt64Array.from(ids, BigInt), greedy), answer);
});

test('a stop sequence ends before it', async () => {
  const result = await model.complete(prompt, { ...greedy, stopSequences: ['never', ' bindings'] });
  assert.equal(result.text, 'python\tPython 3');
  assert.equal(result.stopSequence, ' bindings');
});

test('logprobs come for each token, the likeliest first', async () => {
  const result = await model.complete(prompt, { ...greedy, logprobs: 3 });
  assert.equal(result.logprobs?.length, result.tokens.length);
  result.logprobs?.forEach((entry, i) => {
    assert.equal(entry.token, result.tokens[i]);
    assert.equal(entry.top.length, 3);
    assert.deepEqual(entry.top[0], { token: entry.token, logprob: entry.logprob });
    assert.ok(entry.top[0].logprob >= entry.top[1].logprob && entry.logprob <= 0);
  });
});

test('same seed, same text; unless said one is drawn and said', async () => {
  const first = await model.complete(prompt, { maxTokens: 40 });
  assert.ok(Number.isSafeInteger(first.seed));
  const again = await model.complete(prompt, { maxTokens: 40, seed: first.seed });
  assert.deepEqual([again.text, again.seed], [first.text, first.seed]);
  const large = 2n ** 63n + 1n;
  const one = await model.complete(prompt, { seed: large });
  assert.equal(one.seed, large);
  assert.equal((await model.complete(prompt, { seed: large })).text, one.text);
  const texts = await Promise.all(Array.from({ length: 8 }, () => model.generate(prompt, { temperature: 2 })));
  assert.ok(new Set(texts).size > 1, 'seeds differ');
});

test('each option reaches the model', async () => {
  const plain = await model.complete(prompt, greedy);
  const changed = async (options: object) => (await model.complete(prompt, { ...greedy, maxTokens: 8, ...options })).tokens;
  const first = plain.tokens[0];
  assert.ok(!(await changed({ logitBias: { [first]: -Infinity } })).includes(first));
  assert.ok(!(await changed({ logitBias: new Map([[first, -100]]) })).includes(first));
  assert.ok((await changed({ ignoreEos: true, maxTokens: 60 })).length > plain.tokens.length);
  const long = { ignoreEos: true, maxTokens: 60 };
  const repeated = (ids: number[]) => ids.length - new Set(ids).size;
  const usual = repeated(await changed(long));
  assert.ok(repeated(await changed({ ...long, repetitionPenalty: 100 })) < usual);
  assert.ok(repeated(await changed({ ...long, frequencyPenalty: 2 })) < usual);
  assert.ok(repeated(await changed({ ...long, presencePenalty: 2 })) < usual);
  for (const only of [{ topK: 1 }, { topP: 1e-9 }, { minP: 1 }]) {
    assert.equal(await model.generate(prompt, { temperature: 5, ...only }), answer, JSON.stringify(only));
  }
});

test('special tokens are text when asked for', async () => {
  const ids = await model.tokenize('<|endoftext|>');
  const end = { ...greedy, maxTokens: 1, ignoreEos: true, logitBias: { [ids[0]]: 1000 } };
  assert.equal(await model.generate(prompt, end), '');
  assert.equal(await model.generate(prompt, { ...end, skipSpecialTokens: false }), '<|endoftext|>');
});

test('a stream gives pieces, then all about the answer', async () => {
  const stream = model.stream(prompt, greedy);
  const pieces: string[] = [];
  for await (const piece of stream) pieces.push(piece);
  assert.equal(pieces.join(''), answer);
  assert.ok(pieces.length > 3, `${pieces.length} pieces`);
  const result = await stream.result;
  assert.equal(result.text, answer);
  assert.equal(result.finishReason, 'stop');
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test('a stream may be read ahead', async () => {
  const stream = model.stream(prompt, greedy);
  const reads = await Promise.all(Array.from({ length: 40 }, () => stream.next()));
  assert.equal(reads.map((read) => read.value ?? '').join(''), answer);
  assert.equal(reads.at(-1)?.done, true);
});

test('a stream left early is cancelled', async () => {
  const stream = model.stream(prompt, { ignoreEos: true, maxTokens: 1500 });
  for await (const piece of stream) {
    assert.ok(piece.length > 0);
    break;
  }
  const result = await stream.result;
  assert.equal(result.finishReason, 'cancelled');
  assert.ok(result.tokens.length < 1500);
});

test("a stream's error reaches its reader, and no one else", async () => {
  const stream = model.stream(prompt, { maxTokens: 100_000 });
  await assert.rejects(stream.next(), { name: 'LMError', code: 'context_overflow', message: /maxTokens 100000/ });
  assert.equal((await stream.next()).done, true);
  await assert.rejects(stream.result, { code: 'context_overflow' });
});

test('an aborted promise rejects at once with an AbortError', async () => {
  const controller = new AbortController();
  const running = model.complete(prompt, { ignoreEos: true, maxTokens: 1500, signal: controller.signal });
  setImmediate(() => controller.abort('enough'));
  await assert.rejects(running, { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
  await assert.rejects(model.generate(prompt, { signal: controller.signal }), { name: 'AbortError' });
  assert.equal(await model.generate(prompt, greedy), answer);
});

test('an aborted stream ends', async () => {
  const controller = new AbortController();
  const stream = model.stream(prompt, { ignoreEos: true, maxTokens: 1500, signal: controller.signal });
  let pieces = 0;
  for await (const piece of stream) {
    assert.ok(piece);
    if (++pieces === 2) controller.abort();
  }
  assert.equal((await stream.result).finishReason, 'cancelled');
  const before = model.stream(prompt, { signal: AbortSignal.abort() });
  assert.deepEqual(await before.next(), { value: undefined, done: true });
});

test('a signal that outlives its calls keeps none of their listeners', async () => {
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  for (let i = 0; i < 5; ++i) await model.generate(prompt, { ...greedy, signal });
  for await (const piece of model.stream(prompt, { ...greedy, signal })) assert.ok(piece);
  await new Promise(setImmediate);
  assert.equal(listeners, 0);
});

test('calls made at once go through together, each as it would alone', async () => {
  const prompts = ['python3-yaml\t', 'libpng-dev\t', 'fonts-noto\t', 'golang-github\t'];
  const alone: Completion[] = [];
  for (const each of prompts) alone.push(await model.complete(each, { seed: 7, maxTokens: 30 }));
  const together = await Promise.all(prompts.map((each) => model.complete(each, { seed: 7, maxTokens: 30 })));
  assert.deepEqual(together.map((result) => result.tokens), alone.map((result) => result.tokens));
  // More than there are threads for calls that wait.
  const many = await Promise.all(Array.from({ length: 300 }, () => model.generate(prompt, { ...greedy, maxTokens: 4 })));
  assert.equal(new Set(many).size, 1);
});
