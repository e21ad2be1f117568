'use strict';

/** The pieces of an answer as they come: an async iterator; and, when it has ended, all about it: `result`. */
class AnswerStream {
  #pieces = [];
  #readers = [];
  #ended = false;
  #error;
  #cancel;

  /**
   * @param begin called with `{pieces(array), end(error)}`; returns `{result, cancel}`
   */
  constructor(begin) {
    const { result, cancel } = begin({
      pieces: (pieces) => this.#push(pieces),
      end: (error) => this.#end(error),
    });
    this.#cancel = cancel;
    this.result = result;
    result.catch(() => {}); // whoever reads hears of it
  }

  #push(pieces) {
    for (const value of pieces) {
      const reader = this.#readers.shift();
      if (reader) {
        reader.resolve({ value, done: false });
      } else {
        this.#pieces.push(value);
      }
    }
  }

  #end(error) {
    this.#ended = true;
    this.#error = error;
    for (const reader of this.#readers.splice(0)) {
      this.#last(reader.resolve, reader.reject);
    }
  }

  /** The end, for one reader: an error is told once. */
  #last(resolve, reject) {
    const error = this.#error;
    this.#error = undefined;
    if (error) {
      reject(error);
    } else {
      resolve({ value: undefined, done: true });
    }
  }

  next() {
    return new Promise((resolve, reject) => {
      if (this.#pieces.length > 0) {
        resolve({ value: this.#pieces.shift(), done: false });
      } else if (this.#ended) {
        this.#last(resolve, reject);
      } else {
        this.#readers.push({ resolve, reject });
      }
    });
  }

  /** Who stops reading needs no more of it. */
  return(value) {
    this.#pieces = [];
    this.#error = undefined;
    this.#cancel();
    return Promise.resolve({ value, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

module.exports = { AnswerStream };
