// Every argument and option of the package, given every kind of value: each is taken, or refused by name; nothing crashes.
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import { DummyLM, Tensor, TorchModel, TorchUtils, configureLM, device, load, memoryUse } from 'dstorch';
import { bundledModel, sourceRoot } from './support';

const modelPath = path.join(sourceRoot, 'examples', 'trees');
const model = bundledModel({ modelPath });
const dummy = new DummyLM(['x']);
before(() => Promise.all([model.init(), dummy.init()]));

function detached(): Float64Array {
  const array = new Float64Array(2);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function nested(depth: number): object {
  let all = {};
  for (let i = 0; i < depth; ++i) all = { all };
  return all;
}

const cycle: Record<string, unknown> = {};
cycle.itself = cycle;

const values: unknown[] = [
  undefined, null, true, NaN, Infinity, -1, 1.5, 2 ** 53 - 1, 5n, 2n ** 70n, '', 'x', 'a\0b', '\ud800', Symbol('s'), () => {}, class {},
  [], [1], [, 1], [[[]]], ['a'], {}, Object.create(null), { x: 1 }, new Map([['a', 1]]), new Set([1]), Promise.resolve(1), new Date(0),
  /x/g, Float32Array.of(NaN, 1), new Uint8Array(3), BigInt64Array.of(1n, -5n), new DataView(new ArrayBuffer(4)), new ArrayBuffer(8),
  new Int32Array(new SharedArrayBuffer(8)), detached(), new Error('e'), new URL('file:///x'), new String('x'), cycle, nested(5000),
]; // prettier-ignore

const user = { role: 'user', content: 'x' };
const few = { maxTokens: 2 };
const read = async (pieces: AsyncIterable<unknown>) => {
  for await (const piece of pieces) if (piece) break;
};

/** One call for each place where a value can be; `any` is whatever a program in JavaScript passes. */
const places: Record<string, (any: any) => unknown> = {
  config: (any) => new TorchModel(any),
  prompt: (any) => model.generate(any, few),
  'a prompt that is streamed': (any) => read(model.stream(any, few)),
  options: (any) => model.complete('x', any),
  messages: (any) => model.chat(any, few),
  'options of a chat': (any) => read(model.streamChat([user], any)),
  'options of init': (any) => model.init(any),
  embed: (any) => model.embed(any),
  logits: (any) => model.logits(any),
  perplexity: (any) => model.perplexity(any),
  tokenize: (any) => model.tokenize(any),
  'options of tokenize': (any) => model.tokenize('x', any),
  detokenize: (any) => model.detokenize(any),
  'options of detokenize': (any) => model.detokenize([1], any),
  'options of plan': (any) => model.plan(any),
  "an adapter's name": (any) => model.attachAdapter(any, '/no/such'),
  "an adapter's directory": (any) => model.attachAdapter('a', any),
  detachAdapter: (any) => model.detachAdapter(any),
  device,
  memoryUse,
  load,
  createTensor: (any) => TorchUtils.createTensor(any),
  'options of createTensor': (any) => TorchUtils.createTensor([1, 2], any),
  to: (any) => TorchUtils.createTensor([1]).to(any),
  toDevice: (any) => TorchUtils.toDevice(any, 'cpu'),
  extractTensorData: (any) => TorchUtils.extractTensorData(any),
  calculateTensorMemory: (any) => TorchUtils.calculateTensorMemory(any),
  Tensor: (any) => new (Tensor as any)(any),
  configureLM: (any) => configureLM(any),
  DummyLM: (any) => new DummyLM(any),
  "DummyLM's prompt": (any) => dummy.generate(any),
  "DummyLM's options": (any) => dummy.generate('x', any),
  setResponse: (any) => dummy.setResponse(any, any),
};
const fields: [string, string[], (field: string) => (any: any) => unknown][] = [
  [
    'config',
    ['modelPath', 'deviceType', 'architecture', 'dtype', 'kvDtype', 'kvMemory', 'threads', 'tokenizerPath', 'maxContext', 'seed',
      'memoryLimit', 'allowScripts', 'copyWeights', 'adapter', 'draftModelPath'],
    (field) => (any) => new TorchModel({ modelPath, [field]: any }).init(),
  ],
  [
    'architecture',
    ['inputSize', 'hiddenSize', 'outputSize', 'numLayers'],
    (field) => (any) => new TorchModel({ architecture: { inputSize: 1, hiddenSize: 1, outputSize: 1, [field]: any } }).init(),
  ],
  [
    'generation',
    ['maxTokens', 'temperature', 'topP', 'stopSequences', 'topK', 'minP', 'repetitionPenalty', 'frequencyPenalty', 'presencePenalty',
      'logitBias', 'seed', 'logprobs', 'ignoreEos', 'skipSpecialTokens', 'adapter', 'regex', 'choice', 'grammar', 'schema', 'whiteSpace',
      'signal'],
    (field) => (any) => model.generate('x', { ...few, [field]: any }),
  ],
  ['chat', ['tools', 'documents', 'variables', 'template'], (field) => (any) => model.chat([user], { ...few, [field]: any })],
  [
    'message',
    ['role', 'content', 'reasoning', 'toolCalls', 'toolCallId', 'name', 'more'],
    (field) => (any) => model.chat([{ ...user, [field]: any }], few),
  ],
  ['tool', ['name', 'description', 'parameters'], (field) => (any) => model.chat([user], { ...few, tools: [{ name: 'f', [field]: any }] })],
  ['tensor', ['shape', 'dtype', 'device', 'requiresGrad'], (field) => (any) => TorchUtils.createTensor([1, 2], { [field]: any })],
  ['plan', ['context', 'batch', 'training', 'loraRank', 'bfloat16', 'checkpointing'], (field) => (any) => model.plan({ [field]: any })],
]; // prettier-ignore
for (const [label, names, call] of fields) for (const name of names) places[`${label}: ${name}`] = call(name);

for (const [name, call] of Object.entries(places)) {
  test(name, async () => {
    let refused = 0;
    for (const value of values) {
      try {
        await call(value);
      } catch (error) {
        refused++;
        const { name: kind, message, code } = error as Error & { code?: string };
        assert.ok(kind === 'TypeError' || (kind === 'LMError' && code !== 'internal'), `${kind} ${code}: ${message}`);
        // What the package says itself names the place; what the engine says of a TypeError would not.
        if (kind === 'TypeError') assert.match(message, /^\S.* (must|has (no field|neither)|cannot be written|is made by|is of) /, message);
      }
    }
    assert.ok(refused > values.length / 2, `only ${refused} of ${values.length} were refused`);
  });
}

test('after cleanup every call says so, and may be made again after init', async () => {
  const other = bundledModel({ modelPath });
  await other.init();
  await other.cleanup();
  const calls: (() => unknown)[] = [
    () => other.generate('x'),
    () => other.complete('x'),
    () => other.stream('x'),
    () => other.chat([{ role: 'user', content: 'x' }]),
    () => other.streamChat([{ role: 'user', content: 'x' }]),
    () => other.embed('x'),
    () => other.logits('x'),
    () => other.perplexity('x y'),
    () => other.tokenize('x'),
    () => other.detokenize([1]),
    () => other.attachAdapter('a', '/no/such'),
    () => other.detachAdapter('a'),
    () => other.adapters(),
    () => other.info(),
  ];
  for (const call of calls) {
    await assert.rejects(async () => call(), { name: 'LMError', code: 'not_initialized', message: /Call init\(\) first/ }, String(call));
  }
  assert.equal(other.memory().total.bytes, 0);
  assert.ok((await other.plan()).total > 0);
  await other.init();
  assert.equal(typeof (await other.generate('x', few)), 'string');
});
