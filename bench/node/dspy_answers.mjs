// How many answers of a model's the modules of dspy.ts can read, with and without a schema:
//
//   node bench/node/dspy_answers.mjs MODEL [COUNT [MODULE...]]     COUNT questions each, 40 unless said; every module unless said
//
// An answer is parsed when JSON.parse takes it, which is what PredictModule and bootstrapped modules do; a run succeeds when
// the module finds each output field in it, of its type. dspy.ts comes from bindings/node.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../bindings/node/package.json', import.meta.url));
const { TorchModel } = require('dstorch');
const { BootstrapFewShot, ChainOfThought, PredictModule, configureLM } = require('dspy.ts/dist/src');

const [modelPath, count = '40', ...named] = process.argv.slice(2);
const model = new TorchModel({ modelPath });
await model.init();
const converses = await model.chat([{ role: 'user', content: 'x' }], { maxTokens: 1 }).then(() => true, () => false);

const words = 'oak pine river stone bread glass cloud horse paper chair lamp coat train garden copper salt spoon tower wheel bridge'.split(' ');
const questions = Array.from({ length: Number(count) }, (_, i) => ({
  text: `I bought ${2 + (i % 7)} pieces of ${words[i % words.length]} and ${words[(i * 7 + 3) % words.length]} for ${3 + i} euros.`,
}));
const field = (name, type) => ({ name, type, required: true });
const signature = () => ({
  inputs: [field('text', 'string')],
  outputs: [field('thing', 'string'), field('price', 'number'), field('cheap', 'boolean')],
});
const predict = new PredictModule({
  name: 'Extract',
  signature: signature(),
  promptTemplate: ({ text }) =>
    `Text: ${text}\nWhat was bought, for how much, and was it cheap? Answer with a JSON object and nothing else, like ` +
    '{"thing": "apples", "price": 5, "cheap": true}.\nAnswer: ',
});

/** A driver: `ask` with the module's schema, or without. */
function driver(module, seen, held) {
  const properties = Object.fromEntries(module.signature.outputs.map(({ name, type }) => [name, { type }]));
  const schema = { type: 'object', properties, required: Object.keys(properties) };
  return {
    async generate(prompt, options) {
      const all = { maxTokens: 256, ...options, seed: seen.length, ...(held && { schema }) };
      const { text } = await (converses ? model.chat([{ role: 'user', content: prompt }], all) : model.complete(prompt, all));
      seen.push(text);
      return text;
    },
  };
}

const parses = (text) => {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
};

async function measure(name, module, held) {
  const seen = [];
  configureLM(driver(module, seen, held));
  let ran = 0;
  for (const question of questions) {
    await module.run(question).then(() => ran++, () => {});
  }
  const share = (number) => `${((100 * number) / questions.length).toFixed(0)} %`;
  console.log(`${name}, ${held ? 'with' : 'without'} a schema: parsed ${share(seen.filter(parses).length)}, runs that succeed ${share(ran)}`);
}

const thought = new ChainOfThought({ name: 'Think', signature: signature() });
const optimizer = new BootstrapFewShot(() => 1, { maxLabeledDemos: 2, maxBootstrappedDemos: 0 });
const known = [
  { input: { text: 'I bought a kilo of apples for 2 euros.' }, output: { thing: 'apples', price: 2, cheap: true } },
  { input: { text: 'A ring of gold cost me 900 euros.' }, output: { thing: 'ring', price: 900, cheap: false } },
];
const bootstrapped = await optimizer.compile(predict, known);
const modules = { PredictModule: predict, ChainOfThought: thought, BootstrapFewShot: bootstrapped };
for (const [name, module] of Object.entries(modules)) {
  if (named.length > 0 && !named.includes(name)) continue;
  for (const held of [false, true]) await measure(name, module, held);
}
await model.cleanup();
