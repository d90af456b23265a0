/**
 * `isUtf8` of node:buffer. Not imported by its name: a Node.js that has none would end with a SyntaxError, before
 * `node_version.cts` can say that it is too old.
 */
import buffer from 'node:buffer';

export const { isUtf8 } = buffer;
