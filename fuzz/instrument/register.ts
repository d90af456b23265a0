/**
 * For `--import`: from now on each module of src/ counts its branches as it runs.
 *
 * The counters are made on this thread, since modules run here; the hooks that change the source run on another one.
 */
import { register } from 'node:module';
import { counters } from '../coverage.js';
import { COUNTERS } from './instrument.js';

Object.defineProperty(globalThis, COUNTERS, { value: counters });
register('./hooks.ts', import.meta.url);
