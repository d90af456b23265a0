/*
 * Binary messages of SIZE bytes to a WebSocket server. Messages with different content take turns; every byte that comes
 * back, headers included, is compared with what must come.
 *
 *   ws HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS echo SIZE
 *     to /ws, DEPTH in flight on each connection; each connection begins with another message
 *   ws HOST PORT PID CONNECTIONS 1 WARMUP SECONDS broadcast SIZE
 *     to /all on the first connection, and all must get it before the next is sent; each that gets it counts
 */
#include "engine.h"
#include "ws_handshake.h"

/* How many messages take turns; of long ones fewer, so that they stay in the cache. */
#define VARIANTS 16
#define VARIANTS_LONG 4
#define LONG 16384

static const unsigned char KEY[4] = {0x12, 0x34, 0x56, 0x78};

static size_t variants;
/* One round of what must come back. */
static unsigned char *expected;
static size_t expected_len;
static size_t answer_len;

/* Writes the header of an unfragmented binary frame; returns its length. */
static size_t write_header(unsigned char *at, size_t size, int masked) {
  const unsigned char mask = masked ? 0x80 : 0;
  at[0] = 0x82;
  if (size < 126) {
    at[1] = (unsigned char)(mask | size);
    return 2;
  }
  if (size < 65536) {
    at[1] = mask | 126;
    at[2] = (unsigned char)(size >> 8);
    at[3] = (unsigned char)size;
    return 4;
  }
  at[1] = mask | 127;
  for (int i = 0; i < 8; i++) at[2 + i] = (unsigned char)(size >> (8 * (7 - i)));
  return 10;
}

static unsigned char content(size_t variant, size_t i) { return (unsigned char)(variant * 31 + i * 7 + (i >> 8)); }

static size_t check_answers(conn *c, const unsigned char *buf, size_t n) {
  size_t count = 0;
  for (size_t at = 0; at < n;) {
    const size_t left = answer_len - c->expected % answer_len, len = n - at < left ? n - at : left;
    if (memcmp(buf + at, expected + c->expected, len) != 0)
      die("connection %d: a wrong byte in message %zu of %zu", c->id, c->expected / answer_len, variants);
    at += len;
    c->expected += len;
    if (len == left) count++;
    if (c->expected == expected_len) c->expected = 0;
  }
  return count;
}

int main(int argc, char **argv) {
  if (argc != 10) die("usage: ws HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS echo|broadcast SIZE");
  options o = parse_options(argv);
  o.broadcast = strcmp(argv[8], "broadcast") == 0;
  const size_t size = strtoul(argv[9], NULL, 10);
  variants = size < LONG ? VARIANTS : VARIANTS_LONG;
  if ((size_t)o.depth > (o.broadcast ? 1 : variants)) die("DEPTH is too high");
  unsigned char header[10];
  const size_t sent_head = write_header(header, size, 1) + sizeof KEY;
  const size_t message = sent_head + size;
  answer_len = write_header(header, size, 0) + size;
  expected_len = answer_len * variants;
  expected = need(malloc(expected_len));
  unsigned char *bytes = need(malloc(message * variants * 2));
  for (size_t v = 0; v < variants; v++) {
    unsigned char *out = bytes + message * v, *in = expected + answer_len * v;
    memcpy(out + write_header(out, size, 1), KEY, sizeof KEY);
    in += write_header(in, size, 0);
    for (size_t i = 0; i < size; i++) {
      in[i] = content(v, i);
      out[sent_head + i] = in[i] ^ KEY[i & 3];
    }
  }
  const ring out = make_ring(bytes, message, variants);
  conn *conns = need(calloc((size_t)o.conns, sizeof *conns));
  for (int i = 0; i < o.conns; i++) {
    const size_t first = o.broadcast ? 0 : (size_t)i % variants;
    conns[i] = (conn){.fd = open_websocket(o.host, o.port, o.broadcast ? "/all" : "/ws"), .id = i,
                      .pos = message * first, .expected = answer_len * first};
  }
  run_load(&o, conns, &out);
  return 0;
}
