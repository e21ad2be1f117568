// What the documentation shows of JavaScript runs, and prints what it says: each block marked `js test`, and the block
// `text output` right after one. A block that imports is a module.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot, run, sourceRoot } from './support';

const documents = ['README.md', 'docs/node.md', 'docs/dspy-ts.md', 'bindings/node/README.md'];
const block = /^```js test\n([^]*?)^```$(?:\n+^```text output\n([^]*?)^```$)?/gm;

for (const document of documents) {
  const text = readFileSync(path.join(sourceRoot, document), 'utf8');
  for (const { index, 1: code, 2: output } of text.matchAll(block)) {
    const line = text.slice(0, index).split('\n').length;
    test(`${document}:${line}`, async () => {
      // Inside the package, where its own name and its npm packages are found.
      const directory = mkdtempSync(path.join(packageRoot, 'build', 'snippet-'));
      const file = path.join(directory, /^import /m.test(code) ? 'snippet.mjs' : 'snippet.cjs');
      writeFileSync(file, code);
      const ended = await run(process.execPath, [file], process.env, directory);
      rmSync(directory, { recursive: true });
      assert.equal(ended.code, 0, ended.stderr);
      if (output !== undefined) assert.equal(ended.stdout, output);
    });
  }
}
