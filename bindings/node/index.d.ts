/// <reference types="node" />

// ---- The contract of dspy.ts ----

export interface GenerationOptions {
  /** Most tokens to make. Unless said: what the context has room for, at most 256. */
  maxTokens?: number;
  /** Divides the logits; 0 takes the likeliest token. 1 unless said. */
  temperature?: number;
  /** Keeps the smallest set of tokens whose probability reaches this, in (0, 1]; 1 keeps all. */
  topP?: number;
  /** The answer ends before the first of these. */
  stopSequences?: string[];

  /** Keeps the k likeliest tokens; 0 keeps all. */
  topK?: number;
  /** Keeps tokens at least this likely relative to the likeliest, in [0, 1]. */
  minP?: number;
  /** Above 0; 1 is off. */
  repetitionPenalty?: number;
  /** In [-2, 2]; 0 is off. */
  frequencyPenalty?: number;
  /** In [-2, 2]; 0 is off. */
  presencePenalty?: number;
  /** Added to the logits of token ids; -Infinity forbids one. */
  logitBias?: Record<number, number> | Map<number, number>;
  /** Same seed, same text. Unless said one is drawn, which `Completion.seed` says. */
  seed?: number | bigint;
  /** Records the log-probability of each token and of this many alternatives, 0 to 100. */
  logprobs?: number;
  /** Goes on past the model's end tokens. */
  ignoreEos?: boolean;
  /**
   * Guesses the answer ahead from what prompt and answer say already: "automatic", unless said, where it is measured to
   * pay; "lookup" always. No bit of an answer changes.
   */
  speculation?: 'automatic' | 'lookup' | 'draft_model' | 'off';
  /** Leaves the model's special tokens out of the text; true unless said. */
  skipSpecialTokens?: boolean;
  /** The name of the attached adapter that this call goes through. */
  adapter?: string;
  /** Holds the answer to a text that the whole regular expression matches: its source, or a RegExp without flags. */
  regex?: string | RegExp;
  /** Holds the answer to one of these texts. */
  choice?: string[];
  /** Holds the answer to a grammar in GBNF. */
  grammar?: string;
  /** Aborted: a promise rejects with an AbortError, a stream ends. */
  signal?: AbortSignal;
}

export interface LMDriver {
  generate(prompt: string, options?: GenerationOptions): Promise<string>;
  init?(): Promise<void>;
  cleanup?(): Promise<void>;
}

/** What went wrong, for programs. */
export type ErrorCode =
  | 'invalid_argument'
  | 'not_found'
  | 'io'
  | 'format'
  | 'unsupported'
  | 'not_initialized'
  | 'context_overflow'
  | 'out_of_memory'
  | 'cancelled'
  | 'inference'
  | 'internal';

export class LMError extends Error {
  constructor(message: string | Error, codeOrCause?: string | Error);
  readonly name: 'LMError';
  /** An ErrorCode where the error is the library's. */
  code?: ErrorCode | (string & {});
  cause?: Error;
}

/** Sets the driver that programs use unless told otherwise; null unsets it. */
export function configureLM(lm: LMDriver | null): void;
/** Throws an LMError where none is set. */
export function getLM(): LMDriver;

/** Answers that are known beforehand, for tests of programs. */
export class DummyLM implements LMDriver {
  /** By prompt (others get an answer that repeats the prompt), or in order and then from the first again. */
  constructor(responses?: Map<string, string> | string[]);
  /** What it was asked. */
  readonly prompts: string[];
  init(): Promise<void>;
  generate(prompt: string, options?: GenerationOptions): Promise<string>;
  cleanup(): Promise<void>;
  setResponse(prompt: string, response: string): void;
  clearResponses(): void;
}

/** Linear(input, hidden), ReLU, (numLayers - 1) x [Linear(hidden, hidden), ReLU], Linear(hidden, output). */
export interface Architecture {
  inputSize: number;
  hiddenSize: number;
  outputSize: number;
  numLayers?: number;
}

export type DeviceName = 'cpu' | 'webgl' | 'cuda' | `cuda:${number}`;
export type WeightFormat = 'float32' | 'bfloat16' | 'float16' | 'float64' | (string & {});

export interface Progress {
  what: string;
  done: number;
  total: number;
}

/** Either `modelPath` or `architecture` must be given by the time of `init`. */
export interface TorchModelConfig {
  /** A Hugging Face model directory, a state dict (.pt, .pth, .bin, .safetensors), or a TorchScript archive. */
  modelPath?: string;
  /** "cpu" unless said. */
  deviceType?: DeviceName;
  /** The plain network: its weights are drawn from `seed` unless `modelPath` gives them. */
  architecture?: Architecture;

  /** Weights are converted to it while loading. */
  dtype?: WeightFormat;
  /** What keys and values are kept in. */
  kvDtype?: 'float32' | 'bfloat16' | 'float16' | 'q8' | (string & {});
  /** Most bytes of keys and values of all running calls; what does not fit waits. */
  kvMemory?: number;
  /**
   * Find what calls have in common, from their beginnings on, instead of computing it again; true unless said. No bit of
   * an answer changes.
   */
  prefixCache?: boolean;
  /**
   * The directory of a smaller model with the same vocabulary, which guesses answers ahead. No bit of an answer changes.
   */
  draftModelPath?: string;
  /** 0, unless said, uses every core. */
  threads?: number;
  /** Instead of the tokenizer in the model's directory. */
  tokenizerPath?: string;
  /** Most positions of a sequence; 0, unless said, takes the model's own limit. */
  maxContext?: number;
  seed?: number | bigint;
  /** Most bytes of tensors; 0 is no limit. */
  memoryLimit?: number;
  /** Run a TorchScript archive, which is a program: only from people you trust. */
  allowScripts?: boolean;
  /** Read the weights instead of mapping their files. */
  copyWeights?: boolean;
  /** A directory with a LoRA adapter of PEFT's, for all calls that name no other. */
  adapter?: string;
  /** Called while the model loads. What it throws ends the loading. */
  onProgress?(progress: Progress): void;
}

// ---- More than the contract ----

export interface TokenLogprob {
  token: number;
  logprob: number;
}

export interface Completion {
  text: string;
  /** The ids made, an end token included. */
  tokens: number[];
  finishReason: 'stop' | 'length' | 'cancelled';
  /** The stop sequence that ended it, if one did. */
  stopSequence?: string;
  /** `cachedTokens`: of the prompt's, those whose keys and values were there from calls before or beside this one. */
  usage: { promptTokens: number; cachedTokens: number; completionTokens: number };
  seed: number | bigint;
  /** Where they were asked for; the alternatives likeliest first. */
  logprobs?: (TokenLogprob & { top: TokenLogprob[] })[];
  /** `draftedTokens` were guessed ahead and went through the model; `acceptedTokens` of them came. */
  timings: {
    promptSeconds: number;
    generationSeconds: number;
    tokenSeconds: number[];
    draftedTokens: number;
    acceptedTokens: number;
  };
}

/** The pieces of an answer as they come. Who stops reading cancels the rest. */
export interface AnswerStream<Piece, Result> extends AsyncIterableIterator<Piece> {
  /** All about the answer, when it has ended; of one that was cancelled, what was made. */
  readonly result: Promise<Result>;
  return(value?: unknown): Promise<IteratorResult<Piece>>;
}

export type TokenStream = AnswerStream<string, Completion>;

// ---- Answers of a schema ----

/** A JSON schema; its words are listed in docs/constraints.md. Written `as const` it says the type of the answer too. */
export type JsonSchema = { readonly [word: string]: unknown };

/** A schema of Zod 4, ArkType or another library that writes itself as a JSON schema. */
export type LibrarySchema<Output = unknown> =
  | {
      readonly '~standard': {
        readonly types?: { readonly output: Output } | undefined;
        readonly jsonSchema: { input(options: { target: 'draft-2020-12' }): Record<string, unknown> };
      };
    }
  | { toJSONSchema(): unknown }
  | { toJsonSchema(): unknown };

export type Schema = JsonSchema | LibrarySchema;

/** What an answer of a schema is; `unknown` where the schema's type does not say it. */
export type SchemaValue<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer Output }
    ? Output
    : unknown
  : JsonSchemaValue<S>;

type JsonSchemaValue<S> = S extends { readonly const: infer Value }
  ? Value
  : S extends { readonly enum: readonly (infer Value)[] }
  ? Value
  : S extends { readonly anyOf: readonly (infer One)[] }
  ? JsonSchemaValue<One>
  : S extends { readonly oneOf: readonly (infer One)[] }
  ? JsonSchemaValue<One>
  : S extends { readonly type: readonly (infer Type)[] }
  ? JsonValueOfType<Type, S>
  : S extends { readonly type: infer Type }
  ? JsonValueOfType<Type, S>
  : unknown;

type JsonValueOfType<Type, S> = Type extends 'string'
  ? string
  : Type extends 'number' | 'integer'
  ? number
  : Type extends 'boolean'
  ? boolean
  : Type extends 'null'
  ? null
  : Type extends 'array'
  ? S extends { readonly items: infer Item }
    ? JsonSchemaValue<Item>[]
    : unknown[]
  : Type extends 'object'
  ? JsonObject<S>
  : unknown;

type JsonObject<S> = S extends { readonly properties: infer Properties }
  ? {
      [Name in keyof Properties as Name extends RequiredNames<S> ? Name : never]: JsonSchemaValue<Properties[Name]>;
    } & {
      [Name in keyof Properties as Name extends RequiredNames<S> ? never : Name]?: JsonSchemaValue<Properties[Name]>;
    }
  : Record<string, unknown>;

type RequiredNames<S> = S extends { readonly required: readonly (infer Name)[] } ? Name : never;

/** Options that hold the answer to JSON of a schema. It always parses, and is complete within `maxTokens`. */
export interface SchemaOptions<S extends Schema> {
  schema: S;
  /**
   * White space between the tokens of the JSON: "bounded", unless said, lets it stand where it usually does; "none" takes
   * the fewest tokens.
   */
  whiteSpace?: 'bounded' | 'none';
  regex?: undefined;
  choice?: undefined;
  grammar?: undefined;
}

/** What comes of a schema. A library's schema has read the value: an answer that it refuses is an LMError, "format". */
export interface WithValue<S> {
  value: SchemaValue<S>;
}

// ---- Conversations ----

export interface ToolCall {
  /** Names the call, so that the tool's answer can refer to it. */
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

/** One turn of a conversation. */
export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  /** A text; or parts, for templates that take them. */
  content?: string | { type: string; [field: string]: unknown }[] | null;
  /** What an assistant thought before it answered. */
  reasoning?: string;
  toolCalls?: (Omit<ToolCall, 'id' | 'arguments'> & Partial<ToolCall>)[];
  /** Of a "tool" message: the call it answers. */
  toolCallId?: string;
  /** Of a "tool" message: the function's name. */
  name?: string;
  /** Further fields for the model's template. */
  more?: Record<string, unknown>;
}

/** The assistant's; put behind the others it is a part of the conversation. */
export interface AssistantMessage extends Message {
  role: 'assistant';
  content: string;
  toolCalls?: ToolCall[];
}

/** A function that a model may call. */
export interface FunctionTool {
  name: string;
  description?: string;
  /** A schema of its arguments, an object. */
  parameters?: Schema;
}

/** OpenAI's way to write one is taken too. */
export type Tool = FunctionTool | { type: 'function'; function: FunctionTool };

/** Unless said, an answer is sampled as the model's generation_config.json says, and has room for 4096 tokens. */
export interface ChatOptions extends Omit<GenerationOptions, 'skipSpecialTokens'> {
  tools?: Tool[];
  /** Documents to answer from, for templates that take them. */
  documents?: Record<string, unknown>[];
  /** Further variables of the model's template: `{ enable_thinking: false }`. */
  variables?: Record<string, unknown>;
  /** The name of one of the model's templates, where it has several. */
  template?: string;
}

/** Its `text` is the answer as the model wrote it, with the marks around reasoning and calls. */
export interface ChatCompletion extends Completion {
  message: AssistantMessage;
}

/** A part of an answer: text and reasoning as they come, a call of a tool as a whole. */
export type ChatPiece = { kind: 'text' | 'reasoning'; text: string } | { kind: 'toolCall'; toolCall: ToolCall };

export type ChatStream = AnswerStream<ChatPiece, ChatCompletion>;

// ---- Models ----

export interface ModelInfo {
  modelType: string;
  parameters: number;
  weightBytes: number;
  dtype: string;
  /** 0 for models that are no language models; so are the next three. */
  vocabSize: number;
  maxContext: number;
  hiddenSize: number;
  numLayers: number;
  bytesPerToken: number;
  /** Of a model that tells classes of texts apart instead of writing: their names. */
  classes: string[];
}

/** A class that a text may be of. */
export interface ClassScore {
  name: string;
  /** A text's add up to 1. */
  probability: number;
}

export interface MemoryAmount {
  bytes: number;
  /** The most there have been at once. */
  peak: number;
}

export type MemoryKind = 'weights' | 'kvCache' | 'activations' | 'gradients' | 'optimizer' | 'other';

/** Bytes in tensors on a device. */
export interface MemoryUse extends Record<MemoryKind, MemoryAmount> {
  device: string;
  total: MemoryAmount;
  /** The part of the weights that is used in place in a mapped file. */
  mapped: MemoryAmount;
  /**
   * What is kept to find prompts' beginnings again, a part of the kvCache: pages of 64 positions; tokens of all prompts,
   * and how many of them were found. Of one model alone.
   */
  prefixes: { pages: number; bytes: number; tokensAsked: number; tokensFound: number };
}

export interface PlanOptions {
  /** Positions of each sequence. */
  context?: number;
  /** Sequences at once. */
  batch?: number;
  training?: 'none' | 'full' | 'full-finetune' | 'lora';
  loraRank?: number;
  bfloat16?: boolean;
  /** full-finetune, lora: keeps less of a pass and computes it again. */
  checkpointing?: boolean;
}

/** What a model will need, in bytes, and what there is. */
export interface MemoryPlan extends Record<MemoryKind, number> {
  device: string;
  dtype: string;
  context: number;
  batch: number;
  total: number;
  /** 0 where the device does not tell. */
  available: number;
  largestContext: number;
  modelContext: number;
  fits: boolean;
  /** All of it in one line. */
  text: string;
}

export interface Perplexity {
  nll: number;
  perplexity: number;
  bitsPerByte: number;
  tokens: number;
  bytes: number;
}

export interface CallOptions {
  signal?: AbortSignal;
}

type Ids = ArrayLike<number> | BigInt64Array;

/**
 * A model from PyTorch or Hugging Face, running in this process on threads of its own. Calls made at once go through it
 * together. What fails rejects with an LMError; a wrong type or an unknown option with a TypeError that names it.
 */
export class TorchModel implements LMDriver {
  constructor(config?: TorchModelConfig);
  /** Loads the model; nothing where it is loaded. */
  init(options?: CallOptions): Promise<void>;
  readonly initialized: boolean;
  /** The continuation of a prompt; with a `schema` the value that it is. */
  generate<S extends Schema>(
    prompt: string | Ids,
    options: GenerationOptions & SchemaOptions<S>,
  ): Promise<SchemaValue<S>>;
  generate(prompt: string | Ids, options?: GenerationOptions): Promise<string>;
  /** The same, with everything there is to know about it. */
  complete<S extends Schema>(
    prompt: string | Ids,
    options: GenerationOptions & SchemaOptions<S>,
  ): Promise<Completion & WithValue<S>>;
  complete(prompt: string | Ids, options?: GenerationOptions): Promise<Completion>;
  /** The same, in pieces as they come. The result of one that was cancelled has no value. */
  stream<S extends Schema>(
    prompt: string | Ids,
    options: GenerationOptions & SchemaOptions<S>,
  ): AnswerStream<string, Completion & Partial<WithValue<S>>>;
  stream(prompt: string | Ids, options?: GenerationOptions): TokenStream;
  /** The assistant's next message of a conversation, which the model's own chat template writes. */
  chat<S extends Schema>(
    messages: readonly Message[],
    options: ChatOptions & SchemaOptions<S>,
  ): Promise<ChatCompletion & WithValue<S>>;
  chat(messages: readonly Message[], options?: ChatOptions): Promise<ChatCompletion>;
  /** The same, in pieces as they come. The result of one that was cancelled has no value. */
  streamChat<S extends Schema>(
    messages: readonly Message[],
    options: ChatOptions & SchemaOptions<S>,
  ): AnswerStream<ChatPiece, ChatCompletion & Partial<WithValue<S>>>;
  streamChat(messages: readonly Message[], options?: ChatOptions): ChatStream;
  /** How likely a text is of each class, the likeliest first: of a model that tells classes apart instead of writing. */
  classify(text: string, options?: CallOptions): Promise<ClassScore[]>;
  /** The mean over a text's tokens of the last hidden states, `hiddenSize` numbers, not normalized. */
  embed(text: string, options?: CallOptions): Promise<number[]>;
  /** The logits for the token after a prompt. */
  logits(prompt: string | Ids, options?: CallOptions): Promise<Float32Array>;
  /** How well the model predicts a text. */
  perplexity(text: string, options?: CallOptions): Promise<Perplexity>;
  tokenize(text: string, options?: { addSpecialTokens?: boolean; parseSpecialTokens?: boolean }): Promise<number[]>;
  detokenize(ids: Ids, options?: { skipSpecialTokens?: boolean }): Promise<string>;
  /**
   * Loads a LoRA adapter in PEFT's format (a directory with adapter_config.json) for the calls that name it. Calls with
   * different adapters go through the model together.
   */
  attachAdapter(name: string, directory: string): Promise<void>;
  /** Takes no new calls for an adapter; those that run go on with it. */
  detachAdapter(name: string): void;
  /** The names of those attached, sorted. */
  adapters(): string[];
  /** What loading this model and running it will need; it need not be loaded. */
  plan(options?: PlanOptions): Promise<MemoryPlan>;
  info(): ModelInfo;
  /** What it holds on its device. */
  memory(): MemoryUse;
  /** Takes no new calls, waits for those that run, and gives the memory back. `init` loads it again. */
  cleanup(): Promise<void>;
}

/** `await using model = …` where TypeScript and the engine know it: it is `cleanup`. */
type AsyncDisposeSymbol = SymbolConstructor extends { readonly asyncDispose: infer S } ? Extract<S, symbol> : never;
type AsyncDisposeMembers = { [S in AsyncDisposeSymbol]: () => Promise<void> };
export interface TorchModel extends AsyncDisposeMembers {}

/** The model that comes with dstorch: it knows Debian's package list. */
export function bundledModelPath(): string;

export interface Device {
  readonly type: 'cpu' | 'cuda' | 'webgl';
  readonly index: number;
  toString(): string;
}

/** Throws an LMError that says what is missing, unless tensors can be made there. */
export function device(name: DeviceName): Device;

export interface DeviceInfo {
  device: string;
  usable: boolean;
  /** Why it is not usable, and what to do. */
  reason: string;
  name: string;
  memory: number;
  memoryAvailable: number;
}
export function devices(): Promise<DeviceInfo[]>;

/** What all models of this process hold on a device. */
export function memoryUse(device?: DeviceName | Device): MemoryUse;

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** A tensor of LibTorch's. `TorchUtils.createTensor`, `load` and `to` make them. */
export class Tensor {
  private constructor();
  readonly shape: number[];
  /** As PyTorch names it: "float32", "int64", … */
  readonly dtype: string;
  readonly device: string;
  readonly requiresGrad: boolean;
  /** A copy of the elements, in a typed array of their kind; float16 and bfloat16 as a Float32Array. */
  data(): TensorData;
  numel(): number;
  element_size(): number;
  to(device: DeviceName | Device): Tensor;
}

export interface TensorOptions {
  /** One dimension may be -1. Unless said: as many as there are numbers. */
  shape?: number[];
  /** float32 for numbers; that of an array of whole numbers. */
  dtype?: string;
  device?: DeviceName;
  requiresGrad?: boolean;
}

/** Tensors in and out of plain numbers. */
export class TorchUtils {
  static createTensor(
    data: readonly number[] | readonly boolean[] | TensorData | Uint8ClampedArray,
    options?: TensorOptions,
  ): Tensor;
  static toDevice(tensor: Tensor, device: DeviceName | Device): Tensor;
  static extractTensorData(tensor: Tensor): number[];
  /** Bytes of the elements. */
  static calculateTensorMemory(tensor: Tensor): number;
}

/** The tensors of a .pt, .pth, .bin or .safetensors, or of a directory with some. Nothing in it is executed. */
export function load(path: string): Promise<Record<string, Tensor>>;
