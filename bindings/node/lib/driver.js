'use strict';
const { LMError } = require('./errors.js');
const { check, kinds, show } = require('./check.js');
const { checkGeneration } = require('./options.js');

let configured = null;

/** Sets the driver that programs use unless told otherwise. */
function configureLM(lm) {
  if (lm !== null && typeof lm?.generate !== 'function') {
    throw new TypeError(`lm must be a driver, an object with a function generate, got ${show(lm)}`);
  }
  configured = lm;
}

function getLM() {
  if (!configured) {
    throw new LMError('No language model configured. Call configureLM() first.', 'not_initialized');
  }
  return configured;
}

/** Answers that are known beforehand, for tests of programs: by prompt, or in order and then from the first again. */
class DummyLM {
  #responses;
  #inOrder;
  #initialized = false;
  /** What it was asked. */
  prompts = [];

  constructor(responses = new Map()) {
    const texts = responses instanceof Map ? [...responses].flat() : responses;
    if (!kinds.strings.is(texts) || (texts === responses && texts.length === 0)) {
      throw new TypeError(`responses must be a Map from prompts to strings or an array of at least one string, got ${show(responses)}`);
    }
    this.#inOrder = Array.isArray(responses) ? [...responses] : undefined;
    this.#responses = new Map(this.#inOrder ? [] : responses);
  }

  async init() {
    this.#initialized = true;
  }

  async cleanup() {
    this.#initialized = false;
  }

  async generate(prompt, given) {
    if (!this.#initialized) {
      throw new LMError('DummyLM not initialized. Call init() first.', 'not_initialized');
    }
    check('prompt', prompt, kinds.string);
    const { maxTokens, stopSequences = [] } = checkGeneration(given).options;
    this.prompts.push(prompt);
    const answer =
      this.#responses.get(prompt) ?? this.#inOrder?.[(this.prompts.length - 1) % this.#inOrder.length];
    if (answer === undefined) {
      return `DummyLM response for prompt: "${prompt}" (limited to ${maxTokens || 100} tokens)`;
    }
    const ends = stopSequences.map((stop) => answer.indexOf(stop)).filter((at) => at >= 0);
    return answer.slice(0, Math.min(answer.length, ...ends));
  }

  setResponse(prompt, response) {
    check('prompt', prompt, kinds.string);
    check('response', response, kinds.string);
    this.#responses.set(prompt, response);
  }

  clearResponses() {
    this.#responses.clear();
  }
}

module.exports = { configureLM, getLM, DummyLM };
