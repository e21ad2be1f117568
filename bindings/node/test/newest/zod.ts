// For the newest TypeScript alone, which Zod's types need: the value is what the schema makes of it.
import { TorchModel } from 'dstorch';
import { z } from 'zod';

const schema = z.object({ name: z.string(), since: z.iso.date().transform((text) => new Date(text)) });

export async function ask(model: TorchModel): Promise<[string, Date]> {
  const { name, since } = await model.generate('x', { schema });
  const { value } = await model.chat([{ role: 'user', content: 'x' }], { schema, tools: [{ name: 'f', parameters: schema }] });
  // @ts-expect-error: the schema has no such field
  value.size;
  // @ts-expect-error: it is a Date
  value.since.length;
  return [name, since];
}
