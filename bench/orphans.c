/* Orphans at a steady rate, and how long each stays a zombie:
 *
 *   orphans DIRECTORY PER_SECOND COUNT   For each byte in the pipe DIRECTORY/go: COUNT orphans. Each comes by a fork of a fork that
 *                                        ends, lives for 5 ms and ends. Then a line is added to DIRECTORY/slices: how many were
 *                                        not reaped within 0.5 s, and of each of the others the nanoseconds until it was.
 *
 * An orphan writes down the time just before its _exit(). That it has been reaped is seen by kill(pid, 0), which fails from then
 * on, asked every 50 us while an orphan is due: so a figure is too large by the exit itself and by 0.1 ms at most, as long as
 * there is a processor for this program.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { second = 1000000000, life = 5000000, look = 50000, patience = 500000000 };

struct orphan {
  volatile pid_t pid;
  volatile long long ended;
  long long reaped;
};

static long long now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * (long long)second + at.tv_nsec;
}

static void rest(long long nanoseconds) {
  struct timespec pause = {nanoseconds / second, nanoseconds % second};
  if (nanoseconds > 0) nanosleep(&pause, NULL);
}

static void bear(struct orphan *orphan) {
  pid_t parent = fork();
  if (parent == 0) {
    if (fork() != 0) _exit(0);
    orphan->pid = getpid();
    rest(life);
    orphan->ended = now();
    _exit(0);
  }
  waitpid(parent, NULL, 0);
}

/* True while one that has ended is there. */
static int look_at(struct orphan *orphans, int count) {
  int waits = 0;
  for (int i = 0; i < count; i++) {
    struct orphan *one = &orphans[i];
    if (one->ended == 0 || one->reaped != 0) continue;
    if (kill(one->pid, 0) != 0) one->reaped = now();
    else if (now() - one->ended < patience) waits = 1;
  }
  return waits;
}

static void run(struct orphan *orphans, int count, long long period) {
  long long due = now();
  for (int born = 0; born < count;) {
    if (now() >= due) {
      bear(&orphans[born++]);
      due += period;
    }
    look_at(orphans, born);
    rest(look);
  }
  rest(2 * life);
  while (look_at(orphans, count)) rest(look);
}

static void tell(const char *path, const struct orphan *orphans, int count) {
  char *line = malloc((size_t)count * 24 + 24);
  int left = 0, length = 0;
  for (int i = 0; i < count; i++) left += orphans[i].reaped == 0;
  length += sprintf(line, "%d", left);
  for (int i = 0; i < count; i++)
    if (orphans[i].reaped != 0) length += sprintf(line + length, " %lld", orphans[i].reaped - orphans[i].ended);
  line[length++] = '\n';
  int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (write(file, line, (size_t)length) != length) _exit(3);
  close(file);
  free(line);
}

int main(int argc, char **argv) {
  if (argc < 4 || chdir(argv[1]) != 0) return 64;
  const int count = atoi(argv[3]);
  const size_t size = (size_t)count * sizeof(struct orphan);
  struct orphan *orphans = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  char one;
  if (orphans == MAP_FAILED || mkfifo("go", 0600) != 0) return 71;
  const int go = open("go", O_RDWR);
  while (read(go, &one, 1) == 1) {
    memset(orphans, 0, size);
    run(orphans, count, second / atoi(argv[2]));
    tell("slices", orphans, count);
  }
  return 0;
}
