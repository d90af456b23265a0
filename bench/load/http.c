/*
 * Requests on kept-alive connections, DEPTH in flight on each. Every answer must be a 200 with the Content-Length and the
 * body that belong to it, and a Date.
 *
 *   http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS get|browser BODY    GET /; with the headers of a browser
 *   http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS post SIZE           POST /echo; SIZE bytes, and back
 */
#include "engine.h"
#include "head.h"

#include <ctype.h>

/* Bodies of a POST that take turns, so that none can be lost or repeated unseen. */
#define VARIANTS 16
#define REQUEST_MAX (16 * 1024)

/* Twelve, `Host` included. */
static const char BROWSER[] =
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: none\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=7b2268656c6c6f223a22776f726c64227d; theme=dark\r\n";

/* The bodies that must come, one behind the other. */
static unsigned char *bodies;
static size_t body_len, body_count;

/* A head that was found to be right. One that equals it is right too: a server's heads differ once a second. */
static unsigned char known[HELD_MAX];
static size_t known_len;

/* Is it of the form that RFC 9110 section 5.6.7 prefers? */
static int is_date(const char *value) {
  static const char FORM[] = "Aaa, 00 Aaa 0000 00:00:00 GMT\r";
  for (size_t i = 0; i < sizeof FORM - 1; i++) {
    const int c = (unsigned char)value[i];
    const int right = FORM[i] == '0' ? isdigit(c) : FORM[i] == 'a' ? islower(c) : FORM[i] == 'A' ? isupper(c) : c == FORM[i];
    if (!right) return 0;
  }
  return 1;
}

/* Length of the head that `buf` begins with, 0 if more bytes are needed. */
static size_t check_head(const unsigned char *buf, size_t n) {
  if (known_len > 0 && n >= known_len && memcmp(buf, known, known_len) == 0) return known_len;
  static const char STATUS[] = "HTTP/1.1 200 ";
  const size_t len = head_length(buf, n);
  if (len == 0) return 0;
  if (len > sizeof known) die("a head longer than %zu bytes", sizeof known);
  if (memcmp(buf, STATUS, sizeof STATUS - 1) != 0) die("not a 200:\n%.*s", (int)len, buf);
  const char *length = field(buf, len, "Content-Length:"), *date = field(buf, len, "Date:");
  if (length == NULL || strtoul(length, NULL, 10) != body_len) die("no Content-Length, or a wrong one:\n%.*s", (int)len, buf);
  if (date == NULL || !is_date(date)) die("no Date, or a wrong one:\n%.*s", (int)len, buf);
  memcpy(known, buf, len);
  known_len = len;
  return len;
}

static size_t check_answers(conn *c, const unsigned char *buf, size_t n) {
  size_t count = 0, at = 0;
  for (; at < n; count++) {
    const size_t head = check_head(buf + at, n - at);
    if (head == 0 || n - at < head + body_len) break;
    if (memcmp(buf + at + head, bodies + c->expected * body_len, body_len) != 0)
      die("connection %d: a wrong body:\n%.*s", c->id, (int)(head + body_len), buf + at);
    if (++c->expected == body_count) c->expected = 0;
    at += head + body_len;
  }
  hold(c, buf + at, n - at);
  return count;
}

/* Requests without a body. */
static ring make_gets(const options *o, const char *headers, const char *body) {
  bodies = (unsigned char *)body;
  body_len = strlen(body);
  body_count = 1;
  char request[REQUEST_MAX];
  const int len = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", o->host, headers);
  unsigned char *bytes = need(malloc((size_t)len * (size_t)o->depth));
  for (int i = 0; i < o->depth; i++) memcpy(bytes + i * len, request, (size_t)len);
  return make_even_ring(bytes, (size_t)len, (size_t)o->depth);
}

static ring make_posts(const options *o, size_t size) {
  body_len = size;
  body_count = VARIANTS;
  bodies = need(malloc(size * VARIANTS));
  char head[REQUEST_MAX];
  const size_t len = (size_t)snprintf(head, sizeof head,
                                      "POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"
                                      "Content-Length: %zu\r\n\r\n",
                                      o->host, size);
  unsigned char *bytes = need(malloc((len + size) * VARIANTS));
  for (size_t v = 0; v < VARIANTS; v++) {
    unsigned char *request = bytes + (len + size) * v;
    memcpy(request, head, len);
    for (size_t i = 0; i < size; i++) request[len + i] = (unsigned char)(v * 31 + i * 7 + (i >> 8));
    memcpy(bodies + size * v, request + len, size);
  }
  return make_even_ring(bytes, len + size, VARIANTS);
}

int main(int argc, char **argv) {
  if (argc != 10) die("usage: http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS get|browser|post BODY|SIZE");
  const options o = parse_options(argv);
  const int post = strcmp(argv[8], "post") == 0;
  const char *headers = strcmp(argv[8], "browser") == 0 ? BROWSER : "";
  const ring out = post ? make_posts(&o, strtoul(argv[9], NULL, 10)) : make_gets(&o, headers, argv[9]);
  conn *conns = need(calloc((size_t)o.conns, sizeof *conns));
  for (int i = 0; i < o.conns; i++) {
    const size_t first = (size_t)i % body_count;
    conns[i] = (conn){.fd = connect_to(o.host, o.port), .id = i, .pos = out.at[first], .next = first,
                      .expected = first};
  }
  run_load(&o, conns, &out);
  return 0;
}
