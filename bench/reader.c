/* Reads what `writer` has written, in whatever dress a supervisor has put it, and says what became of it.
 *
 *   reader COUNT STALL_MS REPORT   reads nothing for STALL_MS from when there is something to read, then everything; once all
 *                                  lines are there, or nothing has come for three seconds, it writes
 *                                  "LINES DISORDERED BYTES NANOSECONDS" to REPORT: from the first read to the last. It goes
 *                                  on reading until the end.
 *
 * A line counts if it has the writer's mark, '#' and eight digits; it is disordered if its number is below one before it. A
 * number that comes twice counts twice, and the second time as disordered.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { digits = 8, silence_ms = 3000, room = 1 << 20 };

static char bytes[room];
static long lines, disordered, total, next_number;
static long long first_at, last_at;
/* Where the mark was in the line before: every line has the same dress. */
static size_t guess;

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* The number behind a mark at `at`, or -1. */
static long marked(const char *at, const char *end) {
  if (end - at <= digits || *at != '#') return -1;
  long value = 0;
  for (int i = 1; i <= digits; i++) {
    if (at[i] < '0' || at[i] > '9') return -1;
    value = value * 10 + at[i] - '0';
  }
  return value;
}

static void take(const char *line, const char *end) {
  long value = (size_t)(end - line) > guess ? marked(line + guess, end) : -1;
  for (const char *at = line; value < 0;) {
    at = memchr(at, '#', (size_t)(end - at));
    if (at == NULL) return;
    value = marked(at, end);
    guess = (size_t)(at++ - line);
  }
  lines++;
  if (value < next_number) disordered++;
  else next_number = value + 1;
}

static void report(const char *path) {
  char draft[4096];
  snprintf(draft, sizeof draft, "%s.draft", path);
  FILE *file = fopen(draft, "w");
  if (file == NULL) exit(2);
  fprintf(file, "%ld %ld %ld %lld\n", lines, disordered, total, last_at - first_at);
  fclose(file);
  rename(draft, path);
}

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  long count = atol(argv[1]);
  useconds_t stall = (useconds_t)atol(argv[2]) * 1000;
  size_t kept = 0;
  int is_told = 0;
  for (;;) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (poll(&input, 1, first_at && !is_told ? silence_ms : -1) == 0) {
      report(argv[3]);
      is_told = 1;
      continue;
    }
    if (!first_at && stall > 0) usleep(stall);
    ssize_t length = read(0, bytes + kept, room - kept);
    if (length <= 0) break;
    if (is_told) continue;
    last_at = now();
    if (!first_at) first_at = last_at;
    total += length;
    char *line = bytes, *end = bytes + kept + length;
    for (char *stop; (stop = memchr(line, '\n', (size_t)(end - line))); line = stop + 1) take(line, stop);
    kept = (size_t)(end - line);
    if (kept == room) kept = 0; /* no line at all: nothing to count in it */
    memmove(bytes, line, kept);
    if (lines >= count) {
      report(argv[3]);
      is_told = 1;
      kept = 0;
    }
  }
  if (!is_told) report(argv[3]);
  return 0;
}
