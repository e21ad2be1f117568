// Tokens a second from JavaScript, dstorch beside its peers: the same sizes of model, one run, alternating rounds, medians.
//
//   node bench/node/bench.mjs --dstorch MODEL [--llama MODEL.gguf] [--transformers ONNX-DIR] [--tokens 64] [--streams 8]
//                             [--rounds 3] [--threads CORES]
//
// The peers are installed by `npm install` in bench/node; to_gguf.py and to_onnx.py write their models. A peer without a model
// is left out. Each runs in a process of its own, and waits while another works. On a machine that has other work take
// `--threads 1`: threads that wait for each other in a loop come to a stop there, and what then compares is the processor's
// time for a token.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
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
    threads: { type: 'string', default: String(availableParallelism()) },
    peer: { type: 'string' }, // the process of this one
  },
});
const tokens = Number(given.tokens);
const streams = Number(given.streams);
const threads = Number(given.threads);
const promptTokens = 32;
const ids = Array.from({ length: promptTokens }, (_, i) => 300 + i);

/** Each peer: `one()` and `many()` generate, and return how many tokens they made. */
const peers = {
  async dstorch(modelPath) {
    const { TorchModel } = await import('dstorch');
    const model = new TorchModel({ modelPath, threads });
    await model.init();
    const one = async () => (await model.complete(ids, { temperature: 0, maxTokens: tokens, ignoreEos: true })).tokens.length;
    return { one, many: () => all(one), close: () => model.cleanup() };
  },
  async llama(modelPath) {
    const { getLlama } = await import('node-llama-cpp');
    const llama = await getLlama({ gpu: false, maxThreads: threads });
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
    const model = await AutoModelForCausalLM.from_pretrained(path.basename(directory), {
      dtype: 'fp32',
      session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
    });
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

/** A peer's process: for each kind of work that it is told, what that took. */
async function serve(name) {
  const peer = await peers[name](given[name]);
  process.on('message', async (kind) => {
    if (kind === 'end') {
      await peer.close();
      process.exit(0);
    }
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    const [begin, cpu] = [performance.now(), process.cpuUsage()];
    const made = await peer[kind]();
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - begin) / 1000;
    delays.disable();
    process.send({ rate: made / seconds, cpu: (user + system) / 1000 / made, delay: delays.max / 1e6 });
  });
  process.send('ready');
}

async function main() {
  const running = {};
  for (const name of Object.keys(peers).filter((each) => given[each])) {
    const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--peer', name]);
    await once(child, 'message');
    running[name] = { child, one: [], many: [] };
  }
  for (let round = 0; round <= Number(given.rounds); ++round) {
    for (const each of Object.values(running)) {
      for (const kind of ['one', 'many']) {
        each.child.send(kind);
        const [took] = await once(each.child, 'message');
        if (round > 0) each[kind].push(took); // the first warms up
      }
    }
  }
  const of = (name, kind, what) => median(running[name][kind].map((took) => took[what]));
  for (const [name, { child }] of Object.entries(running)) {
    for (const [kind, words] of [['one', 'one stream'], ['many', `${streams} streams`]]) {
      const ratio = (what, times) => (running.dstorch && name !== 'dstorch' ? ` (dstorch ${times(of('dstorch', kind, what), of(name, kind, what)).toFixed(2)} times)` : '');
      console.log(
        `${name}, ${words}: ${of(name, kind, 'rate').toFixed(1)} tokens/s${ratio('rate', (ours, theirs) => ours / theirs)}; ` +
          `${of(name, kind, 'cpu').toFixed(1)} ms of the processors for a token${ratio('cpu', (ours, theirs) => ours / theirs)}; ` +
          `longest stop of the event loop ${of(name, kind, 'delay').toFixed(1)} ms`,
      );
    }
    child.send('end');
  }
}

await (given.peer ? serve(given.peer) : main());
