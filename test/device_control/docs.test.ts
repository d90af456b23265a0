/** docs/control.md names all that there is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEVICE_USAGE } from '../../src/cli/device_options.js';
import { OPERATIONS, type Operation } from '../../src/device_control/openapi.js';

const page = readFileSync(new URL('../../docs/control.md', import.meta.url), 'utf8');

const options = DEVICE_USAGE.match(/(?<=\n {2})--[\w-]+(?= <)/g) ?? [];

test('the usage names options in the layout that these tests know', () => {
  expect(options).toEqual(expect.arrayContaining(['--profile', '--seed', '--control', '--control-host']));
});

test.each(options)('the option %s', option => {
  expect(page).toMatch(new RegExp(`^\\| .*\`${option}\`.* \\|$`, 'm'));
});

test.each(Object.values<Operation>(OPERATIONS).filter(({ path }) => path !== '/'))('$verb $path', ({ verb, path }) => {
  const rows = page.split('\n').filter(row => row.startsWith('|') && row.includes(` ${path}\``));
  expect(rows.join('\n')).toMatch(new RegExp(`\\b${verb.toUpperCase()}\\b`));
});
