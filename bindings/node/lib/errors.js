'use strict';

/** What a language model, or its driver, failed at. */
class LMError extends Error {
  /**
   * @param {string | Error} message
   * @param {string | Error} [codeOrCause] a kind of error, or the error that led to this one
   */
  constructor(message, codeOrCause) {
    super(message instanceof Error ? message.message : String(message));
    this.name = 'LMError';
    if (typeof codeOrCause === 'string') {
      this.code = codeOrCause;
    } else if (codeOrCause instanceof Error) {
      this.cause = codeOrCause;
    }
  }
}

/** What a promise rejects with whose AbortSignal was aborted: as Node's own. */
class AbortError extends Error {
  constructor(signal) {
    super('The operation was aborted', { cause: signal.reason });
    this.name = 'AbortError';
    this.code = 'ABORT_ERR';
  }
}

/** The library names its options as C++ does; here they have JavaScript's names. */
const inJavaScript = {
  configure_lm: 'configureLM',
  complete_all: 'complete',
  reasoning_content: 'reasoning',
};
const words = new RegExp(
  `\\b(${[
    'max_tokens|top_k|top_p|min_p|repetition_penalty|frequency_penalty|presence_penalty|logit_bias|stop_sequences',
    'ignore_eos|model_path|tokenizer_path|max_context|memory_limit|allow_scripts|copy_weights|kv_dtype|kv_memory',
    'draft_model_path',
    'input_size|hidden_size|output_size|num_layers|lora_rank|requires_grad|configure_lm|complete_all',
    'tool_calls|tool_call_id|reasoning_content|attach_adapter|detach_adapter',
  ].join('|')})\\b`,
  'g',
);

/** The library's error, with what led to it. */
function makeError(message, kind, cause) {
  const text = message.replace(words, (word) => inJavaScript[word] ?? word.replace(/_(.)/g, (_, c) => c.toUpperCase()));
  const error = new LMError(text, kind);
  if (cause !== undefined) {
    error.cause = cause;
  }
  return error;
}

module.exports = { LMError, AbortError, makeError };
