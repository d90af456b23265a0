/**
 * What a server listens on: one or several ports and Unix sockets, plain or encrypted, for the same sessions and handlers.
 */
import type { HttpdListenerConfig } from '../config.js';
import { describeThrown, ESP_ERR_HTTPD_TASK, ESP_ERR_NOT_FOUND, EspError, invalidArg } from '../err.js';
import { netPort } from '../port/net.js';
import type { HttpdListener, Listener, ListenOptions, Port, PortOf } from '../port/port.js';
import { type TlsListener, type TlsSettings, tlsPort } from '../port/tls.js';
import { systemClock } from '../sess/deadlines.js';
import { peerOf } from '../sess/peers.js';
import { type Credentials, type KeyPair, loadKeyPair } from '../tls/credentials.js';
import { type LoadedTls, loadTls } from '../tls/tls_config.js';
import type { HttpdCore } from './core.js';

/** One that is open. */
interface Open {
  readonly info: HttpdListener;
  readonly listener: Listener;
  /** Of an encrypted one. */
  readonly certificate: Renewal | undefined;
}

/** How the certificate of a listener is replaced. */
interface Renewal {
  /** Which call has set the one that is in use. */
  call: number;
  /**
   * Checks another, and takes nothing yet.
   *
   * @returns takes it
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  prepare(pair: KeyPair): () => void;
}

export class Listeners {
  private calls = 0;

  private constructor(private readonly all: readonly Open[]) {}

  /**
   * Opens all, or none. Who connects before all are open is reset: nothing is served by a server that may not come to be.
   *
   * @param port the select loop of plain ones on a port
   * @throws EspError ESP_ERR_INVALID_ARG for certificates and for what can't be had together, ESP_ERR_HTTPD_TASK with the
   *   system's error as cause
   */
  static async open(core: HttpdCore, port: Port): Promise<Listeners> {
    const { listeners, serverPort, host, reusePort } = core.config;
    const plans: readonly HttpdListenerConfig[] = listeners ?? [{ port: serverPort, host }];
    if (reusePort && plans.some(({ path, tls }) => path !== undefined || tls !== undefined)) {
      invalidArg('config.reusePort can not be had with TLS or Unix sockets: they are not served by the epoll port');
    }
    // what is wrong with a certificate is told before anything listens
    const loaded: (LoadedTls | undefined)[] = [];
    for (const [i, { tls }] of plans.entries()) {
      const where = `config.listeners[${i}].tls`;
      const one = tls === undefined ? undefined : await loadTls(tls, where);
      if (one?.warning !== undefined) core.logs.httpd.warn(`${where}: ${one.warning}`);
      loaded.push(one);
    }
    const all: Open[] = [];
    try {
      for (const [i, plan] of plans.entries()) all.push(await openOne(core, plan, loaded[i], port));
    } catch (error) {
      for (const { listener } of all) await listener.close();
      throw error;
    }
    core.opened = true;
    return new Listeners(all);
  }

  get infos(): readonly HttpdListener[] {
    return this.all.map(({ info }) => info);
  }

  /**
   * The call that is made last decides, however long another takes to read its files.
   *
   * @throws EspError ESP_ERR_NOT_FOUND if it is none of an encrypted listener; ESP_ERR_INVALID_ARG, and then none is changed
   */
  async setCertificate(credentials: Credentials, info: HttpdListener | undefined): Promise<void> {
    const chosen = this.all.filter(open => info === undefined || open.info === info);
    const renewals = chosen.flatMap(({ certificate }) => certificate ?? []);
    if (renewals.length === 0) throw new EspError(ESP_ERR_NOT_FOUND, 'there is no such listener with tls');
    const call = ++this.calls;
    const pair = await loadKeyPair(credentials);
    const prepared = renewals.map(renewal => ({ renewal, take: renewal.prepare(pair) }));
    for (const { renewal, take } of prepared) {
      if (call < renewal.call) continue;
      renewal.call = call;
      take();
    }
  }

  async close(): Promise<void> {
    for (const { listener } of this.all) await listener.close();
  }
}

async function openOne(
  core: HttpdCore,
  plan: HttpdListenerConfig,
  loaded: LoadedTls | undefined,
  port: Port,
): Promise<Open> {
  const { path, host } = plan;
  const { config } = core;
  const options: ListenOptions = {
    port: plan.port ?? 0,
    host,
    path,
    backlog: config.backlogConn,
    reusePort: config.reusePort,
    keepAlive: config.keepAliveEnable
      ? { idle: config.keepAliveIdle || 5, interval: config.keepAliveInterval || 5, count: config.keepAliveCount || 3 }
      : undefined,
  };
  const info = { port: options.port, path, encrypted: loaded !== undefined };
  const { wrapPort } = core.parts;
  const listen = <L extends Listener>(select: PortOf<L>): Promise<L> => {
    const on = wrapPort?.(select) ?? select;
    core.ports.add(on);
    return on.listen(
      options,
      core.receive.claim,
      sock => core.admission.accept(sock, info),
      error => core.onPortError(error),
    );
  };
  try {
    const opened =
      loaded === undefined
        ? { listener: await listen(path === undefined ? port : netPort), certificate: undefined }
        : renewable(await listen(tlsPort(settingsOf(core, loaded))), loaded);
    info.port = opened.listener.port;
    return { info, ...opened };
  } catch (cause) {
    const where = path ?? `${host ?? 'any address'} port ${options.port}`;
    throw new EspError(ESP_ERR_HTTPD_TASK, `can't listen on ${where}: ${describeThrown(cause)}`, { cause });
  }
}

function renewable(listener: TlsListener, loaded: LoadedTls): Pick<Open, 'listener' | 'certificate'> {
  const prepare = (pair: KeyPair) => {
    const context = loaded.contextWith(pair);
    return () => listener.setCertificate(context);
  };
  return { listener, certificate: { call: 0, prepare } };
}

/** What handshakes may cost. */
function settingsOf(core: HttpdCore, { options, handshakeMs }: LoadedTls): TlsSettings {
  return {
    options,
    handshakeMs,
    maxHandshakes: core.config.maxOpenSockets,
    after: (ms, callback) => core.clock.after(ms, callback),
    later: systemClock.after,
    peerOf,
    whenServed: fn => core.whenServed(fn),
    isPeerFull: address => core.admission.isPeerFull(address),
    begin: address => core.admission.beginHandshake(address),
    onFailure: (error, address) => core.onHandshakeFailure(error, address),
  };
}
