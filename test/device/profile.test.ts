import { describe, expect, test } from 'vitest';
import { CHIPS, type DeviceChip } from '../../src/device/chips.js';
import {
  checkLink,
  checkProfile,
  deviceProfile,
  type HeapSettings,
  type LinkSettings,
  type ProfileOverrides,
} from '../../src/device/profile.js';
import { ESP_ERR_INVALID_ARG } from '../../src/err.js';

/** Least, most, and whether it is an integer. */
type Range = readonly [min: number, max: number, kind: 'integer' | 'number'];

const MS: Range = [0, 86_400_000, 'number'];
const BYTES: Range = [0, 2 ** 40, 'integer'];
const WINDOW: Range = [1, 2 ** 30, 'integer'];

const LINK: Record<keyof LinkSettings, Range> = {
  bandwidthUp: [1, 1e12, 'number'],
  bandwidthDown: [1, 1e12, 'number'],
  latencyMs: MS,
  jitterMs: MS,
  segmentSize: [1, 65_535, 'integer'],
  transmitWindow: WINDOW,
  receiveWindow: WINDOW,
  stallChance: [0, 1, 'number'],
  stallMs: MS,
  tlsHandshakeMs: MS,
  beaconTimeoutMs: MS,
};

const HEAP: Record<keyof HeapSettings, Range> = {
  size: BYTES,
  session: BYTES,
  tlsSession: BYTES,
  request: BYTES,
};

const CHIP_NAMES = Object.keys(CHIPS) as DeviceChip[];

const refused = (message: string) =>
  expect.objectContaining({ code: ESP_ERR_INVALID_ARG, message: expect.stringContaining(message) });

describe('the profile of a chip', () => {
  test.each(CHIP_NAMES)('%s: is what the table of chips says', chip => {
    expect(deviceProfile(chip)).toEqual({ chip, ...CHIPS[chip] });
    expect(deviceProfile(chip, {})).toEqual({ chip, ...CHIPS[chip] });
  });

  test.each(CHIP_NAMES)('%s: keeps to the ranges that others have to keep to', chip => {
    const { link, heap, bootSeconds, config } = deviceProfile(chip);
    expect(deviceProfile(chip, { link, heap, bootSeconds, config })).toEqual(deviceProfile(chip));
    expect(Object.keys(link).sort()).toEqual(Object.keys(LINK).sort());
    expect(Object.keys(heap).sort()).toEqual(Object.keys(HEAP).sort());
  });

  test('overrides say what differs, and the rest stays', () => {
    const plain = deviceProfile('esp32-c3');
    const changed = deviceProfile('esp32-c3', {
      config: { maxOpenSockets: 4 },
      link: { latencyMs: 80 },
      heap: { size: 50_000 },
      bootSeconds: 0,
    });
    expect(changed).toEqual({
      chip: 'esp32-c3',
      config: { ...plain.config, maxOpenSockets: 4 },
      link: { ...plain.link, latencyMs: 80 },
      heap: { ...plain.heap, size: 50_000 },
      bootSeconds: 0,
    });
    expect(deviceProfile('esp32-c3')).toEqual(plain);
  });

  test('what is undefined stays as it is', () => {
    const nothing = { config: undefined, link: undefined, heap: undefined, bootSeconds: undefined };
    expect(deviceProfile('esp32', nothing)).toEqual(deviceProfile('esp32'));
    const fields = { config: { maxUriLen: undefined }, link: { latencyMs: undefined }, heap: { size: undefined } };
    expect(deviceProfile('esp32', fields as never)).toEqual(deviceProfile('esp32'));
  });

  test.each<[string, unknown]>([
    ['another chip', 'esp8266'],
    ['a name of Object', 'constructor'],
    ['none', undefined],
  ])('%s is refused, and the message has those that there are', (_what, chip) => {
    expect(() => deviceProfile(chip as DeviceChip)).toThrow(
      refused(`there is no profile '${chip}'; there are esp32, esp32-s3, esp32-c3`),
    );
  });

  test.each<[unknown, string]>([
    [null, 'overrides must be an object'],
    [[], 'overrides must be an object'],
    [{ links: {} }, "overrides has no field 'links'; it has config, link, heap, bootSeconds"],
    [{ config: null }, 'overrides.config must be an object of HttpdConfig'],
    [{ config: 5 }, 'overrides.config must be an object of HttpdConfig'],
    [{ link: null }, 'link must be an object'],
    [{ link: { latency: 1 } }, "link has no field 'latency'; it has bandwidthUp, bandwidthDown, latencyMs,"],
    [{ heap: [] }, 'heap must be an object'],
    [{ heap: { free: 1 } }, "heap has no field 'free'; it has size, session, tlsSession, request"],
    [{ bootSeconds: -1 }, 'overrides.bootSeconds must be a number from 0 to 86400, not -1'],
    [{ bootSeconds: 86_401 }, 'overrides.bootSeconds must be a number from 0 to 86400, not 86401'],
    [{ bootSeconds: '1' }, 'overrides.bootSeconds must be a number from 0 to 86400, not 1'],
    [{ bootSeconds: Number.NaN }, 'overrides.bootSeconds must be a number from 0 to 86400, not NaN'],
  ])('%j is refused: %s', (overrides, message) => {
    expect(() => deviceProfile('esp32', overrides as ProfileOverrides)).toThrow(refused(message));
  });
});

describe('a profile that was kept, or made by hand', () => {
  const whole = deviceProfile('esp32');
  const without = (group: object, name: string): object => ({ ...group, [name]: undefined });

  test.each(CHIP_NAMES)('%s: is taken after a journey as JSON', chip => {
    expect(() => checkProfile(JSON.parse(JSON.stringify(deviceProfile(chip))))).not.toThrow();
  });

  test.each<[string, unknown, string]>([
    ['a chip alone', 'esp32', 'profile must be an object'],
    ['nothing in it', {}, "there is no profile 'undefined'"],
    ['another field', { ...whole, name: 'mine' }, "profile has no field 'name'"],
    ['no link', without(whole, 'link'), 'profile.link has no bandwidthUp: make profiles with deviceProfile()'],
    ['no heap', without(whole, 'heap'), 'profile.heap has no size'],
    ['no bootSeconds', without(whole, 'bootSeconds'), 'profile.bootSeconds must be a number from 0 to 86400'],
    ['a part of a link', { ...whole, link: without(whole.link, 'stallMs') }, 'profile.link has no stallMs'],
    ['a wrong value', { ...whole, heap: { ...whole.heap, size: -1 } }, 'heap.size must be an integer from 0'],
    ['a wrong configuration', { ...whole, config: 5 }, 'config must be an object of HttpdConfig'],
  ])('%s is refused', (_what, profile, message) => {
    expect(() => checkProfile(profile)).toThrow(refused(message));
  });
});

const FIELDS = [
  ...Object.entries(LINK).map(([name, range]) => ['link', name, ...range] as const),
  ...Object.entries(HEAP).map(([name, range]) => ['heap', name, ...range] as const),
];

describe('the range of a field', () => {
  test.each(FIELDS)('%s.%s: from %d to %d, %s', (group, name, min, max, kind) => {
    const set = (value: unknown) => deviceProfile('esp32', { [group]: { [name]: value } });
    for (const value of [min, max, Math.floor((min + max) / 2)]) expect(set(value)[group]).toHaveProperty(name, value);
    const wrong: unknown[] = [min - 1, max + 1, Number.NaN, Number.POSITIVE_INFINITY, '5', null, true, 5n];
    const message = `${group}.${name} must be ${kind === 'integer' ? 'an integer' : 'a number'} from ${min} to ${max}`;
    for (const value of wrong) expect(() => set(value), String(value)).toThrow(refused(`${message}, not ${value}`));
    const half = min + 0.5;
    if (kind === 'integer') expect(() => set(half)).toThrow(refused(`${message}, not ${half}`));
    else expect(set(half)[group]).toHaveProperty(name, half);
  });

  test('is the same for a change of the link while it runs', () => {
    expect(checkLink({ latencyMs: 5, jitterMs: undefined })).toEqual({ latencyMs: 5 });
    expect(() => checkLink({ latencyMs: -1 }, 'setLink')).toThrow(refused('setLink.latencyMs must be a number'));
    expect(() => checkLink('fast', 'setLink')).toThrow(refused('setLink must be an object'));
  });
});
