/* Heads of HTTP messages: where one ends, and what a field says. */
#pragma once
#include "net.h"

#include <strings.h>

/* Length of the head that `buf` begins with, its empty line included; 0 if that has not come. */
static inline size_t head_length(const unsigned char *buf, size_t n) {
  const unsigned char *end = memmem(buf, n, "\r\n\r\n", 4);
  return end == NULL ? 0 : (size_t)(end - buf) + 4;
}

/* The value of a field in a head of `n` bytes, with what follows it; NULL if there is none. `name` ends with a colon. */
static inline const char *field(const unsigned char *head, size_t n, const char *name) {
  const size_t len = strlen(name);
  const unsigned char *end = head + n;
  for (const unsigned char *at = head; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;) {
    at++;
    if ((size_t)(end - at) <= len || strncasecmp((const char *)at, name, len) != 0) continue;
    for (at += len; *at == ' ';) at++;
    return (const char *)at;
  }
  return NULL;
}
