/*
 * Messages to a WebSocket server. Messages with different content take turns; every byte that comes back, headers
 * included, is compared with what must come.
 *
 *   ws HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS echo SIZE
 *     binary ones to /ws, DEPTH in flight on each connection; each connection begins with another message
 *   ws HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS loop|broadcast SIZE
 *     to /loop or /broadcast on the first connection, DEPTH in flight; when all have got one, the next is sent, and each
 *     that gets it counts
 *   ws HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS deflate
 *     as echo, to /deflate, with permessage-deflate. Standard input has how many messages there are, the length of each
 *     one's frame, and the frames; numbers have four bytes, the lowest first. What a message is compressed to is up to the
 *     server, and need not be the same each time: it is compared with all that came before for the same message. In the
 *     end a second line has these payloads, in hexadecimal, for the bench to inflate.
 */
#include "engine.h"
#include "ws_handshake.h"

/* How many messages take turns; of long ones fewer, so that they stay in the cache. */
#define VARIANTS 16
#define VARIANTS_LONG 4
#define LONG 16384
/* How many different answers a message may get. */
#define KNOWN_MAX 256

static const unsigned char KEY[4] = {0x12, 0x34, 0x56, 0x78};

/* What is sent, and what must come back for it. */
static ring out, answers;

/* An answer that has been seen: a whole frame. */
typedef struct {
  unsigned char *frame;
  size_t head, len;
} answer;

/* Of each compressed message the answers that have been seen; NULL if messages are not compressed. */
static struct {
  answer *list;
  size_t count;
} *known;

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

/* Length of the frame of compressed text that `buf` begins with, and of its header; 0 if more bytes are needed. */
static size_t frame_length(const conn *c, const unsigned char *buf, size_t n, size_t *head) {
  if (n < 4) return 0;
  if (buf[0] != 0xc1 || buf[1] > 126) die("connection %d: another frame than a compressed text", c->id);
  *head = buf[1] == 126 ? 4 : 2;
  const size_t len = *head + (buf[1] == 126 ? (size_t)buf[2] << 8 | buf[3] : buf[1]);
  return n < len ? 0 : len;
}

/* Notes an answer to a compressed message, unless the same has been seen before. */
static void note_answer(size_t message, const unsigned char *frame, size_t head, size_t len) {
  for (size_t i = 0; i < known[message].count; i++)
    if (known[message].list[i].len == len && memcmp(known[message].list[i].frame, frame, len) == 0) return;
  if (known[message].count == KNOWN_MAX) die("message %zu has got more than %d different answers", message, KNOWN_MAX);
  unsigned char *copy = need(malloc(len));
  memcpy(copy, frame, len);
  known[message].list[known[message].count++] = (answer){.frame = copy, .head = head, .len = len};
}

static size_t check_compressed(conn *c, const unsigned char *buf, size_t n) {
  size_t count = 0, at = 0, head, len;
  for (; (len = frame_length(c, buf + at, n - at, &head)) > 0; count++) {
    note_answer(c->expected, buf + at, head, len);
    if (++c->expected == out.count) c->expected = 0;
    at += len;
  }
  hold(c, buf + at, n - at);
  return count;
}

static size_t check_answers(conn *c, const unsigned char *buf, size_t n) {
  if (known != NULL) return check_compressed(c, buf, n);
  size_t count = 0;
  for (size_t at = 0; at < n;) {
    const size_t from = answers.at[c->expected] + c->checked, left = answers.at[c->expected + 1] - from;
    const size_t len = n - at < left ? n - at : left;
    if (memcmp(buf + at, answers.bytes + from, len) != 0)
      die("connection %d: a wrong byte in message %zu of %zu", c->id, c->expected, answers.count);
    at += len;
    c->checked += len;
    if (len < left) break;
    c->checked = 0;
    if (++c->expected == answers.count) c->expected = 0;
    count++;
  }
  return count;
}

/* Binary messages, and the same as they come back. */
static void make_messages(size_t size) {
  const size_t variants = size < LONG ? VARIANTS : VARIANTS_LONG;
  unsigned char header[10];
  const size_t sent_head = write_header(header, size, 1) + sizeof KEY, message = sent_head + size;
  const size_t answer = write_header(header, size, 0) + size;
  unsigned char *sent = need(malloc(message * variants)), *expected = need(malloc(answer * variants));
  for (size_t v = 0; v < variants; v++) {
    unsigned char *to = sent + message * v, *in = expected + answer * v;
    memcpy(to + write_header(to, size, 1), KEY, sizeof KEY);
    in += write_header(in, size, 0);
    for (size_t i = 0; i < size; i++) {
      in[i] = content(v, i);
      to[sent_head + i] = in[i] ^ KEY[i & 3];
    }
  }
  out = make_even_ring(sent, message, variants);
  answers = make_even_ring(expected, answer, variants);
  free(sent);
  free(expected);
}

static void read_all(void *to, size_t n) {
  if (fread(to, 1, n, stdin) != n) die("standard input has too few bytes");
}

static size_t read_number(void) {
  unsigned char b[4];
  read_all(b, sizeof b);
  return b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
}

/* Messages that were compressed. */
static void read_messages(void) {
  const size_t count = read_number();
  size_t *lengths = need(calloc(count, sizeof *lengths)), total = 0;
  for (size_t i = 0; i < count; i++) total += lengths[i] = read_number();
  unsigned char *bytes = need(malloc(total));
  read_all(bytes, total);
  out = make_ring(bytes, lengths, count);
  free(bytes);
  free(lengths);
  known = need(calloc(count, sizeof *known));
  for (size_t i = 0; i < count; i++) known[i].list = need(calloc(KNOWN_MAX, sizeof(answer)));
}

/* A line of JSON: of each message the payloads that came back. */
static void print_known(void) {
  for (size_t v = 0; v < out.count; v++) {
    printf("%s[", v == 0 ? "[" : ",");
    for (size_t i = 0; i < known[v].count; i++) {
      const answer *a = &known[v].list[i];
      printf("%s\"", i == 0 ? "" : ",");
      for (size_t j = a->head; j < a->len; j++) printf("%02x", a->frame[j]);
      printf("\"");
    }
    printf("]");
  }
  printf("]\n");
}

int main(int argc, char **argv) {
  const char *does = argc > 8 ? argv[8] : "";
  const int echo = strcmp(does, "echo") == 0, deflate = strcmp(does, "deflate") == 0;
  if (argc != (deflate ? 9 : 10))
    die("usage: ws HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS echo|loop|broadcast SIZE, or deflate");
  options o = parse_options(argv);
  o.broadcast = !echo && !deflate;
  if (deflate) read_messages();
  else make_messages(strtoul(argv[9], NULL, 10));
  char path[32];
  snprintf(path, sizeof path, "/%s", echo ? "ws" : does);
  conn *conns = need(calloc((size_t)o.conns, sizeof *conns));
  for (int i = 0; i < o.conns; i++) {
    const size_t first = o.broadcast ? 0 : (size_t)i % out.count;
    conns[i] = (conn){.fd = open_websocket(o.host, o.port, path, deflate), .id = i, .pos = out.at[first], .next = first,
                      .expected = first};
  }
  run_load(&o, conns, &out);
  if (deflate) print_known();
  return 0;
}
