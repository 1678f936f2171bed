/* A service that only writes: `writer COUNT [DELAY_MS]` writes, after the delay, COUNT numbered lines of 97 bytes, as fast as
 * they are taken, and ends.
 *
 *   #00000042 xxxxx...
 *
 * In writes of at most a pipe's 64 KiB, as libc's buffers do it at best: what a faster writer saves is the supervisor's to
 * lose.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { line_bytes = 97, batch = 600, digits = 8 };

static char lines[batch * line_bytes];

static void number(char *line, long value) {
  for (int at = digits; at > 0; at--, value /= 10) line[at] = (char)('0' + value % 10);
}

static int write_all(const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(1, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return 0;
    bytes += written;
    length -= (size_t)written;
  }
  return 1;
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 0;
  memset(lines, 'x', sizeof lines);
  for (char *line = lines; line < lines + sizeof lines; line += line_bytes) {
    line[0] = '#';
    line[digits + 1] = ' ';
    line[line_bytes - 1] = '\n';
  }
  if (argc > 2) usleep((useconds_t)atol(argv[2]) * 1000);
  for (long first = 0; first < count; first += batch) {
    long size = count - first < batch ? count - first : batch;
    for (long i = 0; i < size; i++) number(lines + i * line_bytes, first + i);
    if (!write_all(lines, (size_t)(size * line_bytes))) return 1;
  }
  return 0;
}
