/*
 * guard: kills what tandem leaves behind when it is killed itself.
 *
 * The kernel can kill a child with its parent, but not what that child has started. So tandem, where it is not PID 1, runs
 * this program beside its services and tells it on stdin which process groups are alive: "+GROUP\n" and "-GROUP\n". When
 * stdin ends, tandem is gone, and every group that is left gets SIGKILL. After an orderly end none is left.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

static pid_t *groups;
static size_t count, room;

static void add(pid_t group) {
  if (count == room) {
    room = room ? 2 * room : 64;
    groups = realloc(groups, room * sizeof *groups);
    if (groups == NULL) abort();
  }
  groups[count++] = group;
}

static void take_off(pid_t group) {
  for (size_t i = 0; i < count; i++)
    if (groups[i] == group) groups[i--] = groups[--count];
}

int main(void) {
  char line[32];
  /* Whatever ends tandem must not end this program first. */
  signal(SIGTERM, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  while (fgets(line, sizeof line, stdin) != NULL) {
    pid_t group = (pid_t)atol(line + 1);
    if (group <= 1) continue; /* kill(-1) is the whole machine */
    if (line[0] == '+') add(group);
    if (line[0] == '-') take_off(group);
  }
  for (size_t i = 0; i < count; i++) kill(-groups[i], SIGKILL);
  return 0;
}
