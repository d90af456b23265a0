/**
 * llhttp seen from outside: WebAssembly can't be instrumented, but a parser's memory tells in which state it is. States
 * are marks.
 */
import { Llhttp, receiveBuffer } from '../../src/httpd/llhttp.js';
import { mark } from '../coverage.js';
import { inside } from './inside.js';

/** Offset of `_current`, the state, in `llhttp__internal_s`. */
const OFFSET_STATE = 28;

const { execute } = Llhttp.prototype;
let memory = new DataView(receiveBuffer().buffer);

/** From now on each state that a parser stops in is a mark. */
export function watchLlhttp(): void {
  Llhttp.prototype.execute = function (this: Llhttp, from: number, to: number): number {
    const errno = execute.call(this, from, to);
    const { buffer } = receiveBuffer();
    if (memory.buffer !== buffer) memory = new DataView(buffer);
    mark((errno << 20) ^ memory.getUint32(inside<number>(this, 'parser') + OFFSET_STATE, true));
    return errno;
  };
}
