// What the tests share. They run from build/test, compiled.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { TorchModel, TorchModelConfig, bundledModelPath } from 'dstorch';

export const packageRoot = path.join(__dirname, '..', '..');
export const sourceRoot = path.join(packageRoot, '..', '..');
export const fixtures = path.join(sourceRoot, 'tests', 'parity', 'fixtures');

/** The bundled model, loaded, and cleaned up when the file's tests are done. */
export function bundledModel(config: TorchModelConfig = {}): TorchModel {
  const model = new TorchModel({ modelPath: bundledModelPath(), ...config });
  after(() => model.cleanup());
  return model;
}

/** A directory that goes with the file's tests. */
export function scratch(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'dstorch-node-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Runs a script in a Node of its own, where `dstorch` is this package. */
export function runScript(script: string, flags: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const entry = JSON.stringify(packageRoot);
  const preamble = `const dstorch = require(${entry}); const { TorchModel, bundledModelPath } = dstorch;\n`;
  return run(process.execPath, [...flags, '-e', preamble + script], { ...process.env, ...env });
}

export function run(program: string, args: string[], env = process.env, cwd = packageRoot): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...env, NODE_TEST_CONTEXT: undefined }, cwd });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
