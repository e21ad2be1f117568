'use strict';
const native = require('./native.js');
const { AbortError, LMError } = require('./errors.js');
const { check, checkOptions, kinds } = require('./check.js');
const options = require('./options.js');
const { TokenStream } = require('./token_stream.js');

/** A model from PyTorch or Hugging Face, running in this process, on threads of its own. */
class TorchModel {
  #config;
  #onProgress;
  #model;
  /** What has begun and not ended; each entry keeps this object alive. */
  #running = new Set();
  #ready = false;
  #loading;

  constructor(config) {
    const { onProgress, ...rest } = options.checkConfig(config);
    this.#config = rest;
    this.#onProgress = onProgress;
    this.#model = new (native().Model)(rest);
  }

  /** Loads the model. Nothing where it is loaded; together with another call where that loads it. */
  async init(given) {
    const { signal } = checkOptions(given, options.call);
    if (signal?.aborted) throw new AbortError(signal);
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#withSignal(signal, this.#loading, () => this.#model.cancel());
  }

  async #load() {
    let thrown;
    const onProgress =
      this.#onProgress &&
      ((progress) => {
        try {
          this.#onProgress(progress);
        } catch (error) {
          thrown ??= { error };
          this.#model.cancel();
        }
      });
    try {
      await this.#call((done) => this.#model.init(onProgress, done));
    } catch (error) {
      throw thrown ? thrown.error : error;
    }
    this.#ready = true;
  }

  get initialized() {
    return this.#ready;
  }

  async generate(prompt, given) {
    return (await this.complete(prompt, given)).text;
  }

  async complete(prompt, given) {
    const text = options.checkPrompt(prompt);
    const { signal, options: wanted } = options.checkGeneration(given);
    this.#requireReady();
    return this.#generation(text, wanted, signal).result;
  }

  stream(prompt, given) {
    const text = options.checkPrompt(prompt);
    const { signal, options: wanted } = options.checkGeneration(given);
    this.#requireReady();
    return new TokenStream((reader) => {
      const generation = this.#generation(text, wanted, undefined, reader.pieces);
      if (signal?.aborted) generation.cancel();
      signal?.addEventListener('abort', generation.cancel, { once: true });
      generation.result
        .then(() => reader.end(), reader.end)
        .then(() => signal?.removeEventListener('abort', generation.cancel));
      return generation;
    });
  }

  /** A generation that has begun: a promise of its result, and a way to end it. */
  #generation(prompt, wanted, signal, onPieces) {
    if (signal?.aborted) return { result: Promise.reject(new AbortError(signal)), cancel() {} };
    let number;
    const cancel = () => number !== undefined && this.#model.cancel(number);
    const ended = this.#call((done) => {
      number = this.#model.submit(prompt, wanted, onPieces, done);
    }).then(({ logprobs, ...completion }) => ({
      ...completion,
      seed: wanted.seed,
      ...(wanted.logprobs === undefined ? {} : { logprobs }),
    }));
    return { result: this.#withSignal(signal, ended, cancel), cancel };
  }

  /** The mean of the last hidden states of a text's tokens. */
  async embed(text, given) {
    check('text', text, kinds.string);
    const { signal } = checkOptions(given, options.call);
    this.#requireReady();
    return this.#withSignal(signal, this.#call((done) => this.#model.embed(text, done)));
  }

  /** The logits for the token after a prompt. */
  async logits(prompt, given) {
    const text = options.checkPrompt(prompt);
    const { signal } = checkOptions(given, options.call);
    this.#requireReady();
    return this.#withSignal(signal, this.#call((done) => this.#model.logits(text, done)));
  }

  /** How well the model predicts a text. */
  async perplexity(text, given) {
    check('text', text, kinds.string);
    const { signal } = checkOptions(given, options.call);
    this.#requireReady();
    return this.#withSignal(signal, this.#call((done) => this.#model.perplexity(text, done)));
  }

  async tokenize(text, given) {
    check('text', text, kinds.string);
    const { addSpecialTokens = true, parseSpecialTokens = true } = checkOptions(given, options.tokenizing);
    this.#requireReady();
    return this.#call((done) => this.#model.tokenize(text, addSpecialTokens, parseSpecialTokens, done));
  }

  async detokenize(ids, given) {
    const numbers = options.checkIds('ids', ids);
    const { skipSpecialTokens = true } = checkOptions(given, options.detokenizing);
    this.#requireReady();
    return this.#call((done) => this.#model.detokenize(numbers, skipSpecialTokens, done));
  }

  /** What loading this model and running it will need; it need not be loaded. */
  async plan(given) {
    const wanted = checkOptions(given, options.planning);
    return this.#call((done) => this.#model.plan(wanted, done));
  }

  /** What the model is. */
  info() {
    this.#requireReady();
    return this.#model.info();
  }

  /** What it holds on its device. */
  memory() {
    return this.#model.memory();
  }

  /** Takes no new calls, waits for those that run, and gives the memory back. */
  async cleanup() {
    this.#ready = false;
    while (this.#running.size > 0) {
      await Promise.allSettled(this.#running);
    }
    await this.#call((done) => this.#model.cleanup(done));
    this.#ready = false; // an init that ran has ended meanwhile
  }

  #requireReady() {
    if (!this.#ready) {
      throw new LMError('Torch model not initialized. Call init() first.', 'not_initialized');
    }
  }

  /** A call of the addon's, counted while it runs. */
  #call(start) {
    const ended = native.promised(start);
    const counted = ended.then(
      () => this.#running.delete(counted),
      () => this.#running.delete(counted),
    );
    this.#running.add(counted);
    return ended;
  }

  /** `work`; or, as soon as the signal is aborted, an AbortError. */
  #withSignal(signal, work, cancel = () => {}) {
    if (signal === undefined) return work;
    return new Promise((resolve, reject) => {
      const abort = () => {
        reject(new AbortError(signal));
        cancel();
      };
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }
}

if (Symbol.asyncDispose) {
  Object.defineProperty(TorchModel.prototype, Symbol.asyncDispose, {
    value: TorchModel.prototype.cleanup,
    writable: true,
    configurable: true,
  });
}

/** The model that comes with dstorch. */
function bundledModelPath() {
  return native().bundledModelPath();
}

module.exports = { TorchModel, bundledModelPath };
