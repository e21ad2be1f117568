'use strict';
// Schemas as programs have them: JSON schemas, and objects of libraries (Zod, ArkType, …) that write themselves as one.
const { LMError } = require('./errors.js');
const { kinds, show } = require('./check.js');

/** `value` as JSON text; a TypeError that names it for what JSON has no words for. */
function toJson(name, value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new TypeError(`${name} must be something that JSON can say: ${cause.message}`, { cause });
  }
  if (text === undefined) throw new TypeError(`${name} must be something that JSON can say, got ${show(value)}`);
  return text;
}

/** The function by which a library's schema writes itself, or nothing. */
function exportOf(given) {
  // Standard JSON Schema; what goes into the schema is what a model writes, what comes out of it may be of any type.
  const standard = given['~standard']?.jsonSchema?.input;
  if (typeof standard === 'function') return () => standard({ target: 'draft-2020-12' });
  const method = ['toJSONSchema', 'toJsonSchema'].find((name) => typeof given[name] === 'function');
  return method && (() => given[method]());
}

/** A JSON schema, from itself or from a library's schema. */
function jsonSchema(name, given) {
  if (typeof given !== 'function' && !kinds.object.is(given)) {
    throw new TypeError(`${name} must be a JSON schema, or a schema that can be written as one, got ${show(given)}`);
  }
  const write = exportOf(given);
  if (write) {
    try {
      return write();
    } catch (cause) {
      throw new TypeError(`${name} cannot be written as a JSON schema: ${cause.message}`, { cause });
    }
  }
  if (typeof given === 'function' || '~standard' in given || '_def' in given) {
    throw new TypeError(
      `${name} has neither ~standard.jsonSchema nor toJSONSchema, so its JSON schema cannot be had from it; ` +
        'write it as one yourself, with z.toJSONSchema for a schema of an older Zod 4',
    );
  }
  return given;
}

/**
 * What an answer must be: `json`, the schema for the engine, and `read`, which makes a value of the answer's text. A
 * library's schema reads it to the end: its defaults, its transformations, and what JSON schemas cannot say.
 */
function answerSchema(name, given) {
  const json = toJson(name, jsonSchema(name, given));
  const standard = given['~standard'];
  const read = async (text) => {
    const value = JSON.parse(text);
    if (typeof standard?.validate !== 'function') return value;
    const result = await standard.validate(value);
    if (result.issues) {
      const said = result.issues.map(({ message, path }) => `${path?.length ? `${place(path)}: ` : ''}${message}`);
      throw new LMError(`the answer keeps to the JSON schema, but not to the schema: ${said.join('; ')}`, 'format');
    }
    return result.value;
  };
  return { json, read };
}

/** Where in a value something is, as Standard Schema says it. */
const place = (path) => path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');

module.exports = { answerSchema, jsonSchema, toJson };
