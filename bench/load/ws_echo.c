/*
 * Binary messages of SIZE bytes to a WebSocket echo, DEPTH in flight on each connection. Sixteen messages with different
 * content take turns, and each connection begins with another one; every byte that comes back, headers included, is
 * compared with what must come.
 *
 *   ws_echo HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS PATH SIZE
 */
#include "engine.h"
#include "ws_handshake.h"

#define VARIANTS 16

static const unsigned char KEY[4] = {0x12, 0x34, 0x56, 0x78};

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

static unsigned char content(int variant, size_t i) { return (unsigned char)((size_t)variant * 31 + i * 7 + (i >> 8)); }

static size_t check_answers(conn *c, const unsigned char *buf, size_t n) {
  const size_t before = c->expected / answer_len;
  size_t total = c->expected;
  for (size_t at = 0; at < n;) {
    const size_t from = total % expected_len;
    const size_t len = n - at < expected_len - from ? n - at : expected_len - from;
    if (memcmp(buf + at, expected + from, len) != 0)
      die("connection %d: a wrong byte in answer %zu", c->id, total / answer_len - (size_t)(c->id % VARIANTS));
    at += len;
    total += len;
  }
  c->expected = total;
  return total / answer_len - before;
}

int main(int argc, char **argv) {
  if (argc != 10) die("usage: ws_echo HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS PATH SIZE");
  const options o = parse_options(argv);
  const char *path = argv[8];
  const size_t size = strtoul(argv[9], NULL, 10);
  if (o.depth > VARIANTS) die("DEPTH must be at most %d", VARIANTS);
  unsigned char header[10];
  const size_t sent_head = write_header(header, size, 1) + sizeof KEY;
  const size_t message = sent_head + size;
  answer_len = write_header(header, size, 0) + size;
  expected_len = answer_len * VARIANTS;
  expected = need(malloc(expected_len));
  unsigned char *bytes = need(malloc(message * VARIANTS * 2));
  for (int v = 0; v < VARIANTS; v++) {
    unsigned char *out = bytes + message * (size_t)v, *in = expected + answer_len * (size_t)v;
    memcpy(out + write_header(out, size, 1), KEY, sizeof KEY);
    in += write_header(in, size, 0);
    for (size_t i = 0; i < size; i++) {
      in[i] = content(v, i);
      out[sent_head + i] = in[i] ^ KEY[i & 3];
    }
  }
  const ring out = make_ring(bytes, message, VARIANTS);
  conn *conns = need(calloc((size_t)o.conns, sizeof *conns));
  for (int i = 0; i < o.conns; i++) {
    const size_t first = (size_t)(i % VARIANTS);
    conns[i] = (conn){.fd = open_websocket(o.host, o.port, path), .id = i, .pos = message * first,
                      .expected = answer_len * first};
  }
  run_load(&o, conns, &out);
  return 0;
}
