/** The OpenAPI document: what it says is so, and all there is is in it. */
import { describe, expect, test } from 'vitest';
import { checkLink } from '../../src/device/profile.js';
import { checkScenario } from '../../src/device/scenario.js';
import { Live } from '../../src/device_control/live.js';
import { openApi } from '../../src/device_control/openapi.js';
import { controlRoutes } from '../../src/device_control/routes.js';
import { SCHEMAS, type Schema } from '../../src/device_control/schemas.js';
import { HTTP_GET, HTTP_PATCH, HTTP_POST } from '../../src/httpd/methods.js';
import { startTestServer } from '../support/server.js';
import { violations } from './json_schema.js';
import { type Asked, ControlRig } from './support.js';

interface Media {
  readonly schema?: Schema;
  readonly example?: unknown;
}
interface Operation {
  readonly requestBody?: { readonly required: boolean; readonly content: Record<string, Media> };
  readonly responses: Record<string, { readonly content?: Record<string, Media>; readonly $ref?: string }>;
}

const DOCUMENT = openApi() as unknown as {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly responses: Record<string, Operation['responses'][string]> };
};
const OPERATIONS = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([verb, operation]) => [verb.toUpperCase(), path, operation] as const),
);
const METHODS = { GET: HTTP_GET, POST: HTTP_POST, PATCH: HTTP_PATCH };

/** What in an answer is not as the document says. */
function differences({ status, headers, text, json }: Asked, { responses }: Operation): string[] {
  const found = responses[status];
  if (found === undefined) return [`${status} is not in the document: ${text}`];
  const response = found.$ref === undefined ? found : DOCUMENT.components.responses[found.$ref.split('/').at(-1) ?? ''];
  const { content } = response ?? {};
  if (content === undefined) return [];
  const type = (headers['content-type'] ?? '').split(';')[0] ?? '';
  const media = content[type];
  if (media === undefined) return [`${type} is not in the document`];
  return media.schema === undefined ? [] : violations(json, media.schema, SCHEMAS);
}

describe('the OpenAPI document', () => {
  test('is served as it is', async () => {
    const rig = await ControlRig.start();
    const { status, json } = await rig.ask('GET', '/control/openapi.json');
    expect([status, json]).toEqual([200, JSON.parse(JSON.stringify(DOCUMENT))]);
    expect((json as { openapi: string }).openapi).toBe('3.1.0');
  });

  test('has every handler that is registered, and no other', async () => {
    const { device, log, clock } = await ControlRig.start();
    const server = await startTestServer();
    const live = new Live(server, device, log, clock);
    const routes = controlRoutes({ device, log, live, page: () => undefined });
    const registered = routes.map(({ uri, method }) => `${method} ${uri}`);
    const described = OPERATIONS.map(([verb, path]) => `${METHODS[verb as keyof typeof METHODS]} ${path}`);
    expect(registered.sort()).toEqual(described.sort());
    expect(OPERATIONS).toHaveLength(13);
    live.close();
  });

  test.each(OPERATIONS)('%s %s answers its example as it says', async (verb, path, operation) => {
    const rig = await ControlRig.start();
    const media = operation.requestBody?.content['application/json'];
    if (media !== undefined) expect(violations(media.example, media.schema as Schema, SCHEMAS)).toEqual([]);
    // nobody moves the clock on while an answer waits for a boot
    const example = media?.example as { wait?: boolean } | undefined;
    const body = example?.wait === undefined ? example : { ...example, wait: false };
    const asked = await rig.ask(verb, path, { body });
    const { 202: later } = operation.responses;
    expect(asked.status).toBe(path === '/control/live' ? 426 : later === undefined ? 200 : 202);
    expect(differences(asked, operation)).toEqual([]);
  });

  test.each(OPERATIONS)('%s %s refuses as it says', async (verb, path, operation) => {
    const rig = await ControlRig.start();
    const statuses: number[] = [];
    const tell = async (request: Parameters<ControlRig['ask']>[2]): Promise<void> => {
      const asked = await rig.ask(verb, path, request);
      expect(differences(asked, operation)).toEqual([]);
      statuses.push(asked.status);
    };
    await tell({ headers: { Host: 'elsewhere.example' } });
    if (operation.requestBody === undefined) return expect(statuses).toEqual([403]);
    await tell({ body: { nonsense: 1 } });
    await tell({ body: '{', headers: { 'Content-Type': 'application/json' } });
    await tell({ body: 'a=b', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
    await tell({ body: 'x'.repeat(1024 * 1024 + 1) });
    const media = operation.requestBody.content['application/json'];
    await rig.mem.stop();
    await tell({ body: media?.example });
    expect(statuses).toEqual([403, 400, 400, 415, 413, 409]);
  });

  test.each(OPERATIONS.filter(([, , { requestBody }]) => requestBody))(
    '%s %s needs its body as it says',
    async (verb, path, operation) => {
      const rig = await ControlRig.start();
      const { status } = await rig.ask(verb, path);
      expect(status).toBe(operation.requestBody?.required ? 400 : 202);
    },
  );
});

describe('the schemas', () => {
  const properties = (SCHEMAS.LinkChanges as { properties: Record<string, { minimum: number; maximum: number }> })
    .properties;

  test.each(Object.entries(properties))(
    'the range of %s is the one that a device takes',
    (name, { minimum, maximum }) => {
      for (const value of [minimum, maximum]) expect(() => checkLink({ [name]: value })).not.toThrow();
      for (const value of [minimum - 1, maximum + 1]) {
        expect(() => checkLink({ [name]: value }), `${name}: ${value}`).toThrow(/must be/);
      }
    },
  );

  test('the link has all settings', async () => {
    const { device } = await ControlRig.start();
    expect(Object.keys(properties).sort()).toEqual(Object.keys(device.link).sort());
  });

  test.each([
    [{ at: 1, wifiDown: 86_400 }, true],
    [{ at: 1, wifiDown: 86_401 }, false],
    [{ at: -1, wifiDown: 1 }, false],
    [{ at: 0, stall: 0 }, true],
    [{ at: 0, stall: '1' }, false],
    [{ at: 0, reboot: true }, true],
    [{ at: 0, reboot: false }, false],
    [{ at: 0, reboot: { bootSeconds: 2 } }, true],
    [{ at: 0, brownOut: { bootSeconds: -2 } }, false],
    [{ at: 0, brownOut: {} }, true],
    [{ at: 0, setLink: { latencyMs: 1 } }, true],
    [{ at: 0, setLink: { latency: 1 } }, false],
    [{ at: 0 }, false],
    [{ at: 0, stall: 1, wifiDown: 1 }, false],
    [{ stall: 1 }, false],
  ])('a step %j fits: %s, and for a device too', (step, fits) => {
    expect(violations([step], SCHEMAS.Scenario as Schema, SCHEMAS).length === 0).toBe(fits);
    if (fits) checkScenario([step]);
    else expect(() => checkScenario([step])).toThrow(/step 0/);
  });
});
