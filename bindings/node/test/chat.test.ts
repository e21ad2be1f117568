// Conversations with the toy of examples/trees: what it was taught to say is what a right prompt makes it say.
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { ChatPiece, Message, Tool } from 'dstorch';
import { bundledModel, scratch, sourceRoot } from './support';

const trees = path.join(sourceRoot, 'examples', 'trees');
const model = bundledModel({ modelPath: trees });
before(() => model.init());

const user = (content: string): Message => ({ role: 'user', content });
const height = {
  name: 'tree_height',
  description: 'How tall a tree is, in metres',
  parameters: { type: 'object', properties: { tree: { type: 'string' } }, required: ['tree'] },
};
const pine = 'A pine is a conifer with long needles.';

test('chat answers a conversation, and its answer goes on with it', async () => {
  const messages = [user('What is a pine?')];
  const first = await model.chat(messages);
  assert.deepEqual(first.message, { role: 'assistant', content: pine });
  assert.deepEqual([first.text, first.finishReason], [pine, 'stop']);
  assert.equal(first.usage.completionTokens, first.tokens.length);
  assert.ok(Number.isSafeInteger(first.seed) && !('logprobs' in first) && !('value' in first));
  messages.push(first.message, user('What did I ask about?'));
  assert.equal((await model.chat(messages)).message.content, 'You asked about the pine.');
  const told = [{ role: 'system', content: 'Answer in one word.' }, user('What is an oak?')];
  assert.equal((await model.chat(told)).message.content, 'Tree.');
});

test('reasoning is apart from the answer, and a template has variables', async () => {
  const messages = [user('Which is taller, an oak or a fir?')];
  const stream = model.streamChat(messages);
  const said: Record<string, string> = {};
  for await (const piece of stream) {
    assert.ok(piece.kind !== 'toolCall');
    said[piece.kind] = (said[piece.kind] ?? '') + piece.text;
  }
  assert.deepEqual(said, { reasoning: 'An oak grows to 35 m, a fir to 60 m.\n', text: 'The fir.' });
  const { message, text } = await stream.result;
  assert.deepEqual(message, { role: 'assistant', content: 'The fir.', reasoning: said.reasoning.trim() });
  assert.equal(text, `<think>\n${said.reasoning}</think>\n\nThe fir.`);
  const silent = await model.chat(messages, { variables: { enable_thinking: false } });
  assert.deepEqual(silent.message, { role: 'assistant', content: 'The fir.' });
});

test('a tool is called, and its answer read', async () => {
  const question = [user('How tall is the oak?')];
  assert.equal((await model.chat(question)).message.content, 'I cannot measure trees.');
  const asOpenAi: Tool = { type: 'function', function: height };
  for (const tool of [height, asOpenAi]) {
    const pieces: ChatPiece[] = [];
    const stream = model.streamChat(question, { tools: [tool] });
    for await (const piece of stream) pieces.push(piece);
    const { message } = await stream.result;
    assert.equal(message.content, '');
    assert.equal(message.toolCalls?.length, 1);
    const [call] = message.toolCalls;
    assert.deepEqual([call.name, call.arguments], ['tree_height', { tree: 'oak' }]);
    assert.match(call.id, /^\w{9}$/);
    assert.deepEqual(pieces, [{ kind: 'toolCall', toolCall: call }]);
    const answered: Message[] = [...question, message, { role: 'tool', content: '27', toolCallId: call.id }];
    assert.equal((await model.chat(answered, { tools: [tool] })).message.content, 'The oak is 27 metres tall.');
  }
  // A call that a program wrote itself needs no id.
  const written: Message[] = [
    ...question,
    { role: 'assistant', toolCalls: [{ name: 'tree_height', arguments: { tree: 'oak' } }] },
    { role: 'tool', content: '27' },
  ];
  assert.equal((await model.chat(written, { tools: [height] })).message.content, 'The oak is 27 metres tall.');
});

test('all of a message reaches the template, and what else a conversation has', async () => {
  const directory = scratch();
  cpSync(trees, directory, { recursive: true });
  // With another sign in names, which errors would write as JavaScript does.
  const all = "{{ raise_exception([messages, tools, documents, mood] | tojson | replace('_', '-')) }}";
  writeFileSync(path.join(directory, 'chat_template.jinja'), all);
  const other = bundledModel({ modelPath: directory });
  await other.init();
  const messages: Message[] = [
    { role: 'user', content: [{ type: 'text', text: 'How tall?' }], more: { lang: 'en' } },
    { role: 'assistant', reasoning: 'hm', toolCalls: [{ id: 'a', name: 'f', arguments: { x: [1] } }] },
    { role: 'tool', content: '1', toolCallId: 'a', name: 'f' },
  ];
  const tools = [{ name: 'f', description: 'does', parameters: { toJSONSchema: () => ({ type: 'object' }) } }, { name: 'g' }];
  const options = { tools, documents: [{ text: 'trees' }], variables: { mood: 'gay' } };
  const said = await other.chat(messages, options).catch((error: Error) => error.message);
  const json = /this conversation: (.*)$/.exec(String(said))?.[1] ?? String(said);
  assert.deepEqual(JSON.parse(json.replaceAll('-', '_')), [
    [
      { role: 'user', content: [{ type: 'text', text: 'How tall?' }], lang: 'en' },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'hm',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: { x: [1] } } }],
      },
      { role: 'tool', content: '1', tool_call_id: 'a', name: 'f' },
    ],
    [
      { type: 'function', function: { name: 'f', description: 'does', parameters: { type: 'object' } } },
      { type: 'function', function: { name: 'g', parameters: { type: 'object', properties: {} } } },
    ],
    [{ text: 'trees' }],
    'gay',
  ]);
});

test("options go before the makers' own, one by one", async () => {
  const messages = [user('What is a pine?')];
  // The toy's makers take the likeliest token; who asks for another temperature gets it, and keeps the rest.
  const wild = await model.chat(messages, { temperature: 50, maxTokens: 20, seed: 1 });
  assert.notEqual(wild.text, pine);
  const short = await model.chat(messages, { maxTokens: 3 });
  assert.deepEqual([short.finishReason, short.tokens.length], ['length', 3]);
  assert.ok(pine.startsWith(short.text));
  const stopped = await model.chat(messages, { stopSequences: [' conifer'], logprobs: 1 });
  assert.deepEqual([stopped.message.content, stopped.stopSequence], ['A pine is a', ' conifer']);
  assert.equal(stopped.logprobs?.length, stopped.tokens.length);
});

test('a schema holds an answer of a conversation, whatever the temperature', async () => {
  const schema = {
    type: 'object',
    properties: { tall: { type: 'boolean' }, metres: { type: 'integer', minimum: 1, maximum: 120 } },
    required: ['tall', 'metres'],
  } as const;
  const messages = [user('What is a pine?')];
  for (let seed = 0; seed < 5; ++seed) {
    const { value, message } = await model.chat(messages, { schema, temperature: 3, seed });
    const typed: { tall: boolean; metres: number } = value;
    assert.deepEqual(Object.keys(typed), ['tall', 'metres']);
    assert.ok(typeof typed.tall === 'boolean' && typed.metres >= 1 && typed.metres <= 120);
    assert.deepEqual(JSON.parse(message.content), value);
  }
  assert.match((await model.chat(messages, { regex: /(oak|fir)s?/, temperature: 3 })).text, /^(oak|fir)s?$/);
});

test('an answer ends when it is left or aborted', async () => {
  const messages = [user('What is a pine?')];
  const endless = { ignoreEos: true, maxTokens: 300 };
  const left = model.streamChat(messages, endless);
  for await (const piece of left) {
    assert.equal(piece.kind, 'text');
    break;
  }
  assert.equal((await left.result).finishReason, 'cancelled');
  const controller = new AbortController();
  const aborted = model.chat(messages, { ...endless, signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(aborted, { name: 'AbortError' });
  const ended = model.streamChat(messages, { signal: AbortSignal.abort() });
  assert.equal((await ended.next()).done, true);
  assert.equal((await ended.result).finishReason, 'cancelled');
});

test('conversations go through the model together, each as it would alone', async () => {
  const questions = ['What is a pine?', 'What is a birch?', 'What is an oak?'].map((text) => [user(text)]);
  const alone: string[] = [];
  for (const each of questions) alone.push((await model.chat(each)).text);
  assert.equal(new Set(alone).size, 3);
  const together = await Promise.all([...questions, ...questions].map((each) => model.chat(each)));
  assert.deepEqual(together.map((each) => each.text), [...alone, ...alone]);
});

test('what is no conversation is refused with its place', async () => {
  const wrong: [unknown, unknown, RegExp][] = [
    ['hello', undefined, /^messages must be an array of messages, got "hello"$/],
    [['hello'], undefined, /^messages\[0\] must be an object, got "hello"$/],
    [[{ content: 'x' }], undefined, /^messages\[0\]\.role must be a string, got undefined$/],
    [[{ role: 'user', text: 'x' }], undefined, /^messages\[0\] has no field text/],
    [[{ role: 'user', tool_calls: [] }], undefined, /^messages\[0\] has no field tool_calls; did you mean toolCalls\?$/],
    [[{ role: 'user', content: 7 }], undefined, /^messages\[0\]\.content must be a string, an array of parts, or null/],
    [[user('x'), { role: 'assistant', toolCalls: [{}] }], undefined, /^messages\[1\]\.toolCalls\[0\]\.name must be/],
    [[{ role: 'user', content: [1n] }], undefined, /^messages must be something that JSON can say/],
    [[user('x')], { tool: [] }, /^options has no field tool; did you mean tools\?$/],
    [[user('x')], { skipSpecialTokens: true }, /^options has no field skipSpecialTokens/],
    [[user('x')], { tools: {} }, /^tools must be an array, got an object$/],
    [[user('x')], { tools: [{ description: 'x' }] }, /^tools\[0\]\.name must be a string, got undefined$/],
    [[user('x')], { tools: [{ name: 'x', parameter: {} }] }, /^tools\[0\] has no field parameter; did you mean parameters\?$/],
    [[user('x')], { tools: [{ type: 'code', function: height }] }, /^tools\[0\]\.type must be "function", got "code"$/],
    [[user('x')], { tools: [{ type: 'function', function: {} }] }, /^tools\[0\]\.function\.name must be a string/],
    [[user('x')], { variables: 'x' }, /^variables must be an object/],
  ];
  for (const [messages, options, message] of wrong) {
    await assert.rejects(model.chat(messages as never, options as never), { name: 'TypeError', message });
    assert.throws(() => model.streamChat(messages as never, options as never), { name: 'TypeError', message });
  }
  const refused: [Message[], object, RegExp][] = [
    [[], {}, /at least one message/],
    [[user('a'), { role: 'tool', content: '1' }], {}, /^message 1: a tool's answer must follow/],
    [[user('a'), { role: 'assistant', content: 'b' }], {}, /message 1/],
    [[user('a'), { role: 'system', content: 'late' }, user('b')], {}, /^message 1: .*the system message must be the first/],
    [[user('a')], { tools: [{ name: 'f', parameters: { type: 'thing' } }] }, /^tool 0 "f": .*"type" must be/],
    [[user('a')], { template: 'none' }, /none/],
  ];
  for (const [messages, options, message] of refused) {
    await assert.rejects(model.chat(messages, options), (error: Error & { code?: string }) => {
      assert.deepEqual([error.name, error.code], ['LMError', messages.length ? 'invalid_argument' : error.code]);
      assert.match(error.message, message);
      assert.ok(!/tool_call|reasoning_content/.test(error.message), error.message);
      return true;
    });
  }
  await assert.rejects(bundledModel().chat([user('a')]), { code: 'not_initialized' });
});

test('a model without a template says so', async () => {
  const plain = bundledModel();
  await plain.init();
  await assert.rejects(plain.chat([user('a')]), { name: 'LMError', code: 'not_found', message: /has no chat template/ });
});
