/* What a program takes, as the kernel counts it.
 *
 *   spent REPORT PROGRAM [ARG...]   runs it and writes "WALL_NS USER_US SYSTEM_US PEAK_KB" to REPORT; ends with its code
 *
 * The peak is the largest RSS of the program or of one child that it has waited for. A process inherits the peak of the one
 * that has forked it, so this must be a small one: from Node everything would seem to need 40 MB. TERM, INT and HUP are
 * passed on.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void pass(int signal) {
  if (child > 0) kill(child, signal);
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long microseconds(struct timeval time) { return time.tv_sec * 1000000L + time.tv_usec; }

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  struct sigaction action = {.sa_handler = pass, .sa_flags = SA_RESTART};
  int passed[] = {SIGTERM, SIGINT, SIGHUP};
  for (int i = 0; i < 3; i++) sigaction(passed[i], &action, NULL);

  long long started_at = now();
  child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 71;
  long long wall = now() - started_at;
  FILE *file = fopen(argv[1], "w");
  if (file == NULL) return 73;
  fprintf(file, "%lld %ld %ld %ld\n", wall, microseconds(usage.ru_utime), microseconds(usage.ru_stime), usage.ru_maxrss);
  fclose(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
