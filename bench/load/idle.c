/*
 * Opens connections and leaves them idle. Prints `open N` after the warm-up's connections and waits for a line, opens the
 * rest, prints and waits again. Then prints the CPU seconds that the server's process uses in SECONDS, and ends when each
 * connection has been found alive.
 *
 *   idle HOST PORT PID WARMUP CONNECTIONS SECONDS ws           WebSockets on /ws; alive is who answers a ping
 *   idle HOST PORT PID WARMUP CONNECTIONS SECONDS http BODY    HTTP, after one GET /; alive is who answers another
 */
#include "head.h"
#include "measure.h"
#include "ws_handshake.h"

static const char *host;
/* What a GET is answered with; NULL: the connections are WebSockets. */
static const char *body;

static void report(const char *what, int n) {
  printf("\"%s %d\"\n", what, n);
  fflush(stdout);
}

static void wait_for_line(void) {
  char line[16];
  if (fgets(line, sizeof line, stdin) == NULL) exit(1);
}

static void ping(int fd) {
  /* a masked ping without payload, and its answer */
  static const unsigned char PING[] = {0x89, 0x80, 0, 0, 0, 0}, PONG[] = {0x8a, 0x00};
  unsigned char answer[sizeof PONG];
  if (send(fd, PING, sizeof PING, MSG_NOSIGNAL) != sizeof PING) die("an idle connection is gone");
  if (recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer || memcmp(answer, PONG, sizeof answer) != 0)
    die("an idle connection did not answer a ping");
}

static void get(int fd) {
  char text[4096];
  const int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
  if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len) die("an idle connection is gone");
  size_t n = 0, head = 0;
  while ((head = head_length((unsigned char *)text, n)) == 0 || n < head + strlen(body)) {
    const ssize_t more = recv(fd, text + n, sizeof text - n, 0);
    if (more <= 0) die("an idle connection did not answer");
    n += (size_t)more;
  }
  if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || n != head + strlen(body) || memcmp(text + head, body, n - head) != 0)
    die("a wrong answer:\n%.*s", (int)n, text);
}

static int open_idle(int port) {
  const int fd = body == NULL ? open_websocket(host, port, "/ws", 0) : connect_to(host, port);
  if (body != NULL) get(fd);
  /* the end of this program resets it: thousands in TIME_WAIT would stand in the way of the next */
  const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 8 + (argc > 7 && strcmp(argv[7], "http") == 0))
    die("usage: idle HOST PORT PID WARMUP CONNECTIONS SECONDS ws|http [BODY]");
  host = argv[1];
  body = argv[8];
  const int port = atoi(argv[2]), pid = atoi(argv[3]), warmup = atoi(argv[4]), total = warmup + atoi(argv[5]);
  raise_file_limit();
  int *fds = need(calloc((size_t)total, sizeof *fds));
  for (int i = 0; i < total; i++) {
    if (i == warmup) {
      report("open", i);
      wait_for_line();
    }
    fds[i] = open_idle(port);
  }
  report("open", total);
  wait_for_line();
  const uint64_t cpu = cpu_of_ns(pid), time = now_ns();
  usleep((useconds_t)(atof(argv[6]) * 1e6));
  printf("{\"serverCpu\":%.6f,\"seconds\":%.6f}\n", (double)(cpu_of_ns(pid) - cpu) / 1e9, (double)(now_ns() - time) / 1e9);
  fflush(stdout);
  for (int i = 0; i < total; i++) {
    if (body == NULL) ping(fds[i]);
    else get(fds[i]);
  }
  return 0;
}
