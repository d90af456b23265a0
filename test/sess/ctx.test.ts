import { describe, expect, test } from 'vitest';
import { getCtx, lendCtx, releaseCtx, returnCtx, setCtx, setTransportCtx } from '../../src/sess/ctx.js';
import type { CtxHolder } from '../../src/sess/protocol.js';
import type { Sess } from '../../src/sess/sess.js';

/** The parts of a session that its contexts live in. */
interface Holder {
  ctx: unknown;
  freeCtx: ((ctx: unknown) => void) | undefined;
  ignoreCtxChanges: boolean;
  transportCtx: unknown;
  freeTransportCtx: ((ctx: unknown) => void) | undefined;
  over: boolean;
  protocol: { request: CtxHolder | undefined };
}

function setUp() {
  const freed: unknown[] = [];
  const failures: unknown[] = [];
  const free = (ctx: unknown) => freed.push(ctx);
  const onFailure = (thrown: unknown) => failures.push(thrown);
  const holder: Holder = {
    ctx: undefined,
    freeCtx: undefined,
    ignoreCtxChanges: false,
    transportCtx: undefined,
    freeTransportCtx: undefined,
    over: false,
    protocol: { request: undefined },
  };
  const sess = holder as unknown as Sess;
  /** Runs a handler with the session's context lent to it. */
  const handle = (fn: (req: CtxHolder) => void) => {
    const req: CtxHolder = { sessCtx: undefined, freeCtx: undefined, ignoreSessCtxChanges: false };
    lendCtx(sess, req);
    holder.protocol.request = req;
    fn(req);
    holder.protocol.request = undefined;
    returnCtx(sess, req, onFailure);
  };
  const end = () => {
    holder.over = true;
    releaseCtx(sess, onFailure);
  };
  return { freed, failures, free, onFailure, holder, sess, handle, end };
}

describe("a session's context", () => {
  test('set by a handler stays for the next ones, and is freed once when the session ends', () => {
    const { handle, free, freed, end, sess } = setUp();
    handle(req => {
      req.sessCtx = 'a';
      req.freeCtx = free;
    });
    handle(req => expect([req.sessCtx, req.freeCtx]).toEqual(['a', free]));
    expect([getCtx(sess), freed]).toEqual(['a', []]);
    end();
    end();
    expect(freed).toEqual(['a']);
  });

  test('replaced by a handler is freed when that handler ends, with its own function', () => {
    const { handle, free, freed, end } = setUp();
    const other: unknown[] = [];
    handle(req => Object.assign(req, { sessCtx: 'a', freeCtx: free }));
    handle(req => {
      Object.assign(req, { sessCtx: 'b', freeCtx: (ctx: unknown) => other.push(ctx) });
      expect(freed).toEqual([]);
    });
    expect([freed, other]).toEqual([['a'], []]);
    end();
    expect([freed, other]).toEqual([['a'], ['b']]);
  });

  test('taken away by a handler is freed', () => {
    const { handle, free, freed, end } = setUp();
    handle(req => Object.assign(req, { sessCtx: 'a', freeCtx: free }));
    handle(req => Object.assign(req, { sessCtx: undefined }));
    expect(freed).toEqual(['a']);
    end();
    expect(freed).toEqual(['a']);
  });

  test('ignoreSessCtxChanges: what a handler replaces is not freed, as in ESP-IDF', () => {
    const { handle, free, freed, end } = setUp();
    handle(req => Object.assign(req, { sessCtx: 'a', freeCtx: free }));
    handle(req => Object.assign(req, { sessCtx: 'b', ignoreSessCtxChanges: true }));
    expect(freed).toEqual([]);
    end();
    expect(freed).toEqual(['b']);
  });

  test('ignoreSessCtxChanges stays for the next handlers', () => {
    const { handle } = setUp();
    handle(req => Object.assign(req, { ignoreSessCtxChanges: true }));
    handle(req => expect(req.ignoreSessCtxChanges).toBe(true));
  });

  test('without a free function is just forgotten', () => {
    const { handle, end, failures } = setUp();
    handle(req => Object.assign(req, { sessCtx: { some: 'object' } }));
    end();
    expect(failures).toEqual([]);
  });

  test.each([0, '', false])('%j is a context too, and is freed', ctx => {
    const { handle, free, freed, end } = setUp();
    handle(req => Object.assign(req, { sessCtx: ctx, freeCtx: free }));
    end();
    expect(freed).toEqual([ctx]);
  });

  test.each([undefined, null])('%j is none, and is not freed', ctx => {
    const { handle, free, freed, end } = setUp();
    handle(req => Object.assign(req, { sessCtx: ctx, freeCtx: free }));
    end();
    expect(freed).toEqual([]);
  });

  test('a free function that throws is told, and harms nothing', () => {
    const { handle, end, failures, holder } = setUp();
    const oops = new Error('oops');
    const freeCtx = () => {
      throw oops;
    };
    handle(req => Object.assign(req, { sessCtx: 'a', freeCtx }));
    end();
    expect(failures).toEqual([oops]);
    expect(holder.ctx).toBeUndefined();
  });

  test('is not freed under a handler that still runs when the session ends, but when it returns', () => {
    const { handle, free, freed, end } = setUp();
    handle(req => Object.assign(req, { sessCtx: 'a', freeCtx: free }));
    handle(req => {
      end();
      expect([freed, req.sessCtx]).toEqual([[], 'a']);
    });
    expect(freed).toEqual(['a']);
  });

  test('replaced by a handler whose session ends meanwhile: both are freed, each once', () => {
    const { handle, free, freed, end } = setUp();
    handle(req => Object.assign(req, { sessCtx: 'a', freeCtx: free }));
    handle(req => {
      end();
      Object.assign(req, { sessCtx: 'b', freeCtx: free });
    });
    expect(freed.sort()).toEqual(['a', 'b']);
  });
});

describe('sessSetCtx', () => {
  test('outside of a handler replaces at once and frees the one before', () => {
    const { sess, free, freed, onFailure, end } = setUp();
    setCtx(sess, 'a', free, onFailure);
    setCtx(sess, 'b', free, onFailure);
    expect([getCtx(sess), freed]).toEqual(['b', ['a']]);
    end();
    expect(freed).toEqual(['a', 'b']);
  });

  test('with the same context frees nothing', () => {
    const { sess, free, freed, onFailure } = setUp();
    const ctx = {};
    setCtx(sess, ctx, free, onFailure);
    setCtx(sess, ctx, free, onFailure);
    expect(freed).toEqual([]);
  });

  test('in a handler changes what the handler holds; the old one is freed when it ends', () => {
    const { sess, free, freed, onFailure, handle, end } = setUp();
    setCtx(sess, 'a', free, onFailure);
    handle(req => {
      setCtx(sess, 'b', free, onFailure);
      expect([req.sessCtx, getCtx(sess), freed]).toEqual(['b', 'b', []]);
    });
    expect(freed).toEqual(['a']);
    end();
    expect(freed).toEqual(['a', 'b']);
  });

  test('several times in a handler frees each once', () => {
    const { sess, free, freed, onFailure, handle, end } = setUp();
    setCtx(sess, 'a', free, onFailure);
    handle(() => {
      setCtx(sess, 'b', free, onFailure);
      setCtx(sess, 'c', free, onFailure);
      setCtx(sess, 'd', undefined, onFailure);
    });
    end();
    expect(freed.sort()).toEqual(['a', 'b', 'c']);
  });

  test('back to the old one in a handler frees only what came between', () => {
    const { sess, free, freed, onFailure, handle, end } = setUp();
    setCtx(sess, 'a', free, onFailure);
    handle(() => {
      setCtx(sess, 'b', free, onFailure);
      setCtx(sess, 'a', free, onFailure);
    });
    expect(freed).toEqual(['b']);
    end();
    expect(freed).toEqual(['b', 'a']);
  });
});

describe('sessSetTransportCtx', () => {
  test('frees the one before, and the last one when the session ends', () => {
    const { sess, free, freed, onFailure, end } = setUp();
    setTransportCtx(sess, 't1', free, onFailure);
    setTransportCtx(sess, 't2', free, onFailure);
    expect(freed).toEqual(['t1']);
    end();
    end();
    expect(freed).toEqual(['t1', 't2']);
  });

  test('is freed behind the context, as httpd_sess_delete() has it', () => {
    const { sess, free, freed, onFailure, end } = setUp();
    setTransportCtx(sess, 'transport', free, onFailure);
    setCtx(sess, 'ctx', free, onFailure);
    end();
    expect(freed).toEqual(['ctx', 'transport']);
  });

  test('with the same one frees nothing', () => {
    const { sess, free, freed, onFailure } = setUp();
    setTransportCtx(sess, 't', free, onFailure);
    setTransportCtx(sess, 't', free, onFailure);
    expect(freed).toEqual([]);
  });
});
