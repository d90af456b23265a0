/**
 * What a server listens on: one or several ports and Unix sockets, plain or encrypted, for the same sessions and handlers.
 */
import type { HttpdListenerConfig } from '../config.js';
import { describeThrown, ESP_ERR_HTTPD_TASK, ESP_ERR_NOT_FOUND, EspError } from '../err.js';
import { netPort } from '../port/net.js';
import type { HttpdListener, Listener, ListenOptions, Port, PortOf } from '../port/port.js';
import { type TlsListener, type TlsSettings, tlsPort } from '../port/tls.js';
import { type Credentials, type KeyPair, loadKeyPair } from '../tls/credentials.js';
import { type LoadedTls, loadTls } from '../tls/tls_config.js';
import type { HttpdCore } from './core.js';

/** One that is open. */
interface Open {
  readonly info: HttpdListener;
  readonly listener: Listener;
  /** Takes another certificate; undefined of a plain one. */
  readonly renew: ((pair: KeyPair) => void) | undefined;
}

export class Listeners {
  private constructor(private readonly all: readonly Open[]) {}

  /**
   * Opens all, or none.
   *
   * @param port the select loop of plain ones on a port
   * @throws EspError ESP_ERR_INVALID_ARG for certificates, ESP_ERR_HTTPD_TASK with the system's error as cause
   */
  static async open(core: HttpdCore, port: Port): Promise<Listeners> {
    const { listeners, serverPort, host } = core.config;
    const plans = listeners ?? [{ port: serverPort, host }];
    // what is wrong with a certificate is told before anything listens
    const loaded: (LoadedTls | undefined)[] = [];
    for (const [i, { tls }] of plans.entries()) {
      loaded.push(tls === undefined ? undefined : await loadTls(tls, `config.listeners[${i}].tls`));
    }
    const all: Open[] = [];
    try {
      for (const [i, plan] of plans.entries()) all.push(await openOne(core, plan, loaded[i], port));
    } catch (error) {
      for (const { listener } of all) await listener.close();
      throw error;
    }
    return new Listeners(all);
  }

  get infos(): readonly HttpdListener[] {
    return this.all.map(({ info }) => info);
  }

  /** @throws EspError ESP_ERR_NOT_FOUND if it is none of an encrypted listener; and as `loadKeyPair` does */
  async setCertificate(credentials: Credentials, info: HttpdListener | undefined): Promise<void> {
    const renewals = this.all.flatMap(open => (info === undefined || open.info === info ? (open.renew ?? []) : []));
    if (renewals.length === 0) throw new EspError(ESP_ERR_NOT_FOUND, 'there is no such listener with tls');
    const pair = await loadKeyPair(credentials);
    for (const renew of renewals) renew(pair);
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
  const listen = <L extends Listener>(on: PortOf<L>): Promise<L> =>
    (wrapPort?.(on) ?? on).listen(
      options,
      core.receive.claim,
      sock => core.accept(sock, info),
      error => core.onPortError(error),
    );
  try {
    const opened =
      loaded === undefined
        ? { listener: await listen(path === undefined ? port : netPort), renew: undefined }
        : renewable(await listen(tlsPort(settingsOf(core, loaded))), loaded);
    info.port = opened.listener.port;
    return { info, ...opened };
  } catch (cause) {
    const where = path ?? `${host ?? 'any address'} port ${options.port}`;
    throw new EspError(ESP_ERR_HTTPD_TASK, `can't listen on ${where}: ${describeThrown(cause)}`, { cause });
  }
}

function renewable(listener: TlsListener, loaded: LoadedTls): Pick<Open, 'listener' | 'renew'> {
  return { listener, renew: pair => listener.setCertificate(loaded.contextWith(pair)) };
}

/** What handshakes may cost. */
function settingsOf(core: HttpdCore, { options, handshakeMs }: LoadedTls): TlsSettings {
  return {
    options,
    handshakeMs,
    maxHandshakes: core.config.maxOpenSockets,
    after: (ms, callback) => core.clock.after(ms, callback),
    begin: address => core.beginHandshake(address),
    onFailure: (error, address) => core.onHandshakeFailure(error, address),
  };
}
