// Answers that are held to something: a schema gives its value, and the rest the text that was asked for.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Schema } from 'dstorch';
import { bundledModel } from './support';
// Its types are of a newer TypeScript than the oldest that this file is checked with.
const { z } = require('zod') as { z: any };

const model = bundledModel();
before(() => model.init());
const prompt = 'python3-yaml\t';
/** Where a model says anything at all. */
const wild = { temperature: 4, maxTokens: 80 };

const wanted = {
  type: 'object',
  properties: {
    section: { enum: ['python', 'libs', 'fonts'] },
    size: { type: 'integer', minimum: 1, maximum: 99 },
    tags: { type: 'array', items: { type: 'string', maxLength: 8 }, maxItems: 2 },
    free: { type: ['boolean', 'null'] },
  },
  required: ['section', 'size'],
} as const;

test('generate gives the value of a JSON schema, typed by it', async () => {
  for (let seed = 0; seed < 10; ++seed) {
    const value = await model.generate(prompt, { ...wild, seed, schema: wanted });
    // These are types too: a wrong one does not compile.
    const section: 'python' | 'libs' | 'fonts' = value.section;
    const size: number = value.size;
    const tags: string[] | undefined = value.tags;
    const free: boolean | null | undefined = value.free;
    assert.ok(wanted.properties.section.enum.includes(section) && Number.isInteger(size) && size > 0 && size < 100);
    assert.ok(tags === undefined || (tags.length <= 2 && tags.every((tag) => typeof tag === 'string')));
    assert.ok(free === undefined || free === null || typeof free === 'boolean');
  }
});

test('complete has the text beside the value, a stream when it has ended', async () => {
  const options = { ...wild, seed: 3, schema: wanted, whiteSpace: 'none' } as const;
  const { text, value } = await model.complete(prompt, options);
  assert.deepEqual(JSON.parse(text), value);
  assert.equal(text, JSON.stringify(value), 'no white space');
  const stream = model.stream(prompt, options);
  let said = '';
  for await (const piece of stream) said += piece;
  assert.equal(said, text);
  assert.deepEqual((await stream.result).value, value);
  const long = { type: 'array', items: { type: 'integer' }, minItems: 400 } as const;
  const left = model.stream(prompt, { ...wild, maxTokens: 1500, schema: long });
  for await (const piece of left) if (piece) break;
  const { finishReason, value: none } = await left.result;
  assert.deepEqual([finishReason, none], ['cancelled', undefined]);
});

test('white space stands where it usually does, unless it is not wanted', async () => {
  const schema = { type: 'array', items: { const: 1 }, minItems: 3, maxItems: 3 } as const;
  const spaced = { temperature: 0, logitBias: { [(await model.tokenize(' '))[0]]: 100 } };
  assert.match((await model.complete(prompt, { ...spaced, schema })).text, /\s/);
  assert.equal((await model.complete(prompt, { ...spaced, schema, whiteSpace: 'none' })).text, '[1,1,1]');
});

test('a Zod schema is one too, and reads the value to the end', async () => {
  const schema = z.object({
    name: z.string().max(12),
    size: z.int().min(1).max(9),
    since: z.iso.date().transform((text: string) => new Date(text)),
    kind: z.enum(['lib', 'app']).default('lib'),
    mail: z.email().optional(),
  });
  for (let seed = 0; seed < 5; ++seed) {
    const value = (await model.generate(prompt, { ...wild, maxTokens: 120, seed, schema })) as Record<string, any>;
    assert.ok(value.since instanceof Date && !Number.isNaN(value.since.valueOf()), 'transformed');
    assert.ok(['lib', 'app'].includes(value.kind), 'the default is there');
    assert.ok(value.size >= 1 && value.size <= 9 && value.name.length <= 12);
  }
});

test('what a JSON schema cannot say is said by the library, as an error', async () => {
  const schema = z.object({ size: z.int().min(1).max(9).refine((size: number) => size > 100, 'must be above 100') });
  await assert.rejects(model.generate(prompt, { schema }), {
    name: 'LMError',
    code: 'format',
    message: /not to the schema: size: must be above 100$/,
  });
});

test('any object that writes itself as a JSON schema is one', async () => {
  const number = { type: 'integer', minimum: 3, maximum: 3 };
  const standard = (jsonSchema: object) => ({ '~standard': { version: 1, vendor: 'mine', jsonSchema } });
  const asked: unknown[] = [];
  const written: unknown[] = [
    { toJSONSchema: () => number },
    { toJsonSchema: () => number },
    Object.assign(() => {}, { toJsonSchema: () => number }),
    standard({ input: (options: unknown) => (asked.push(options), number) }),
  ];
  for (const schema of written) assert.equal(await model.generate(prompt, { schema: schema as Schema }), 3);
  assert.deepEqual(asked, [{ target: 'draft-2020-12' }]);
  const wrong: [unknown, RegExp][] = [
    ['object', /^schema must be a JSON schema, or a schema that can be written as one, got "object"$/],
    [[], /^schema must be a JSON schema, .*, got an array$/],
    [null, /^schema must be a JSON schema/],
    [() => {}, /^schema has neither/],
    [{ '~standard': { validate() {} } }, /^schema has neither ~standard\.jsonSchema nor toJSONSchema/],
    [{ toJSONSchema() { throw new Error('a Date is none'); } }, /^schema cannot be written as a JSON schema: a Date is none$/],
    [z.object({ at: z.date() }), /^schema cannot be written as a JSON schema: .*[Dd]ate/],
    [{ const: 1n }, /^schema must be something that JSON can say/],
  ];
  for (const [schema, message] of wrong) {
    await assert.rejects(model.generate(prompt, { schema: schema as Schema }), { name: 'TypeError', message });
  }
});

test('regex, choice and grammar hold an answer', async () => {
  for (let seed = 0; seed < 5; ++seed) {
    const options = { ...wild, seed };
    assert.match(await model.generate(prompt, { ...options, regex: '[a-c]{2,4}!' }), /^[a-c]{2,4}!$/);
    assert.match(await model.generate(prompt, { ...options, regex: /\d+-\d/ }), /^\d+-\d$/);
    assert.ok(['yes', 'no'].includes(await model.generate(prompt, { ...options, choice: ['yes', 'no'] })));
    const grammar = 'root ::= "(" root ")" | [0-9]';
    assert.match(await model.generate(prompt, { ...options, grammar }), /^\(*[0-9]\)*$/);
  }
  const streamed = model.stream(prompt, { ...wild, choice: ['maybe'] });
  let text = '';
  for await (const piece of streamed) text += piece;
  assert.equal(text, 'maybe');
});

test('an answer is complete within maxTokens, or the call fails before it begins', async () => {
  const schema = { type: 'array', items: { type: 'integer' } } as const;
  for (let maxTokens = 2; maxTokens < 12; ++maxTokens) {
    const { value, tokens } = await model.complete(prompt, { ...wild, schema, maxTokens });
    assert.ok(Array.isArray(value) && tokens.length <= maxTokens);
  }
  const long = { choice: ['a sentence that takes a few tokens'], maxTokens: 2 };
  await assert.rejects(model.generate(prompt, long), { code: 'invalid_argument', message: /maxTokens/ });
});

test('what is wrong with a constraint is named', async () => {
  const wrong: [object, RegExp][] = [
    [{ schema: {}, regex: 'x' }, /^options must have one of schema, regex at most$/],
    [{ choice: ['x'], grammar: 'root ::= "x"' }, /^options must have one of choice, grammar at most$/],
    [{ regex: /x/i }, /^regex must be a string or a RegExp without flags, got a RegExp$/],
    [{ choice: 'yes' }, /^choice must be an array of strings, got "yes"$/],
    [{ grammar: 7 }, /^grammar must be a string, got 7$/],
    [{ whiteSpace: 'none' }, /^whiteSpace is of the JSON of a schema/],
    [{ schema: {}, whiteSpace: 'much' }, /^whiteSpace must be "bounded" or "none", got "much"$/],
    [{ jsonSchema: {} }, /^options has no field jsonSchema; did you mean schema\?$/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(model.generate(prompt, options as never), { name: 'TypeError', message });
  }
  const refused: [object, string, RegExp][] = [
    [{ schema: { type: 'string', contentEncoding: 'base64' } }, 'unsupported', /contentEncoding/],
    [{ schema: { type: 'thing' } }, 'format', /type/],
    [{ regex: '(?=x)' }, 'unsupported', /look/],
    [{ regex: '(' }, 'format', /regular expression/],
    [{ choice: [] }, 'invalid_argument', /choice/],
    [{ grammar: 'leaf ::= "x"' }, 'format', /root/],
    [{ choice: ['x'], stopSequences: ['y'] }, 'invalid_argument', /stopSequences/],
  ];
  for (const [options, code, message] of refused) {
    await assert.rejects(model.generate(prompt, options), { name: 'LMError', code, message }, JSON.stringify(options));
  }
});
