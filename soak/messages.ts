/** What the process of the server and that of the clients tell each other. */

/** The server's ports. */
export interface Ports {
  readonly main: number;
  readonly refusing: number;
  readonly purging: number;
  readonly perPeer: number;
}

/** The first is given on the command line of the clients' process; the others follow. */
export type ToClients =
  /** Come to an end. */
  | { readonly kind: 'finish' }
  /** Open connections that will be there when the server stops. */
  | { readonly kind: 'stay' }
  /** The server has stopped. */
  | { readonly kind: 'leave' };

/** What clients have seen. */
export interface Report {
  /** Requests and messages that were answered once, by kind. */
  readonly answered: Readonly<Record<string, number>>;
  /** Conversations that were had, by actor. */
  readonly conversations: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  /** What quiet clients have seen beside busy ones: how many answers, and their longest wait, in ms. */
  readonly quiet: { readonly answers: number; readonly worstMs: number };
}

export type FromClients =
  | { readonly kind: 'finished'; readonly report: Report }
  | { readonly kind: 'staying' }
  | { readonly kind: 'left'; readonly failures: string[] };
