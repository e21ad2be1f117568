// Tokens a second from JavaScript, dstorch beside its peers: the same sizes of model, one run, alternating rounds, medians.
//
//   node bench/node/bench.mjs --dstorch MODEL [--llama MODEL.gguf] [--transformers ONNX-DIR] [--tokens 64] [--streams 8]
//                             [--rounds 3]
//
// The peers are installed by `npm install` in bench/node. A peer without a model is left out.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values: given } = parseArgs({
  options: {
    dstorch: { type: 'string' },
    llama: { type: 'string' },
    transformers: { type: 'string' },
    tokens: { type: 'string', default: '64' },
    streams: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
  },
});
const tokens = Number(given.tokens);
const streams = Number(given.streams);
const promptTokens = 32;
const ids = Array.from({ length: promptTokens }, (_, i) => 300 + i);

/** Each peer: `one()` and `many()` generate, and return how many tokens they made. */
const peers = {
  async dstorch(modelPath) {
    const { TorchModel } = await import('dstorch');
    const model = new TorchModel({ modelPath });
    await model.init();
    const one = async () => (await model.complete(ids, { temperature: 0, maxTokens: tokens, ignoreEos: true })).tokens.length;
    return { one, many: () => all(one), close: () => model.cleanup() };
  },
  async llama(modelPath) {
    const { getLlama } = await import('node-llama-cpp');
    const llama = await getLlama({ gpu: false });
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ sequences: streams, contextSize: 512 });
    const one = async () => {
      const sequence = context.getSequence();
      let made = 0;
      for await (const _ of sequence.evaluate(ids, { temperature: 0 })) if (++made === tokens) break;
      sequence.dispose();
      return made;
    };
    return { one, many: () => all(one), close: () => llama.dispose() };
  },
  async transformers(directory) {
    const { AutoModelForCausalLM, Tensor, env } = await import('@huggingface/transformers');
    env.allowRemoteModels = false;
    env.localModelPath = path.dirname(path.resolve(directory));
    const model = await AutoModelForCausalLM.from_pretrained(path.basename(directory), { dtype: 'fp32' });
    const generate = async (rows) => {
      const input_ids = new Tensor('int64', BigInt64Array.from(Array(rows).fill(ids).flat(), BigInt), [rows, promptTokens]);
      const attention_mask = new Tensor('int64', new BigInt64Array(rows * promptTokens).fill(1n), [rows, promptTokens]);
      const output = await model.generate({ input_ids, attention_mask, max_new_tokens: tokens, min_new_tokens: tokens, do_sample: false });
      return rows * (output.dims[1] - promptTokens);
    };
    return { one: () => generate(1), many: () => generate(streams), close: () => model.dispose() };
  },
};

const all = async (one) => (await Promise.all(Array.from({ length: streams }, one))).reduce((sum, made) => sum + made, 0);
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const running = {};
for (const [name, open] of Object.entries(peers)) {
  if (given[name]) running[name] = { peer: await open(given[name]), one: [], many: [], delay: [] };
}
for (let round = 0; round <= Number(given.rounds); ++round) {
  for (const each of Object.values(running)) {
    for (const kind of ['one', 'many']) {
      const delays = monitorEventLoopDelay({ resolution: 1 });
      delays.enable();
      const begin = performance.now();
      const made = await each.peer[kind]();
      const rate = (1000 * made) / (performance.now() - begin);
      delays.disable();
      if (round > 0) each[kind].push(rate); // the first warms up
      if (round > 0) each.delay.push(delays.max / 1e6);
    }
  }
}
const ours = running.dstorch && { one: median(running.dstorch.one), many: median(running.dstorch.many) };
for (const [name, { peer, one, many, delay }] of Object.entries(running)) {
  const [single, together] = [median(one), median(many)];
  const ratio = ours && name !== 'dstorch' ? `; dstorch makes ${(ours.one / single).toFixed(2)} and ${(ours.many / together).toFixed(2)} times as many` : '';
  console.log(
    `${name}: ${single.toFixed(1)} tokens/s in one stream, ${together.toFixed(1)} in ${streams}; ` +
      `longest stop of the event loop ${median(delay).toFixed(1)} ms${ratio}`,
  );
  await peer.close();
}
process.exit(0);
