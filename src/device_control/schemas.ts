/** The bodies of the control server in JSON Schema, for its OpenAPI document. */

export interface Schema {
  readonly [keyword: string]: unknown;
}

/** A day: no event takes longer. */
const SECONDS_MAX = 86_400;
const MS_MAX = SECONDS_MAX * 1_000;

/** An object with these properties and no others; all of them, unless `required` names some. */
function object(properties: Record<string, Schema>, required: readonly string[] = Object.keys(properties)): Schema {
  return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false };
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const number = (minimum: number, maximum: number, description: string): Schema => ({
  type: 'number',
  minimum,
  maximum,
  description,
});
const integer = (minimum: number, maximum: number, description: string): Schema => ({
  type: 'integer',
  minimum,
  maximum,
  description,
});
const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const time = (description: string): Schema => ({ type: 'number', minimum: 0, description });
const seconds = (description: string): Schema => number(0, SECONDS_MAX, description);

const link: Record<string, Schema> = {
  bandwidthUp: number(1, 1e12, 'From the device to all its clients, in bit/s'),
  bandwidthDown: number(1, 1e12, 'To the device, in bit/s'),
  latencyMs: number(0, MS_MAX, 'How long a segment travels, one way'),
  jitterMs: number(0, MS_MAX, 'Up to so much more, for each segment'),
  segmentSize: integer(1, 65_535, 'Bytes of payload in a segment'),
  transmitWindow: integer(1, 2 ** 30, 'Bytes of one connection that may be under way to the client'),
  receiveWindow: integer(1, 2 ** 30, 'Bytes of one connection that may be under way to the device'),
  stallChance: number(0, 1, 'How likely a segment has to be sent again'),
  stallMs: number(0, MS_MAX, 'How long that holds up its connection'),
  tlsHandshakeMs: number(0, MS_MAX, 'How long the server task is busy with a TLS handshake'),
  beaconTimeoutMs: number(0, MS_MAX, "A loss of the Wi-Fi that is longer ends the device's connections"),
};

const boot: Record<string, Schema> = {
  bootSeconds: seconds("Until it can be reached again; by default the profile's"),
};

const at = { at: number(0, 1e9, 'From the start of the device, or of playing, in seconds') };
const bootStep: Schema = { oneOf: [{ const: true }, object(boot, [])] };

const session = object({
  fd: count('Number of the session'),
  peer: { type: 'string', description: 'Address and port' },
  protocol: { type: 'string', enum: ['HTTP', 'WebSocket'] },
  encrypted: { type: 'boolean' },
  age: time('In seconds'),
  lruRank: integer(1, 1e6, 'Its place in the order in which sessions are purged'),
  queued: count('Bytes that are queued for it'),
});

const state = object({
  chip: { type: 'string', enum: ['esp32', 'esp32-s3', 'esp32-c3'] },
  seed: integer(0, 2 ** 32 - 1, 'What everything random comes from'),
  listeners: {
    type: 'array',
    items: object(
      { port: integer(0, 65_535, '0 of a Unix socket'), path: { type: 'string' }, encrypted: { type: 'boolean' } },
      ['port', 'encrypted'],
    ),
  },
  time: time('Since the start, in seconds'),
  state: { type: 'string', enum: ['running', 'booting', 'stopped'] },
  boots: count('How often it has booted'),
  uptime: time('Since the last boot, in seconds; 0 while it boots'),
  wifi: { type: 'string', enum: ['up', 'down'] },
  busy: { type: 'boolean', description: 'Is the server task busy?' },
  heap: object({ size: count('Bytes'), free: count('Bytes'), minimumFree: count('Bytes') }),
  works: object({ waiting: count('Works in the queue'), max: count('As many as there may be') }),
  sessions: { type: 'array', items: ref('Session'), description: 'The one that is purged first comes first' },
  link: ref('Link'),
  bytesUp: count('Payload to clients so far'),
  bytesDown: count('Payload from clients so far'),
});

export const SCHEMAS: Readonly<Record<string, Schema>> = {
  State: state,
  Session: session,
  Link: object(link),
  LinkChanges: { ...object(link, []), description: 'What is to change' },
  Seconds: object({ seconds: seconds('For how long') }),
  Boot: object({ ...boot, wait: { type: 'boolean', description: 'Answer when it runs again; default false' } }, []),
  Step: {
    oneOf: [
      object({ ...at, wifiDown: seconds('For how long the Wi-Fi is lost') }),
      object({ ...at, stall: seconds('For how long the server task is busy') }),
      object({ ...at, reboot: bootStep }),
      object({ ...at, brownOut: bootStep }),
      object({ ...at, setLink: ref('LinkChanges') }),
    ],
  },
  Scenario: { type: 'array', maxItems: 10_000, items: ref('Step') },
  Played: object({ steps: count('How many are to come'), seconds: time('When the last one does') }),
  Error: object({ error: { type: 'string', description: 'What was wrong, and what to do' } }),
};
