/** What the control server can do, as a table; and the same as an OpenAPI document. */
import { SCHEMAS, type Schema } from './schemas.js';

type Verb = 'get' | 'post' | 'patch';

/** A method on a path. */
export interface Operation {
  readonly path: string;
  readonly verb: Verb;
  readonly summary: string;
  /** A body that shows what is sent; undefined if nothing is. */
  readonly example?: unknown;
  readonly body?: { readonly schema: string; readonly required: boolean };
  readonly status: number;
  readonly says: string;
  /** What is answered: a schema's name, or a media type. Default: nothing. */
  readonly answers?: string;
  /** Further statuses, besides 403. */
  readonly errors?: readonly number[];
  /** Statuses of a refused handshake: an HTML page. */
  readonly refusals?: readonly number[];
}

/** Errors of what takes a body. */
const BODY_ERRORS = [400, 409, 413, 415];

const boot = (path: string, summary: string): Operation => ({
  path,
  verb: 'post',
  summary,
  body: { schema: 'Boot', required: false },
  example: { bootSeconds: 1, wait: true },
  status: 202,
  says: 'It boots; 200 with `wait`, when it runs again',
  answers: 'State',
  errors: BODY_ERRORS,
});

const lasting = (path: string, summary: string): Operation => ({
  path,
  verb: 'post',
  summary,
  body: { schema: 'Seconds', required: true },
  example: { seconds: 5 },
  status: 200,
  says: 'It has begun',
  answers: 'State',
  errors: BODY_ERRORS,
});

const setLink = (verb: Verb): Operation => ({
  path: '/control/link',
  verb,
  summary: 'Change the link, for what is sent from now on',
  body: { schema: 'LinkChanges', required: true },
  example: { latencyMs: 200, bandwidthUp: 250_000 },
  status: 200,
  says: 'The link as it is now',
  answers: 'Link',
  errors: BODY_ERRORS,
});

/** All there are; each has its handler in `routes.ts`. */
export const OPERATIONS = {
  showPage: { path: '/', verb: 'get', summary: 'The control page', status: 200, says: 'HTML', answers: 'text/html' },
  getState: {
    path: '/control/state',
    verb: 'get',
    summary: 'The device as it is now',
    status: 200,
    says: 'Sessions, memory, queue, link',
    answers: 'State',
  },
  getLog: {
    path: '/control/log',
    verb: 'get',
    summary: 'The last 500 lines of the log',
    status: 200,
    says: "Lines in ESP-IDF's form",
    answers: 'text/plain',
  },
  getOpenApi: {
    path: '/control/openapi.json',
    verb: 'get',
    summary: 'This document',
    status: 200,
    says: 'OpenAPI 3.1',
    answers: 'application/json',
  },
  reboot: boot('/control/reboot', 'The device boots anew: its connections are reset'),
  brownOut: boot('/control/brown-out', 'The same without a word: its connections fall silent'),
  wifiDown: lasting('/control/wifi-down', 'The Wi-Fi is lost for some seconds'),
  stall: lasting('/control/stall', 'The server task is busy for some seconds'),
  changeLink: setLink('patch'),
  changeLinkByPost: setLink('post'),
  getScenario: {
    path: '/control/scenario',
    verb: 'get',
    summary: 'What has happened so far, to be kept and played again',
    status: 200,
    says: 'A file scenario.json',
    answers: 'Scenario',
  },
  playScenario: {
    path: '/control/scenario',
    verb: 'post',
    summary: 'Play a scenario; its times count from now',
    body: { schema: 'Scenario', required: true },
    example: [
      { at: 1, wifiDown: 3 },
      { at: 10, reboot: true },
    ],
    status: 202,
    says: 'It begins',
    answers: 'Played',
    errors: BODY_ERRORS,
  },
  watch: {
    path: '/control/live',
    verb: 'get',
    summary:
      'A WebSocket: messages are JSON with a `type`. `hello` comes first and has state, profile, log and events; then come `state` (4 times a second), `log` (lines that are new) and `event` (a step of the scenario)',
    status: 101,
    says: 'The WebSocket is open',
    refusals: [400, 426, 503],
  },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof OPERATIONS;

/** A body to send, for who has sent something else. */
export function exampleOf(id: OperationId): string {
  return JSON.stringify((OPERATIONS[id] as Operation).example);
}

/** The OpenAPI document (OpenAPI 3.1). */
export function openApi(): Schema {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const [id, operation] of Object.entries<Operation>(OPERATIONS)) {
    paths[operation.path] ??= {};
    Object.assign(paths[operation.path] as object, { [operation.verb]: described(id, operation) });
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Control of a simulated device', version: '1', description: 'Of `npx esp-httpd device --control`.' },
    paths,
    components: {
      schemas: SCHEMAS,
      responses: {
        Error: { description: 'It can not be done', content: content('Error') },
        NoWebSocket: { description: 'No WebSocket is opened', content: content('text/html') },
      },
    },
  };
}

function described(operationId: string, operation: Operation): Schema {
  const { summary, body, example, status, says, answers, errors = [], refusals = [] } = operation;
  const statuses = [status, ...(body?.schema === 'Boot' ? [200] : [])];
  const answer = { description: says, ...(answers !== undefined && { content: content(answers) }) };
  const all = (codes: readonly number[], response: string): [number, Schema][] =>
    codes.map(code => [code, { $ref: `#/components/responses/${response}` }]);
  return {
    operationId,
    summary,
    ...(body !== undefined && {
      requestBody: { required: body.required, content: content(body.schema, example) },
    }),
    responses: Object.fromEntries([
      ...statuses.map(code => [code, answer]),
      ...all([403, ...errors], 'Error'),
      ...all(refusals, 'NoWebSocket'),
    ]),
  };
}

/** @param what a schema's name, or a media type */
function content(what: string, example?: unknown): Schema {
  if (what.includes('/')) return { [what]: {} };
  const schema = { $ref: `#/components/schemas/${what}` };
  return { 'application/json': { schema, ...(example !== undefined && { example }) } };
}
