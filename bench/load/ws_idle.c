/*
 * Opens WebSockets and leaves them idle. Prints `open N` after the warm-up's connections, waits for a line, opens the
 * rest, prints again, waits again, then makes sure with a ping on each that all are alive, and prints `alive N`.
 *
 *   ws_idle HOST PORT PATH WARMUP CONNECTIONS
 */
#include "ws_handshake.h"

/* A masked ping without payload, and its answer. */
static const unsigned char PING[] = {0x89, 0x80, 0, 0, 0, 0};
static const unsigned char PONG[] = {0x8a, 0x00};

static void report(const char *what, int n) {
  printf("%s %d\n", what, n);
  fflush(stdout);
}

static void wait_for_line(void) {
  char line[16];
  if (fgets(line, sizeof line, stdin) == NULL) exit(1);
}

static void ping(int fd) {
  unsigned char answer[sizeof PONG];
  if (send(fd, PING, sizeof PING, MSG_NOSIGNAL) != sizeof PING) die("an idle connection is gone");
  if (recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer || memcmp(answer, PONG, sizeof answer) != 0)
    die("an idle connection did not answer a ping");
}

int main(int argc, char **argv) {
  if (argc != 6) die("usage: ws_idle HOST PORT PATH WARMUP CONNECTIONS");
  const int port = atoi(argv[2]), warmup = atoi(argv[4]), total = warmup + atoi(argv[5]);
  raise_file_limit();
  int *fds = need(calloc((size_t)total, sizeof *fds));
  for (int i = 0; i < total; i++) {
    if (i == warmup) {
      report("open", i);
      wait_for_line();
    }
    fds[i] = open_websocket(argv[1], port, argv[3]);
  }
  report("open", total);
  wait_for_line();
  for (int i = 0; i < total; i++) ping(fds[i]);
  report("alive", total);
  return 0;
}
