// For the newest TypeScript alone: `await using`.
import { TorchModel } from 'dstorch';

export async function say(prompt: string): Promise<string> {
  await using model = new TorchModel({ architecture: { inputSize: 1, hiddenSize: 2, outputSize: 3 } });
  await model.init();
  return model.generate(prompt);
}
