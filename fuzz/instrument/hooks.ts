/** Hooks of Node's module loader (node:module, `register`): modules of src/ are instrumented, others left as they are. */
import type { LoadHook } from 'node:module';
import { instrument } from './instrument.js';

const SRC = new URL('../../src/', import.meta.url).href;

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (!url.startsWith(SRC) || loaded.format !== 'module' || loaded.source == null) return loaded;
  const { source } = loaded;
  const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
  return { ...loaded, source: instrument(text) };
};
