// Runs the compiled tests and measures what of lib/ they run: under 90 % of its lines fails.
// Usage: node test/run.mjs [FILE...]    build/test/*.test.js unless said
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const least = 90;
const root = fileURLToPath(new URL('..', import.meta.url));
const compiled = path.join(root, 'build', 'test');
const named = process.argv.slice(2);
const files = readdirSync(compiled).filter((name) => name.endsWith('.test.js')).map((name) => path.join(compiled, name));

/** For each character of a source: was it run? By the reports of V8, whose inner ranges come after their outer ones. */
function charactersRun(length, functions) {
  const run = new Uint8Array(length).fill(1);
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) run.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  }
  return run;
}

/** The lines of a source that are code, and those of them that were run to their end. */
function linesRun(source, runs) {
  let at = 0;
  const code = [];
  for (const [i, line] of source.split('\n').entries()) {
    const indent = line.length - line.trimStart().length;
    if (!/^\s*(\/\/|\/?\*|[})\];,]*$)/.test(line)) {
      const covered = runs.some((run) => run.subarray(at + indent, at + line.length).every((each) => each === 1));
      code.push({ number: i + 1, covered });
    }
    at += line.length + 1;
  }
  return code;
}

const reports = mkdtempSync(path.join(tmpdir(), 'dstorch-coverage-'));
try {
  const { status } = spawnSync(process.execPath, ['--test', ...(named.length > 0 ? named : files)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_V8_COVERAGE: reports },
  });
  if (status !== 0) process.exit(status ?? 1);
  if (named.length > 0) process.exit(0);

  const runsOf = new Map();
  for (const name of readdirSync(reports)) {
    let report;
    try {
      report = JSON.parse(readFileSync(path.join(reports, name), 'utf8'));
    } catch {
      continue; // of a process that was killed while it wrote
    }
    for (const { url, functions } of report.result) {
      if (!runsOf.has(url)) runsOf.set(url, []);
      runsOf.get(url).push(functions);
    }
  }
  let all = 0;
  let covered = 0;
  for (const name of ['index.js', ...readdirSync(path.join(root, 'lib')).map((each) => path.join('lib', each))]) {
    const source = readFileSync(path.join(root, name), 'utf8');
    const reported = runsOf.get(pathToFileURL(path.join(root, name)).href) ?? [];
    const lines = linesRun(source, reported.map((functions) => charactersRun(source.length, functions)));
    const missed = lines.filter((line) => !line.covered).map((line) => line.number);
    all += lines.length;
    covered += lines.length - missed.length;
    console.log(`${name}: ${lines.length - missed.length} of ${lines.length} lines${missed.length ? `, not ${missed.join(' ')}` : ''}`);
  }
  const percent = (100 * covered) / all;
  console.log(`coverage of the package's JavaScript: ${percent.toFixed(1)} % of ${all} lines, at least ${least} % wanted`);
  process.exitCode = percent >= least ? 0 : 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}
