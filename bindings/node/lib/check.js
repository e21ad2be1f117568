'use strict';
// Says of an object of options what is wrong with it, before anything is done: a TypeError that names the field.

/** The optimal string alignment distance: insertions, deletions, replacements, neighbours swapped. */
function distance(a, b) {
  const table = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 1; j <= b.length; ++j) table[0][j] = j;
  for (let i = 1; i <= a.length; ++i) {
    for (let j = 1; j <= b.length; ++j) {
      const replaced = table[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      table[i][j] = Math.min(table[i - 1][j] + 1, table[i][j - 1] + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        table[i][j] = Math.min(table[i][j], table[i - 2][j - 2] + 1);
      }
    }
  }
  return table[a.length][b.length];
}

/** "; did you mean maxTokens?", for what is near enough: max_tokens is, and so is maxtoken. */
function didYouMean(name, known) {
  const plain = (word) => word.replace(/[^a-z0-9]/gi, '').toLowerCase();
  let best;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1; // what is farther off is a guess
  for (const candidate of known) {
    const [said, meant] = [plain(name), plain(candidate)];
    const part = (said.length > 2 && meant.includes(said)) || (meant.length > 4 && said.includes(meant));
    const far = part ? 1 : distance(said, meant);
    if (far < least) {
      least = far;
      best = candidate;
    }
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** A value as a message shows it: its type where that is what is wrong, and never long. */
function show(value) {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return value.constructor?.name === 'Object' ? 'an object' : `a ${value.constructor?.name}`;
  return value === undefined ? 'undefined' : `a ${typeof value}`;
}

/** A kind of value: what it is called in a message, and whether a value is one. */
const kind = (what, is) => ({ what, is });
const kinds = {
  string: kind('a string', (value) => typeof value === 'string'),
  boolean: kind('a boolean', (value) => typeof value === 'boolean'),
  number: kind('a number', (value) => typeof value === 'number' && !Number.isNaN(value)),
  integer: kind('a whole number', (value) => Number.isSafeInteger(value)),
  seed: kind('a whole number from 0 on, or such a bigint', (value) =>
    typeof value === 'bigint' ? value >= 0n && value < 1n << 64n : Number.isSafeInteger(value) && value >= 0),
  strings: kind('an array of strings', (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'string')),
  array: kind('an array', Array.isArray),
  function: kind('a function', (value) => typeof value === 'function'),
  // A program's own; a Map, a Promise that nobody awaited or a typed array has no fields that would be seen.
  object: kind('an object', (value) => Object.prototype.toString.call(value) === '[object Object]'),
  path: kind('a path', (value) => typeof value === 'string' && value !== '' && !value.includes('\0')),
  signal: kind('an AbortSignal', (value) => value instanceof AbortSignal),
  oneOf: (...words) => kind(words.map((word) => JSON.stringify(word)).join(' or '), (value) => words.includes(value)),
};

/** Throws a TypeError unless `value` is of `kind`. */
function check(name, value, { what, is }) {
  if (!is(value)) {
    throw new TypeError(`${name} must be ${what}, got ${show(value)}`);
  }
}

/**
 * Holds `given` to `table`, which has a kind for each name: an unknown name or a wrong type is a TypeError. Returns a copy
 * without what is undefined, so that nobody changes it later.
 */
function checkOptions(given, table, name = 'options') {
  if (given === undefined) return {};
  check(name, given, kinds.object);
  const result = {};
  for (const [field, value] of Object.entries(given)) {
    if (!Object.hasOwn(table, field)) {
      throw new TypeError(`${name} has no field ${field}${didYouMean(field, Object.keys(table))}`);
    }
    if (value === undefined) continue;
    check(name === 'options' ? field : `${name}.${field}`, value, table[field]);
    result[field] = value;
  }
  return result;
}

module.exports = { check, checkOptions, didYouMean, kinds, show };
