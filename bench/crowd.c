/* What starting children costs where nobody supervises them:
 *
 *   crowd CHILD PORT…   runs "CHILD sPORT PORT" for each port, one after the other, without waiting for anything;
 *                       on SIGTERM it sends each of them SIGTERM and ends with 0 when all have ended.
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void on_term(int signal) { (void)signal; }

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  struct sigaction action = {.sa_handler = on_term};
  sigset_t term, before;
  sigaction(SIGTERM, &action, NULL);
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, &before);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &before);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t *pids = calloc((size_t)argc, sizeof *pids);
  for (int i = 2; i < argc; i++) {
    char name[32];
    snprintf(name, sizeof name, "s%s", argv[i]);
    char *words[] = {argv[1], name, argv[i], NULL};
    if (posix_spawn(&pids[i], argv[1], NULL, &attributes, words, environ) != 0) return 71;
  }

  sigsuspend(&before);
  for (int i = 2; i < argc; i++) kill(pids[i], SIGTERM);
  for (int i = 2; i < argc; i++) waitpid(pids[i], NULL, 0);
  return 0;
}
