/*
 * GET requests on kept-alive connections, DEPTH in flight on each. Every answer must be a 200 whose Content-Length and
 * body are those of BODY.
 *
 *   http_get HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS PATH BODY
 */
#include "engine.h"

#include <ctype.h>
#include <strings.h>

/* Longer than any head and body of ours. */
#define ANSWER_MAX (16 * 1024)

static const char *body;
static size_t body_len;

static const char STATUS[] = "HTTP/1.1 200 ";
static const char LENGTH[] = "\r\ncontent-length:";

/* The value of Content-Length in a head of `n` bytes. */
static size_t content_length(const unsigned char *head, size_t n) {
  const size_t name = sizeof LENGTH - 1;
  for (const unsigned char *at = head; (at = memchr(at, '\r', n - (size_t)(at - head))) != NULL; at++) {
    if (n - (size_t)(at - head) <= name || strncasecmp((const char *)at, LENGTH, name) != 0) continue;
    return strtoul((const char *)at + name, NULL, 10);
  }
  die("an answer without Content-Length:\n%.*s", (int)n, head);
  return 0;
}

/* Length of the complete answer that `buf` begins with, 0 if more bytes are needed. */
static size_t answer(const unsigned char *buf, size_t n) {
  const unsigned char *end = memmem(buf, n, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  const size_t head = (size_t)(end - buf) + 4;
  if (head < sizeof STATUS || memcmp(buf, STATUS, sizeof STATUS - 1) != 0)
    die("not a 200:\n%.*s", (int)head, buf);
  if (content_length(buf, head) != body_len) die("a wrong Content-Length:\n%.*s", (int)head, buf);
  if (n < head + body_len) return 0;
  if (memcmp(buf + head, body, body_len) != 0) die("a wrong body:\n%.*s", (int)(head + body_len), buf);
  return head + body_len;
}

static size_t check_answers(conn *c, const unsigned char *buf, size_t n) {
  if (c->held_len > 0) {
    /* `held` has room for a whole read behind the longest part of an answer */
    memcpy(c->held + c->held_len, buf, n);
    n += c->held_len;
    buf = c->held;
    c->held_len = 0;
  }
  size_t count = 0, at = 0;
  for (size_t len; at < n && (len = answer(buf + at, n - at)) > 0; at += len) count++;
  c->held_len = n - at;
  if (c->held_len > ANSWER_MAX) die("an answer longer than %d bytes", ANSWER_MAX);
  memmove(c->held, buf + at, c->held_len);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 10) die("usage: http_get HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS PATH BODY");
  const options o = parse_options(argv);
  body = argv[9];
  body_len = strlen(body);
  char request[1024];
  const int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[8], o.host);
  if (len >= (int)sizeof request) die("PATH is too long");
  unsigned char *bytes = need(malloc((size_t)len * (size_t)o.depth * 2));
  for (int i = 0; i < o.depth; i++) memcpy(bytes + (size_t)(i * len), request, (size_t)len);
  const ring out = make_ring(bytes, (size_t)len, (size_t)o.depth);
  conn *conns = need(calloc((size_t)o.conns, sizeof *conns));
  for (int i = 0; i < o.conns; i++)
    conns[i] = (conn){.fd = connect_to(o.host, o.port), .id = i, .held = need(malloc(ANSWER_MAX + READ_SIZE))};
  run_load(&o, conns, &out);
  return 0;
}
