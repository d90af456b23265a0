/**
 * The figures of the chips. docs/device.md tells for each where it comes from, or that it is assumed; a test holds the
 * two together.
 */
import { type HttpdConfig, httpdEsp32Config } from '../config.js';
import type { DeviceProfile } from './profile.js';

export type DeviceChip = 'esp32' | 'esp32-s3' | 'esp32-c3';

type ChipFigures = Omit<DeviceProfile, 'chip'>;

/** lwIP's and ESP-IDF's defaults, alike on all chips. */
const LINK = {
  latencyMs: 1,
  jitterMs: 2,
  segmentSize: 1_436,
  transmitWindow: 5_760,
  receiveWindow: 5_760,
  stallChance: 0.001,
  stallMs: 300,
  beaconTimeoutMs: 6_000,
};

const HEAP = {
  session: 704 + 5_760,
  tlsSession: 42_196,
  request: 1_236,
};

/** What a device has besides the limits of `httpdEsp32Config`: bounds on what it holds for later. */
function deviceConfig(): Partial<HttpdConfig> {
  return {
    ...httpdEsp32Config(),
    maxTxPending: 2 * 5_760,
    maxWsPending: 32_768,
  };
}

export const CHIPS: Readonly<Record<DeviceChip, ChipFigures>> = {
  esp32: {
    config: deviceConfig(),
    link: { ...LINK, bandwidthUp: 20e6, bandwidthDown: 20e6, tlsHandshakeMs: 1_250 },
    heap: { ...HEAP, size: 230 * 1_024 },
    bootSeconds: 2.5,
  },
  'esp32-s3': {
    config: deviceConfig(),
    link: { ...LINK, bandwidthUp: 23e6, bandwidthDown: 18e6, tlsHandshakeMs: 1_150 },
    heap: { ...HEAP, size: 273 * 1_024 },
    bootSeconds: 2.5,
  },
  'esp32-c3': {
    config: deviceConfig(),
    link: { ...LINK, bandwidthUp: 20e6, bandwidthDown: 17e6, tlsHandshakeMs: 1_550 },
    heap: { ...HEAP, size: 219 * 1_024 },
    bootSeconds: 2.5,
  },
};
