/** The URI handlers of the control server: what each operation does. */
import type { Device } from '../device/device.js';
import { checkFields } from '../device/profile.js';
import { checkScenario, type Scenario } from '../device/scenario.js';
import { ESP_OK, invalidArg } from '../err.js';
import { attachment } from '../files/content_disposition.js';
import { HTTP_GET, HTTP_PATCH, HTTP_POST } from '../httpd/methods.js';
import type { HttpdReq } from '../httpd/req.js';
import type { HttpdUri, UriHandler } from '../httpd/route.js';
import { type Answer, answering, JSON_TYPE, Refusal, readBody } from './answers.js';
import type { ControlLog } from './control_log.js';
import type { Live } from './live.js';
import { exampleOf, OPERATIONS, type OperationId, openApi } from './openapi.js';
import { stateOf } from './state.js';

const METHODS = { get: HTTP_GET, post: HTTP_POST, patch: HTTP_PATCH } as const;

export interface RouteParts {
  readonly device: Device;
  readonly log: ControlLog;
  readonly live: Live;
  readonly page: UriHandler;
}

/** One for each of `OPERATIONS`. */
export function controlRoutes(parts: RouteParts): HttpdUri[] {
  const { live } = parts;
  const handlers = handlersOf(parts);
  return (Object.keys(OPERATIONS) as OperationId[]).map(id => {
    const { path: uri, verb } = OPERATIONS[id];
    return id === 'watch' ? live.route(uri) : { uri, method: METHODS[verb], handler: handlers[id] };
  });
}

function handlersOf({ device, log, page }: RouteParts): Record<Exclude<OperationId, 'watch'>, UriHandler> {
  const state = (): Answer => ({ body: stateOf(device) });
  const changeLink = answering(async req => {
    device.setLink((await bodyOf(req, 'changeLink')) as object);
    return { body: device.link };
  });
  return {
    showPage: page,
    getState: answering(state),
    getLog: req => sendText(req, log.since(0).lines),
    getOpenApi: answering(() => ({ body: openApi() })),
    reboot: answering(req => boot(req, device, 'reboot')),
    brownOut: answering(req => boot(req, device, 'brownOut')),
    wifiDown: answering(async req => {
      device.wifiDown(await secondsOf(req, 'wifiDown'));
      return state();
    }),
    stall: answering(async req => {
      device.stall(await secondsOf(req, 'stall'));
      return state();
    }),
    changeLink,
    changeLinkByPost: changeLink,
    getScenario: req => sendScenario(req, device.recorded()),
    playScenario: answering(async req => {
      const scenario = checkScenario(await bodyOf(req, 'playScenario'));
      device.play(scenario);
      const seconds = scenario.reduce((last, { at }) => Math.max(last, at), 0);
      return { status: '202 Accepted', body: { steps: scenario.length, seconds } };
    }),
  };
}

/** @throws Refusal, EspError ESP_ERR_INVALID_ARG if there is none */
async function bodyOf(req: HttpdReq, id: OperationId): Promise<unknown> {
  const body = await readBody(req, exampleOf(id));
  if (body === undefined) invalidArg(`a body is missing; send such as ${exampleOf(id)}`);
  return body;
}

/** What the body says in `seconds`; the device looks at its value. */
async function secondsOf(req: HttpdReq, id: OperationId): Promise<number> {
  const body = await bodyOf(req, id);
  checkFields('the body', body, ['seconds']);
  return (body as { seconds: number }).seconds;
}

async function boot(req: HttpdReq, device: Device, how: 'reboot' | 'brownOut'): Promise<Answer> {
  const body = (await readBody(req, exampleOf(how))) ?? {};
  checkFields('the body', body, ['bootSeconds', 'wait']);
  const { wait = false, ...options } = body as { bootSeconds?: number; wait?: boolean };
  if (typeof wait !== 'boolean') invalidArg('wait must be true or false');
  const booted = device[how](options);
  if (!wait) return { status: '202 Accepted', body: stateOf(device) };
  await booted;
  // whoever waits goes on to use it
  if (device.state === 'stopped') throw new Refusal('409 Conflict', 'the device has stopped, and does not run again');
  return { body: stateOf(device) };
}

async function sendText(req: HttpdReq, lines: readonly string[]): Promise<number> {
  req.respSetType('text/plain; charset=utf-8');
  await req.respSend(lines.map(line => `${line}\n`).join(''));
  return ESP_OK;
}

/** A step a line: it is to be read and edited too. */
async function sendScenario(req: HttpdReq, scenario: Scenario): Promise<number> {
  req.respSetType(JSON_TYPE);
  req.respSetHdr('Content-Disposition', attachment('scenario.json'));
  const steps = scenario.map(step => `  ${JSON.stringify(step)}`);
  await req.respSend(steps.length === 0 ? '[]\n' : `[\n${steps.join(',\n')}\n]\n`);
  return ESP_OK;
}
