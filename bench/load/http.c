/*
 * Requests on kept-alive connections, DEPTH in flight on each. Every answer must be a 200 with the Content-Length and the
 * body that belong to it, and a Date.
 *
 *   http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS get|browser BODY    GET /; with the headers of a browser
 *   http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS post SIZE           POST /echo; SIZE bytes, and back
 *   http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS drop SIZE           POST /drop; SIZE bytes, and how many they were
 *   http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS file PATH           GET /files/ and the name of that file
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

/* Checks bytes of a body as they come, so that a long one need not be kept. Returns how many there were. */
static size_t check_body(conn *c, const unsigned char *buf, size_t n) {
  const size_t left = body_len - c->checked, len = n < left ? n : left;
  const unsigned char *right = bodies + c->expected * body_len + c->checked;
  if (memcmp(buf, right, len) != 0) {
    size_t i = 0;
    while (buf[i] == right[i]) i++;
    die("connection %d: byte %zu of a body of %zu is 0x%02x, not 0x%02x", c->id, c->checked + i, body_len, buf[i], right[i]);
  }
  c->checked += len;
  return len;
}

static size_t check_answers(conn *c, const unsigned char *buf, size_t n) {
  size_t count = 0, at = 0;
  while (at < n) {
    if (!c->in_body) {
      const size_t head = check_head(buf + at, n - at);
      if (head == 0) break;
      at += head;
      c->in_body = 1;
    }
    at += check_body(c, buf + at, n - at);
    if (c->checked < body_len) break;
    c->checked = 0;
    c->in_body = 0;
    if (++c->expected == body_count) c->expected = 0;
    count++;
  }
  hold(c, buf + at, n - at);
  return count;
}

/* `count` bodies of this length will come, by turns; all of them these bytes, or still to be filled in. */
static void answer_with(const char *bytes, size_t len, size_t count) {
  bodies = need(malloc(len * count));
  body_len = len;
  body_count = count;
  if (bytes != NULL) memcpy(bodies, bytes, len);
}

/* Requests without a body. */
static ring make_gets(const options *o, const char *uri, const char *headers) {
  char request[REQUEST_MAX];
  const int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", uri, o->host, headers);
  unsigned char *bytes = need(malloc((size_t)len * (size_t)o->depth));
  for (int i = 0; i < o->depth; i++) memcpy(bytes + i * len, request, (size_t)len);
  return make_even_ring(bytes, (size_t)len, (size_t)o->depth);
}

/* `count` requests with a body each, all bodies of the same size but different. */
static ring make_posts(const options *o, const char *uri, size_t size, size_t count) {
  char head[REQUEST_MAX];
  const size_t len = (size_t)snprintf(head, sizeof head,
                                      "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"
                                      "Content-Length: %zu\r\n\r\n",
                                      uri, o->host, size);
  unsigned char *bytes = need(malloc((len + size) * count));
  for (size_t v = 0; v < count; v++) {
    unsigned char *request = bytes + (len + size) * v;
    memcpy(request, head, len);
    for (size_t i = 0; i < size; i++) request[len + i] = (unsigned char)(v * 31 + i * 7 + (i >> 8));
  }
  return make_even_ring(bytes, len + size, count);
}

static ring make_echoes(const options *o, size_t size) {
  const ring out = make_posts(o, "/echo", size, VARIANTS);
  const size_t head = out.at[1] - size;
  answer_with(NULL, size, VARIANTS);
  for (size_t v = 0; v < VARIANTS; v++) memcpy(bodies + size * v, out.bytes + out.at[v] + head, size);
  return out;
}

/* What is dropped can't come back: the answer says how many bytes have come. */
static ring make_uploads(const options *o, const char *size) {
  answer_with(size, strlen(size), 1);
  return make_posts(o, "/drop", strtoul(size, NULL, 10), (size_t)o->depth);
}

static ring make_downloads(const options *o, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) die("%s: %s", path, strerror(errno));
  answer_with(NULL, (size_t)ftell(file), 1);
  rewind(file);
  if (fread(bodies, 1, body_len, file) != body_len) die("%s can't be read", path);
  fclose(file);
  char uri[1024];
  snprintf(uri, sizeof uri, "/files%s", strrchr(path, '/'));
  return make_gets(o, uri, "");
}

static ring make_requests(const options *o, const char *does, const char *with) {
  if (strcmp(does, "post") == 0) return make_echoes(o, strtoul(with, NULL, 10));
  if (strcmp(does, "drop") == 0) return make_uploads(o, with);
  if (strcmp(does, "file") == 0) return make_downloads(o, with);
  answer_with(with, strlen(with), 1);
  return make_gets(o, "/", strcmp(does, "browser") == 0 ? BROWSER : "");
}

int main(int argc, char **argv) {
  if (argc != 10)
    die("usage: http HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS get|browser|post|drop|file BODY|SIZE|PATH");
  const options o = parse_options(argv);
  const ring out = make_requests(&o, argv[8], argv[9]);
  conn *conns = need(calloc((size_t)o.conns, sizeof *conns));
  for (int i = 0; i < o.conns; i++) {
    const size_t first = (size_t)i % out.count;
    conns[i] = (conn){.fd = connect_to(o.host, o.port), .id = i, .pos = out.at[first], .next = first,
                      .expected = first % body_count};
  }
  run_load(&o, conns, &out);
  return 0;
}
