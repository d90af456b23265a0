/**
 * TLS handshakes that are under way: what they may cost is bounded.
 *
 * There are as many at a time as the settings say. The one that makes way for a new one is of the peer that has the most,
 * so that nobody can shut others out alone, and of those the oldest that has sent nothing. Each has a deadline from its
 * first byte to its last, and so many bytes for both: what comes while a certificate is being chosen is kept by node:tls.
 */
import type * as net from 'node:net';
import { plain } from './net_socket.js';
import { Patrol } from './patrol.js';
import { SecondLook } from './second_look.js';

/** What bounds handshakes, and who is told of them. */
export interface HandshakeSettings {
  /** How long a handshake may take in all, in ms. */
  readonly handshakeMs: number;
  /** So many handshakes may be under way. */
  readonly maxHandshakes: number;
  /** Calls back once, in `ms`, unless what it returns was called before. */
  after(ms: number, callback: () => void): () => void;
  /** Who has this address, which may be one of many. */
  peerOf(address: string): string;
  /** Calls back when all have been served whom a select loop has found ready. */
  whenServed(fn: () => void): void;
  /** May this address have no more, unless somebody has left? */
  isPeerFull(remoteAddress: string): boolean;
  /**
   * A handshake is to begin. May it?
   *
   * @returns what to call when it has ended, in whatever way; undefined refuses it
   */
  begin(remoteAddress: string): (() => void) | undefined;
  /** A handshake has failed. */
  onFailure(error: Error, remoteAddress: string): void;
}

/** A client's hello and a chain of certificates as long as OpenSSL takes are shorter. */
const BYTES_MAX = 128 * 1024;
/** How often it is looked at how many bytes have come, in ms. */
const LOOK_MS = 20;

interface Handshake {
  /** Of the peer; a socket that has ended does not tell it any more. */
  readonly address: string;
  readonly peer: string;
  readonly done: () => void;
}

/** A connection whose handshake is to begin. */
interface Newcomer {
  readonly raw: net.Socket;
  readonly go: () => void;
}

/** Some of them, the oldest first. */
class Crowd {
  readonly all = new Set<net.Socket>();
  /** Those that had sent nothing when they were looked at last. */
  private readonly silent = new Set<net.Socket>();

  add(raw: net.Socket): void {
    this.all.add(raw);
    this.silent.add(raw);
  }

  delete(raw: net.Socket): void {
    this.all.delete(raw);
    this.silent.delete(raw);
  }

  /** Who is to make way. */
  first(): net.Socket | undefined {
    for (const raw of this.silent) {
      if (raw.bytesRead === 0) return raw;
      this.silent.delete(raw);
    }
    const [oldest] = this.all;
    return oldest;
  }
}

export class Handshakes {
  private readonly under = new Map<net.Socket, Handshake>();
  private readonly everybody = new Crowd();
  private readonly peers = new Map<string, Crowd>();
  /** Peers by how many they have under way, so that nobody is looked for when all places are taken. */
  private readonly bySize = new Map<number, Set<Crowd>>();
  private most = 0;
  private readonly patrol: Patrol<net.Socket> | undefined;
  private readonly look: SecondLook<Newcomer>;

  /** @param waits may one wait for something else than its client? */
  constructor(
    private readonly settings: HandshakeSettings,
    waits: boolean,
  ) {
    const look = (raw: net.Socket) => {
      if (raw.bytesRead > BYTES_MAX) this.fail(raw, new Error(`it has sent more than ${BYTES_MAX} bytes`));
    };
    this.patrol = waits ? new Patrol(settings.after, LOOK_MS, look) : undefined;
    this.look = new SecondLook(settings.whenServed, newcomer => this.decide(newcomer));
  }

  /**
   * A connection has come. It is refused for nobody who has left, and nobody who stays makes way for it meanwhile.
   *
   * @param go begins its handshake
   */
  admit(raw: net.Socket, go: () => void): void {
    const { under, look, settings } = this;
    const newcomer = { raw, go };
    const seemsFull =
      look.waiting.size > 0 || under.size >= settings.maxHandshakes || settings.isPeerFull(plain(raw.remoteAddress));
    if (!seemsFull || !look.wait(newcomer)) this.decide(newcomer);
  }

  private decide({ raw, go }: Newcomer): void {
    if (raw.destroyed) return;
    if (this.begin(raw)) go();
    else raw.destroy();
  }

  /** @returns whether it may go on */
  begin(raw: net.Socket): boolean {
    const { settings, under } = this;
    const address = plain(raw.remoteAddress);
    const release = settings.begin(address);
    if (release === undefined) return false;
    const other = under.size >= settings.maxHandshakes ? this.victim() : undefined;
    const stop = settings.after(settings.handshakeMs, () =>
      this.fail(raw, new Error(`it took longer than ${settings.handshakeMs} ms (tlsHandshakeTimeoutMs)`)),
    );
    const done = () => {
      stop();
      release();
    };
    const peer = settings.peerOf(address);
    under.set(raw, { address, peer, done });
    this.everybody.add(raw);
    const crowd = this.peers.get(peer) ?? new Crowd();
    this.peers.set(peer, crowd);
    crowd.add(raw);
    this.resize(crowd, crowd.all.size - 1);
    this.patrol?.add(raw);
    // node:tls may know better why, and says it right behind this
    raw.once('close', () => setImmediate(() => this.fail(raw, new Error('the client left'))));
    if (other !== undefined) {
      this.fail(other, new Error(`it made way for another: ${settings.maxHandshakes} may be under way`));
    }
    // who is told of that may have ended all
    return under.has(raw);
  }

  /** @returns the address of the peer if it was under way */
  end(raw: net.Socket): string | undefined {
    const handshake = this.under.get(raw);
    if (handshake === undefined) return undefined;
    const { peer, address, done } = handshake;
    this.under.delete(raw);
    this.everybody.delete(raw);
    const crowd = this.peers.get(peer) as Crowd;
    crowd.delete(raw);
    this.resize(crowd, crowd.all.size + 1);
    if (crowd.all.size === 0) this.peers.delete(peer);
    this.patrol?.delete(raw);
    done();
    return address;
  }

  /** It has failed, and so has the connection. */
  fail(raw: net.Socket, error: Error): void {
    const address = this.end(raw);
    if (address !== undefined) this.settings.onFailure(error, address);
    raw.destroy();
  }

  endAll(): void {
    for (const { raw } of this.look.waiting) raw.destroy();
    this.look.waiting.clear();
    for (const raw of [...this.under.keys()]) {
      this.end(raw);
      raw.destroy();
    }
  }

  private victim(): net.Socket | undefined {
    // where nobody has more than others, silence tells
    if (this.most === 1) return this.everybody.first();
    const [crowd] = this.bySize.get(this.most) ?? [];
    return crowd?.first();
  }

  /** A peer has one more, or one less, than `before`. */
  private resize(crowd: Crowd, before: number): void {
    const { bySize } = this;
    const { size } = crowd.all;
    const former = bySize.get(before);
    former?.delete(crowd);
    if (former?.size === 0) bySize.delete(before);
    if (size > 0) bySize.set(size, (bySize.get(size) ?? new Set()).add(crowd));
    if (size > this.most) this.most = size;
    else if (!bySize.has(this.most)) this.most -= 1;
  }
}
