'use strict';
const native = require('./native.js');
const { AbortError, LMError } = require('./errors.js');
const { check, checkOptions, kinds } = require('./check.js');
const { readMessage, readPiece, writeMessages } = require('./chat.js');
const options = require('./options.js');
const { AnswerStream } = require('./answer_stream.js');

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
    const completion = await this.complete(prompt, given);
    return 'value' in completion ? completion.value : completion.text;
  }

  async complete(prompt, given) {
    return this.#answer(this.#continuation(prompt, given)).result;
  }

  stream(prompt, given) {
    return this.#stream(this.#continuation(prompt, given));
  }

  /** The assistant's next message of a conversation. */
  async chat(messages, given) {
    return this.#answer(this.#conversation(messages, given)).result;
  }

  streamChat(messages, given) {
    return this.#stream(this.#conversation(messages, given), readPiece);
  }

  /** What is asked: `start` begins it, and the rest is what `options` checked. */
  #continuation(prompt, given) {
    const text = options.checkPrompt(prompt);
    const asked = options.checkGeneration(given);
    this.#requireReady();
    return { ...asked, start: (onPieces, done) => this.#model.submit(text, asked.options, onPieces, done) };
  }

  #conversation(messages, given) {
    const json = writeMessages(messages);
    const asked = options.checkChat(given);
    this.#requireReady();
    return { ...asked, start: (onPieces, done) => this.#model.submitChat(json, asked.options, onPieces, done) };
  }

  /** An answer that has begun, as a stream. Its signal ends it, and is no error. */
  #stream({ signal, ...asked }, readPiece = (piece) => piece) {
    return new AnswerStream((reader) => {
      const answer = this.#answer(asked, (pieces) => reader.pieces(pieces.map(readPiece)));
      if (signal?.aborted) answer.cancel();
      signal?.addEventListener('abort', answer.cancel, { once: true });
      answer.result
        .then(() => reader.end(), reader.end)
        .then(() => signal?.removeEventListener('abort', answer.cancel));
      return answer;
    });
  }

  /** An answer that has begun: a promise of its result, and a way to end it. */
  #answer({ start, signal, options: wanted, read }, onPieces) {
    if (signal?.aborted) return { result: Promise.reject(new AbortError(signal)), cancel() {} };
    let number;
    const cancel = () => number !== undefined && this.#model.cancel(number);
    const ended = this.#call((done) => {
      number = start(onPieces, done);
    }).then(async ({ logprobs, message, ...completion }) => ({
      ...completion,
      seed: wanted.seed,
      ...(message && { message: readMessage(message) }),
      ...(wanted.logprobs !== undefined && { logprobs }),
      // What was cancelled is no whole value.
      ...(read && completion.finishReason !== 'cancelled' && { value: await read(completion.text) }),
    }));
    return { result: this.#withSignal(signal, ended, cancel), cancel };
  }

  /** How likely a text is of each class, the likeliest first. */
  async classify(text, given) {
    check('text', text, kinds.string);
    const { signal } = checkOptions(given, options.call);
    this.#requireReady();
    return this.#withSignal(signal, this.#call((done) => this.#model.classify(text, done)));
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

  /** Loads a LoRA adapter of PEFT's, for the calls that name it. */
  async attachAdapter(name, directory) {
    check('name', name, kinds.string);
    check('directory', directory, kinds.path);
    this.#requireReady();
    return this.#call((done) => this.#model.attachAdapter(name, directory, done));
  }

  /** Takes no new calls for an adapter; those that run go on with it. */
  detachAdapter(name) {
    check('name', name, kinds.string);
    this.#requireReady();
    this.#model.detachAdapter(name);
  }

  /** The names of those attached, sorted. */
  adapters() {
    this.#requireReady();
    return this.#model.adapters();
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
