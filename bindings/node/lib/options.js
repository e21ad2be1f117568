'use strict';
// What may be in each object of options: one line a field, with its kind. index.d.ts says what they mean.
const { randomInt } = require('node:crypto');
const { check, checkOptions, kinds, show } = require('./check.js');
const { chatOptions, writeChatOptions } = require('./chat.js');
const { answerSchema } = require('./schema.js');

const architecture = {
  inputSize: kinds.integer,
  hiddenSize: kinds.integer,
  outputSize: kinds.integer,
  numLayers: kinds.integer,
};

const config = {
  modelPath: kinds.path,
  deviceType: kinds.string,
  architecture: kinds.object,
  dtype: kinds.string,
  kvDtype: kinds.string,
  kvMemory: kinds.integer,
  prefixCache: kinds.boolean,
  draftModelPath: kinds.path,
  threads: kinds.integer,
  tokenizerPath: kinds.path,
  maxContext: kinds.integer,
  seed: kinds.seed,
  memoryLimit: kinds.integer,
  allowScripts: kinds.boolean,
  copyWeights: kinds.boolean,
  adapter: kinds.path,
  onProgress: kinds.function,
};

/** What an answer must be; one of them at most. */
const constraints = {
  schema: { what: 'a schema', is: () => true },
  regex: { what: 'a string or a RegExp without flags', is: (value) => typeof value === 'string' || (value instanceof RegExp && value.flags === '') },
  choice: kinds.strings,
  grammar: kinds.string,
};

/** What generations and conversations have in common. */
const generation = {
  ...constraints,
  whiteSpace: kinds.oneOf('bounded', 'none'),
  maxTokens: kinds.integer,
  temperature: kinds.number,
  topK: kinds.integer,
  topP: kinds.number,
  minP: kinds.number,
  repetitionPenalty: kinds.number,
  frequencyPenalty: kinds.number,
  presencePenalty: kinds.number,
  logitBias: { what: 'an object or a Map', is: (value) => value instanceof Map || kinds.object.is(value) },
  seed: kinds.seed,
  logprobs: kinds.integer,
  stopSequences: kinds.strings,
  ignoreEos: kinds.boolean,
  speculation: kinds.oneOf('automatic', 'lookup', 'draft_model', 'off'),
  adapter: kinds.string,
  signal: kinds.signal,
};
const continuation = { ...generation, skipSpecialTokens: kinds.boolean };
const conversation = { ...generation, ...chatOptions };

const call = { signal: kinds.signal };
const tokenizing = { addSpecialTokens: kinds.boolean, parseSpecialTokens: kinds.boolean };
const detokenizing = { skipSpecialTokens: kinds.boolean };
const planning = {
  context: kinds.integer,
  batch: kinds.integer,
  training: kinds.oneOf('none', 'full', 'full-finetune', 'lora'),
  loraRank: kinds.integer,
  bfloat16: kinds.boolean,
  checkpointing: kinds.boolean,
};

function checkConfig(given) {
  const result = checkOptions(given, config, 'config');
  if (result.architecture !== undefined) {
    result.architecture = checkOptions(result.architecture, architecture, 'config.architecture');
    for (const name of ['inputSize', 'hiddenSize', 'outputSize']) {
      check(`config.architecture.${name}`, result.architecture[name], architecture[name]);
    }
  }
  return result;
}

/** Token ids and biases, one after the other. */
function biases(given) {
  const pairs = given instanceof Map ? [...given] : Object.entries(given);
  return pairs.flatMap(([id, bias]) => {
    check('a token id in logitBias', Number(id), kinds.integer);
    check(`logitBias[${id}]`, bias, kinds.number);
    return [Number(id), bias];
  });
}

/**
 * Options for the addon, the signal, and `read`, which makes a value of an answer's text, where there is a schema. The
 * seed is drawn here unless there is one, so that it is a number that JavaScript can say again.
 */
function checkAnswer(given, table) {
  const all = checkOptions(given, table);
  const held = Object.keys(constraints).filter((name) => name in all);
  const { signal, schema, regex, ...options } = all;
  if (held.length > 1) throw new TypeError(`options must have one of ${held.join(', ')} at most`);
  if (options.whiteSpace !== undefined && schema === undefined) {
    throw new TypeError('whiteSpace is of the JSON of a schema; options has none');
  }
  options.seed ??= randomInt(2 ** 48 - 1);
  if (options.logitBias !== undefined) options.logitBias = biases(options.logitBias);
  if (regex !== undefined) options.regex = typeof regex === 'string' ? regex : regex.source;
  if (schema === undefined) return { signal, options };
  const { json, read } = answerSchema('schema', schema);
  return { signal, options: { ...options, schema: json }, read };
}

/** The options of `generate`, `complete` and `stream`. */
const checkGeneration = (given) => checkAnswer(given, continuation);

/** The options of `chat` and `streamChat`. */
function checkChat(given) {
  const { options, ...rest } = checkAnswer(given, conversation);
  return { ...rest, options: writeChatOptions(options) };
}

/** Whole numbers from an array or a typed array. */
function checkIds(name, given) {
  const numbers = ArrayBuffer.isView(given) && !(given instanceof DataView);
  if (!Array.isArray(given) && !numbers) {
    throw new TypeError(`${name} must be an array of token ids, got ${show(given)}`);
  }
  return Float64Array.from({ length: given.length }, (_, i) => {
    const id = given[i];
    if (typeof id !== 'number' && typeof id !== 'bigint') {
      throw new TypeError(`${name} must hold token ids only, got ${show(id)}`);
    }
    return Number(id);
  });
}

/** A prompt: text, or ids. */
function checkPrompt(given) {
  if (typeof given === 'string') return given;
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`prompt must be a string or an array of token ids, got ${show(given)}`);
  }
  return checkIds('prompt', given);
}

module.exports = {
  call,
  checkChat,
  checkConfig,
  checkGeneration,
  checkIds,
  checkPrompt,
  detokenizing,
  planning,
  tokenizing,
};
