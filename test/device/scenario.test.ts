import { describe, expect, test } from 'vitest';
import { checkScenario, SCENARIO_MAX, type Scenario } from '../../src/device/scenario.js';
import { ESP_ERR_INVALID_ARG } from '../../src/err.js';

/** Each event, in each form. */
const ALL: Scenario = [
  { at: 20, reboot: true },
  { at: 0, wifiDown: 3 },
  { at: 1.5, wifiDown: 0 },
  { at: 1e9, stall: 86_400 },
  { at: 20, reboot: { bootSeconds: 0.5 } },
  { at: 20, reboot: {} },
  { at: 30, brownOut: true },
  { at: 30, brownOut: { bootSeconds: 86_400 } },
  { at: 40, setLink: {} },
  {
    at: 41,
    setLink: {
      bandwidthUp: 1e6,
      bandwidthDown: 1e6,
      latencyMs: 5,
      jitterMs: 2.5,
      segmentSize: 536,
      transmitWindow: 2_144,
      receiveWindow: 2_144,
      stallChance: 0.5,
      stallMs: 200,
      tlsHandshakeMs: 900,
      beaconTimeoutMs: 3_000,
    },
  },
];

describe('a scenario', () => {
  test('has any event, in any order', () => {
    expect(checkScenario(ALL)).toBe(ALL);
    expect(checkScenario([])).toEqual([]);
  });

  test('is the same after a journey as JSON', () => {
    expect(checkScenario(JSON.parse(JSON.stringify(ALL)))).toEqual(ALL);
  });

  test(`has up to ${SCENARIO_MAX} steps`, () => {
    const steps = new Array(SCENARIO_MAX).fill({ at: 1, stall: 1 });
    expect(checkScenario(steps)).toBe(steps);
    expect(() => checkScenario([...steps, steps[0]])).toThrow(`a list of up to ${SCENARIO_MAX} steps`);
  });
});

describe('refused, and why', () => {
  const LIST = 'a scenario is a list of up to 10000 steps, such as [{ "at": 5, "wifiDown": 3 }]';
  const ONE = "step 0 must have 'at' and one of wifiDown, reboot, brownOut, stall, setLink";
  const SECONDS = 'must be a number from 0 to 86400';
  const TIME = 'must be a number from 0 to 1000000000';
  const LINK_FIELDS =
    'bandwidthUp, bandwidthDown, latencyMs, jitterMs, segmentSize, transmitWindow, receiveWindow, stallChance, stallMs, ' +
    'tlsHandshakeMs, beaconTimeoutMs';

  test.each<[string, unknown, string]>([
    ['nothing', undefined, LIST],
    ['null', null, LIST],
    ['an object', { at: 1, stall: 1 }, LIST],
    ['a text', '[]', LIST],
    ['a step that is null', [null], 'step 0 must be an object'],
    ['a step that is a list', [[1, 2]], 'step 0 must be an object'],
    ['a step that is a number', [5], 'step 0 must be an object'],
    ['a hole', new Array(1), 'step 0 must be an object'],
    ['no event', [{ at: 1 }], ONE],
    ['two events', [{ at: 1, stall: 1, wifiDown: 1 }], ONE],
    [
      'another event',
      [{ at: 1, explode: true }],
      "step 0 has no field 'explode'; it has at, wifiDown, reboot, brownOut, stall, setLink",
    ],
    ['a name of Object', [{ at: 1, constructor: 1 }], "step 0 has no field 'constructor'; it has at"],
    ['a name of Object, from JSON', JSON.parse('[{ "at": 1, "__proto__": 1 }]'), "step 0 has no field '__proto__'"],
    ['no time', [{ stall: 1 }], `step 0: at ${TIME}, not undefined`],
    ['a time before', [{ at: -1, stall: 1 }], `step 0: at ${TIME}, not -1`],
    ['a time that is a text', [{ at: '5', stall: 1 }], `step 0: at ${TIME}, not 5`],
    ['a time that is no number', [{ at: Number.NaN, stall: 1 }], `step 0: at ${TIME}, not NaN`],
    ['a time that nobody waits for', [{ at: 1e10, stall: 1 }], `step 0: at ${TIME}, not 10000000000`],
    ['no length', [{ at: 1, wifiDown: null }], `step 0: wifiDown ${SECONDS}, not null`],
    ['a length that is true', [{ at: 1, stall: true }], `step 0: stall ${SECONDS}, not true`],
    ['a length below 0', [{ at: 1, stall: -0.1 }], `step 0: stall ${SECONDS}, not -0.1`],
    ['a reboot that is false', [{ at: 1, reboot: false }], 'step 0: reboot must be an object'],
    ['a reboot that is a number', [{ at: 1, reboot: 3 }], 'step 0: reboot must be an object'],
    [
      'another field of a reboot',
      [{ at: 1, reboot: { seconds: 1 } }],
      "step 0: reboot has no field 'seconds'; it has bootSeconds",
    ],
    [
      'a wrong time of a boot',
      [{ at: 1, brownOut: { bootSeconds: -1 } }],
      `step 0: brownOut.bootSeconds ${SECONDS}, not -1`,
    ],
    ['a brown-out that is null', [{ at: 1, brownOut: null }], 'step 0: brownOut must be an object'],
    ['a link that is true', [{ at: 1, setLink: true }], 'step 0: setLink must be an object'],
    [
      'another field of a link',
      [{ at: 1, setLink: { latency: 1 } }],
      `step 0: setLink has no field 'latency'; it has ${LINK_FIELDS}`,
    ],
    [
      'a wrong value of a link',
      [{ at: 1, setLink: { stallChance: 2 } }],
      'step 0: setLink.stallChance must be a number from 0 to 1, not 2',
    ],
  ])('%s', (_what, value, message) => {
    expect(() => checkScenario(value)).toThrow(
      expect.objectContaining({ code: ESP_ERR_INVALID_ARG, message: expect.stringContaining(message) }),
    );
  });

  test('the step is named', () => {
    expect(() => checkScenario([...ALL, { at: 1, stall: 'x' }])).toThrow('step 10: stall must be a number');
  });
});
