/* The opening handshake of RFC 6455, with the key of its section 1.3, so that the answer is known in advance. */
#pragma once
#include "head.h"

static const char KEY_SENT[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/* Compression that keeps nothing from one message to the next (RFC 7692 section 7.1.1). */
static const char OFFER[] = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                            "client_no_context_takeover\r\n";

/* Has the server agreed to what was offered, and to nothing if nothing was? */
static inline int agrees(const char *head, size_t n, int deflate) {
  const char *extensions = field((const unsigned char *)head, n, "Sec-WebSocket-Extensions:");
  if (!deflate || extensions == NULL) return !deflate && extensions == NULL;
  return strncmp(extensions, "permessage-deflate", 18) == 0 && strstr(extensions, "server_no_context_takeover") != NULL &&
         strstr(extensions, "client_no_context_takeover") != NULL;
}

/* A connection that has been upgraded; its messages may be compressed if `deflate` says so. */
static inline int open_websocket(const char *host, int port, const char *path, int deflate) {
  const int fd = connect_to(host, port);
  char text[4096];
  const int len = snprintf(text, sizeof text,
                           "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                           path, host, KEY_SENT, deflate ? OFFER : "");
  if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len) die("send: %s", strerror(errno));
  size_t n = 0;
  while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0) {
    if (n + 1 == sizeof text) die("the answer to the handshake is too long");
    /* byte by byte: what follows is frames */
    if (recv(fd, text + n, 1, 0) != 1) die("no answer to the handshake");
    text[++n] = 0;
  }
  if (strncmp(text, "HTTP/1.1 101 ", 13) != 0 || strstr(text, ACCEPT) == NULL || !agrees(text, n, deflate))
    die("a wrong handshake:\n%s", text);
  return fd;
}
