// TorchScript archives inside Node: LibTorch's interpreter and its archive reader, beside Node's own zlib and OpenSSL,
// compute what PyTorch computed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { bundledModel, fixtures } from './support';

const directory = path.join(fixtures, 'torchscript');
const expected = JSON.parse(readFileSync(path.join(directory, 'torchscript.json'), 'utf8'));
const archive = (name: string) => bundledModel({ modelPath: path.join(directory, name), allowScripts: true });

test('a network computes what PyTorch computes', async () => {
  const model = archive('network.pt');
  await model.init();
  assert.equal(model.info().modelType, 'torchscript');
  for (const { prompt, output } of expected.network.cases) {
    const values = /values: (.*)\)$/.exec(await model.generate(prompt))![1].split(', ').map(Number);
    assert.equal(values.length, expected.network.output_size);
    values.forEach((value, i) => assert.ok(Math.abs(value - output[i]) < 1e-4, `${prompt}: ${values}`));
  }
});

test('a language model says what PyTorch says', async () => {
  const model = archive('lm.pt');
  await model.init();
  const { prompt, lengths, logits, greedy } = expected.lm as Record<string, any>;
  for (const [i, length] of lengths.entries()) {
    const computed = await model.logits(prompt.slice(0, length));
    computed.forEach((value, j) => assert.ok(Math.abs(value - logits[i][j]) < 1e-4));
  }
  const { tokens } = await model.complete(prompt, { temperature: 0, maxTokens: greedy.length });
  assert.deepEqual(tokens, greedy);
});

test('an archive is a program, and runs only when it is allowed to', async () => {
  const model = bundledModel({ modelPath: path.join(directory, 'network.pt') });
  await assert.rejects(model.init(), { name: 'LMError', code: 'invalid_argument', message: /allowScripts/ });
});
