// The published dspy.ts on a real model: every module that the page docs/dspy-ts.md names.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  BootstrapFewShot,
  ChainOfThought,
  LMError as TheirError,
  MultiChainComparison,
  Pipeline,
  PredictModule,
  ReAct,
  Retrieve,
  configureLM,
  getLM,
  majority,
} from 'dspy.ts/dist/src';
import { bundledModel } from './support';

const model = bundledModel();
before(async () => {
  await model.init();
  configureLM(model);
});

/** Asks the bundled model for what it knows: a package's section and description. */
const describe = () =>
  new PredictModule<{ name: string }, { line: string }>({
    name: 'Describe',
    signature: { inputs: [{ name: 'name', type: 'string' }], outputs: [{ name: 'line', type: 'string' }] },
    promptTemplate: ({ name }) => `${name}\t`,
  });

const question = {
  inputs: [{ name: 'question', type: 'string' as const, required: true }],
  outputs: [{ name: 'answer', type: 'string' as const, required: true }],
};

test('configureLM takes a TorchModel as it is', () => assert.equal(getLM(), model));

test('PredictModule', async () => {
  const { line } = await describe().run({ name: 'python3-yaml' });
  assert.match(line, /^[a-z]+\t\S/, 'a section, a tab, a description');
  await assert.rejects(describe().run({} as never), /Missing required input field: name/);
});

test('PredictModule says what failed in the model', async () => {
  const long = { name: 'word '.repeat(5000) };
  await assert.rejects(describe().run(long), /Error in Describe: .*more than the context of 2048/);
});

test('ChainOfThought', async () => {
  const module = new ChainOfThought({ name: 'Think', signature: structuredClone(question) });
  const output = (await module.run({ question: 'Which package reads YAML in Python?' })) as Record<string, string>;
  assert.equal(typeof output.answer, 'string');
  assert.equal(typeof output.reasoning, 'string');
});

test('Pipeline', async () => {
  const summarize = new PredictModule<{ line: string }, { line: string }>({
    name: 'Again',
    signature: { inputs: [{ name: 'line', type: 'string' }], outputs: [{ name: 'line', type: 'string' }] },
    promptTemplate: ({ line }) => `${line.split('\t').at(-1)?.split(' ')[0].toLowerCase()}\t`,
  });
  const result = await new Pipeline([describe(), summarize]).run({ name: 'libpng-dev' });
  assert.equal(result.success, true, String(result.error));
  assert.deepEqual(result.steps.map((step) => step.moduleName), ['Describe', 'Again']);
  assert.deepEqual(result.steps[1].input, result.steps[0].output);
  assert.match(result.finalOutput.line, /\t/);
});

test('a Pipeline on a model that was cleaned up', async () => {
  const other = bundledModel();
  configureLM(other);
  try {
    const result = await new Pipeline([describe()]).run({ name: 'x' });
    assert.equal(result.success, false);
    assert.match(String(result.error), /Torch model not initialized\. Call init\(\) first\./);
  } finally {
    configureLM(model);
  }
});

test('BootstrapFewShot', async () => {
  const optimizer = new BootstrapFewShot<{ name: string }, { line: string }>(
    (_input, output) => (output.line.includes('\t') ? 1 : 0),
    { maxLabeledDemos: 1, maxBootstrappedDemos: 2, minScore: 0.5 },
  );
  const known = { input: { name: 'vim' }, output: { line: 'editors\tVi IMproved' } };
  const program = await optimizer.compile(describe(), [known, { input: { name: 'python3-yaml' } }] as never);
  const prompt = program.promptTemplate({ name: 'libpng-dev' });
  assert.match(prompt, /Input: {"name":"vim"}/);
  assert.match(prompt, /Input: {"name":"python3-yaml"}\nExpected Output: {"line":"[a-z]+\\t/);
  assert.equal(typeof (await getLM().generate(prompt)), 'string');
});

test('majority asks n times at once', async () => {
  const seen = { running: 0, most: 0 };
  configureLM({
    async generate(prompt, options) {
      seen.most = Math.max(seen.most, ++seen.running);
      try {
        return await model.generate(prompt, options);
      } finally {
        seen.running--;
      }
    },
  });
  try {
    const result = await majority(describe(), { name: 'python3-yaml' }, { n: 7 });
    assert.equal(result.total, 7);
    assert.equal(seen.most, 7);
    assert.ok(result.predictions.reduce((sum, each) => sum + each.count, 0) === 7 && result.output.line);
  } finally {
    configureLM(model);
  }
});

test('MultiChainComparison', async () => {
  const module = new MultiChainComparison<{ question: string }, { answer: string }>({ name: 'Compare', signature: structuredClone(question), n: 2 });
  const output = await module.run({ question: 'Which?' });
  assert.equal(output.candidates.length, 2);
  assert.equal(typeof output.answer, 'string');
});

test('ReAct', async () => {
  const module = new ReAct<{ question: string }, { answer: string }>({
    name: 'Act',
    signature: structuredClone(question),
    tools: [{ name: 'search', description: 'Looks into the package list', execute: async () => 'python3-yaml' }],
    maxIterations: 2,
  });
  const output = await module.run({ question: 'Which package reads YAML?' });
  assert.equal(typeof output.answer, 'string');
  assert.ok(output.steps.length >= 1);
});

test('modules that read JSON can read each answer that is held to their outputs', async () => {
  type Output = { section: string; size: number; free: boolean };
  const signature = {
    inputs: [{ name: 'name', type: 'string' as const }],
    outputs: [
      { name: 'section', type: 'string' as const },
      { name: 'size', type: 'number' as const },
      { name: 'free', type: 'boolean' as const },
    ],
  };
  const predict = new PredictModule<{ name: string }, Output>({
    name: 'Typed',
    signature: structuredClone(signature),
    promptTemplate: ({ name }) => `${name}\t`,
  });
  const known = { input: { name: 'vim' }, output: { section: 'editors', size: 3, free: true } };
  const optimizer = new BootstrapFewShot<{ name: string }, Output>(() => 1, { maxLabeledDemos: 1, maxBootstrappedDemos: 0 });
  const modules = [
    predict,
    new ChainOfThought<{ name: string }, Output>({ name: 'Think', signature: structuredClone(signature) }),
    await optimizer.compile(predict, [known] as never),
  ];
  try {
    for (const module of modules) {
      // Without the schema the bundled model, which knows no JSON, is never understood.
      const properties = Object.fromEntries(module.signature.outputs.map(({ name, type }) => [name, { type }]));
      const schema = { type: 'object', properties, required: Object.keys(properties) };
      const answers: string[] = [];
      configureLM({
        async generate(prompt, options) {
          const { text } = await model.complete(prompt, { maxTokens: 120, ...options, seed: answers.length, schema });
          answers.push(text);
          return text;
        },
      });
      for (let i = 0; i < 5; ++i) {
        const output = await module.run({ name: 'python3-yaml' });
        assert.deepEqual([typeof output.section, typeof output.size, typeof output.free], ['string', 'number', 'boolean']);
        assert.deepEqual(Object.keys(JSON.parse(answers[i])), Object.keys(properties), module.name);
      }
      configureLM(model);
      if (module.strategy === 'Predict') await assert.rejects(module.run({ name: 'python3-yaml' }), /parse|JSON/);
    }
  } finally {
    configureLM(model);
  }
});

test('Retrieve finds by embed', async () => {
  const passages = ['python3-yaml\tpython\tYAML parser', 'fonts-noto\tfonts\tfont family', 'libpng-dev\tlibdevel\tPNG library'];
  const stored: { text: string; vector: number[] }[] = [];
  const retrieve = new Retrieve({
    k: 2,
    retrieveFunction: async (query, k) => {
      const vector = await model.embed(query);
      const cosine = (a: number[], b: number[]) =>
        a.reduce((sum, x, i) => sum + x * b[i], 0) / Math.hypot(...a) / Math.hypot(...b);
      return stored
        .map((each) => ({ passage: each.text, score: cosine(vector, each.vector) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, k);
    },
  });
  for (const text of passages) stored.push({ text, vector: await model.embed(text) });
  const { passages: found } = await retrieve.run({ query: 'fonts-dejavu\tfonts\tfont family' });
  assert.equal(found.length, 2);
  assert.equal(found[0].passage, passages[1]);
  // Its own store takes embed too.
  await retrieve.store(passages.map((text) => ({ text })), (text) => model.embed(text));
});

test("an LMError is one by name for who knows dspy.ts's", async () => {
  const error = await model.generate('x', { maxTokens: -1 }).catch((caught) => caught);
  assert.equal(error.name, new TheirError('x').name);
});
