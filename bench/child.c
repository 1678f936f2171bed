/* A service of next to no weight, so that only the supervisor is measured: it writes "NAME EVENT NANOSECONDS PID"
 * (CLOCK_MONOTONIC) to a file.
 *
 *   child NAME [PORT [DELAY_MS]]   "NAME exec", after the delay "NAME listen" just before listen(), "NAME term" on
 *                                  SIGTERM or SIGINT; then it ends with 0. Without a port it ends at once.
 *
 * Events go to the file named by BENCH_EVENTS, appended in one write each.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *name;
static int events;

static void stamp(const char *event) {
  struct timespec now;
  char line[128];
  clock_gettime(CLOCK_MONOTONIC, &now);
  int length = snprintf(line, sizeof line, "%s %s %lld %d\n", name, event,
                        now.tv_sec * 1000000000LL + now.tv_nsec, getpid());
  if (write(events, line, (size_t)length) != length) _exit(3);
}

static void on_term(int signal) {
  (void)signal;
  stamp("term");
  _exit(0);
}

int main(int argc, char **argv) {
  const char *path = getenv("BENCH_EVENTS");
  name = argc > 1 ? argv[1] : "child";
  events = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0600) : 1;
  stamp("exec");
  if (argc < 3) return 0;

  signal(SIGTERM, on_term);
  signal(SIGINT, on_term);
  if (argc > 3) {
    long delay = atol(argv[3]);
    struct timespec pause = {delay / 1000, delay % 1000 * 1000000};
    nanosleep(&pause, NULL);
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0) return 2;
  stamp("listen");
  if (listen(server, 128) != 0) return 2;
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client >= 0) close(client);
  }
}
