/*
 * launch: sets a process up in the ways that Node cannot, then becomes the command (exec). tandem starts every service
 * through it.
 *
 *   launch [OPTION…] -- PATH ARGV0 [ARG…]
 *   tandem [ARG…]      the entry point of an image: launch by this name is --note-nofile --hold-signals, and PATH is the
 *                      tandem.cjs one directory above its own
 *
 *   --session          a session of its own
 *   --group            a process group of its own in the same session
 *   --foreground       --group, and the terminal on stdin is handed to it if the parent's group has it
 *   --nofile SOFT      the soft limit of open files; the hard one stays
 *   --note-nofile      puts the soft limit into TANDEM_NOFILE unless it is set: Node raises the limit when it starts
 *   --hold-signals     for PID 1: the signals that tandem handles stay blocked until it does (hold.c); elsewhere, or where
 *                      hold.so is not beside launch, nothing
 *   --groups G,G       supplementary groups; none if --uid is given without it
 *   --gid GID
 *   --uid UID
 *   --no-new-privs     nothing that it execs gains privileges
 *   --die-with PID     SIGKILL when the parent dies; PID is the parent, so that one which is dead already is noticed
 *   --report FD        failures are written to FD as "CODE MESSAGE" and not to stderr; closed by a successful exec
 *
 * The options are carried out in this order, however they are given, but signals are held first of all. Signals are set to
 * their defaults, nothing else is blocked, descriptors above 2 are not handed on (but to tandem itself), and the environment
 * is, as it is. A failure exits like a shell: 127 not
 * found, 126 any other reason.
 *
 * It is linked with tiny.c in place of a libc where that can be: starting glibc takes longer than all that it does here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOT_FOUND = 127, CANNOT_RUN = 126 };
enum { MAX_GROUPS = 1024 };

static struct {
  int session, group, foreground, note_nofile, hold_signals, no_new_privileges, has_groups;
  long nofile, gid, uid, parent, report;
  gid_t groups[MAX_GROUPS];
  size_t group_count;
} options = {.nofile = -1, .gid = -1, .uid = -1, .parent = -1, .report = -1};

/*
 * What tandem handles from its first line on, and what else `tandem -- CMD` forwards: see src/host/signals.ts. Without CONT,
 * URG, WINCH and XFSZ: they do not stay pending when Node sets them to be ignored, and mean nothing before there is a command.
 * Without those that the addon catches: a fault of Node's own has to end it.
 */
static const int ordinary_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
static const int other_signals[] = {SIGALRM, SIGSTKFLT, SIGTSTP, SIGTTIN, SIGTTOU, SIGXCPU, SIGVTALRM, SIGIO, SIGPWR};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static sigset_t held;
static int has_terminal;

static void hand_terminal_to(pid_t group) {
  sigset_t ttou;
  sigemptyset(&ttou);
  sigaddset(&ttou, SIGTTOU); /* else asking from the background would stop this process */
  sigprocmask(SIG_BLOCK, &ttou, NULL);
  if (tcsetpgrp(STDIN_FILENO, group) == 0) has_terminal = group == getpgrp();
}

static _Noreturn void fail(int code, const char *what, const char *why) {
  if (has_terminal) hand_terminal_to(getpgid(getppid()));
  if (options.report >= 0)
    dprintf((int)options.report, "%d %s: %s", code, what, why);
  else
    dprintf(STDERR_FILENO, "cannot start: %s: %s\n", what, why);
  _exit(code);
}

static void must(int result, const char *what) {
  if (result != 0) fail(CANNOT_RUN, what, strerror(errno));
}

/* A number of nothing but digits; `*end` is where it stops. */
static long digits(const char *option, const char *text, char **end) {
  errno = 0;
  long value = strtol(text, end, 10);
  if (*text < '0' || *text > '9' || errno != 0 || value > UINT_MAX) fail(CANNOT_RUN, option, "not a number");
  return value;
}

static long number(const char *option, const char *text) {
  char *end;
  long value = digits(option, text, &end);
  if (*end != '\0') fail(CANNOT_RUN, option, "not a number");
  return value;
}

static void read_groups(const char *text) {
  options.has_groups = 1;
  while (*text != '\0') {
    if (options.group_count == MAX_GROUPS) fail(CANNOT_RUN, "--groups", "too many");
    char *end;
    options.groups[options.group_count++] = (gid_t)digits("--groups", text, &end);
    if (*end != '\0' && *end != ',') fail(CANNOT_RUN, "--groups", "not a list of numbers");
    text = *end == ',' ? end + 1 : end;
  }
}

static int read_flag(const char *name) {
  if (strcmp(name, "--session") == 0) return options.session = 1;
  if (strcmp(name, "--group") == 0) return options.group = 1;
  if (strcmp(name, "--foreground") == 0) return options.foreground = options.group = 1;
  if (strcmp(name, "--note-nofile") == 0) return options.note_nofile = 1;
  if (strcmp(name, "--hold-signals") == 0) return options.hold_signals = 1;
  if (strcmp(name, "--no-new-privs") == 0) return options.no_new_privileges = 1;
  return 0;
}

static void read_value(const char *name, const char *value) {
  if (strcmp(name, "--nofile") == 0) options.nofile = number(name, value);
  else if (strcmp(name, "--groups") == 0) read_groups(value);
  else if (strcmp(name, "--gid") == 0) options.gid = number(name, value);
  else if (strcmp(name, "--uid") == 0) options.uid = number(name, value);
  else if (strcmp(name, "--die-with") == 0) options.parent = number(name, value);
  else if (strcmp(name, "--report") == 0) options.report = number(name, value);
  else fail(CANNOT_RUN, name, "unknown option of launch");
}

/* Returns the words after `--`. */
static char **read_options(char **words) {
  for (; *words != NULL; words++) {
    if (strcmp(*words, "--") == 0) return words + 1;
    if (read_flag(*words)) continue;
    if (words[1] == NULL) break;
    read_value(words[0], words[1]);
    words++;
  }
  fail(CANNOT_RUN, "usage", "launch [OPTION…] -- PATH ARGV0 [ARG…]");
}

/* The path of a file that lies beside this program. */
static char *beside(const char *name) {
  static char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  must(length < 0 ? -1 : 0, "/proc/self/exe");
  path[length] = '\0';
  char *end = strrchr(path, '/') + 1;
  if ((size_t)(end - path) + strlen(name) >= sizeof path) fail(CANNOT_RUN, path, strerror(ENAMETOOLONG));
  strcpy(end, name);
  return path;
}

/* True if Node will load hold.so, without which it would drop all that was blocked. */
static int preload_hold(void) {
  const char *path = beside("hold.so");
  if (strpbrk(path, " :") != NULL || access(path, R_OK) != 0) return 0; /* the loader would split such a path */
  const char *others = getenv("LD_PRELOAD");
  char *list;
  int size = others == NULL || *others == '\0' ? asprintf(&list, "%s", path) : asprintf(&list, "%s:%s", path, others);
  return size >= 0 && setenv("LD_PRELOAD", list, 1) == 0;
}

static void hold_signals(const char *first_argument) {
  if (getpid() != 1 || !preload_hold()) return;
  for (size_t i = 0; i < COUNT(ordinary_signals); i++) sigaddset(&held, ordinary_signals[i]);
  if (first_argument != NULL && strcmp(first_argument, "--") == 0)
    for (size_t i = 0; i < COUNT(other_signals); i++) sigaddset(&held, other_signals[i]);
  sigprocmask(SIG_SETMASK, &held, NULL);
}

static void set_session_and_terminal(void) {
  if (options.session && setsid() < 0) must(-1, "setsid");
  if (options.group) must(setpgid(0, 0), "setpgid");
  if (options.foreground && isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgid(getppid()))
    hand_terminal_to(getpgrp());
}

static void set_file_limit(void) {
  struct rlimit limit;
  must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  const char *noted = getenv("TANDEM_NOFILE");
  int is_noted = noted != NULL && noted[strspn(noted, " \t")] != '\0'; /* empty is as if it were not set */
  if (options.note_nofile && !is_noted && limit.rlim_cur != RLIM_INFINITY) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)limit.rlim_cur);
    must(setenv("TANDEM_NOFILE", text, 1), "setenv");
  }
  if (options.nofile < 0) return;
  rlim_t soft = (rlim_t)options.nofile;
  limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
  must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/* Groups before uid: who has given up root may no longer change them. */
static void set_identity(void) {
  gid_t gid = (gid_t)options.gid;
  uid_t uid = (uid_t)options.uid;
  if (options.has_groups || options.uid >= 0) must(setgroups(options.group_count, options.groups), "setgroups");
  if (options.gid >= 0) must(setresgid(gid, gid, gid), "setgid");
  if (options.uid >= 0) must(setresuid(uid, uid, uid), "setuid");
  if (options.no_new_privileges) must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no-new-privs");
}

/* After the identity, because the kernel forgets it when that changes. */
static void tie_to_parent(void) {
  if (options.parent < 0) return;
  must(prctl(PR_SET_PDEATHSIG, SIGKILL), "die-with");
  if (getppid() != (pid_t)options.parent) raise(SIGKILL);
}

static void reset_signals(void) {
  for (int signal_number = 1; signal_number < NSIG; signal_number++) signal(signal_number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &held, NULL);
}

/* A name in a directory, as getdents64(2) tells it. */
struct entry {
  uint64_t inode, offset;
  unsigned short size;
  unsigned char type;
  char name[];
};

/* Node sees to its own and to the lowest of those that it has inherited; what lies higher would go to every service. */
static void close_descriptors_on_exec(void) {
#ifdef SYS_close_range
  enum { CLOSE_ON_EXEC = 1 << 2 }; /* CLOSE_RANGE_CLOEXEC, of Linux 5.11 */
  if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_ON_EXEC) == 0) return;
#endif
  int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  _Alignas(struct entry) char room[4096];
  for (long length; (length = syscall(SYS_getdents64, directory, room, sizeof room)) > 0;)
    for (long at = 0; at < length; at += ((struct entry *)(room + at))->size) {
      long fd = strtol(((struct entry *)(room + at))->name, NULL, 10);
      if (fd > STDERR_FILENO) fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    }
  close(directory);
}

/* A text file without a `#!` line is the shell's, as in execvp. */
static void exec_by_shell(const char *path, char **argv) {
  size_t count = 0;
  while (argv[count] != NULL) count++;
  char **words = calloc(count + 2, sizeof *words);
  if (words == NULL) return;
  words[0] = "/bin/sh";
  words[1] = (char *)path;
  if (count > 1) memcpy(words + 2, argv + 1, (count - 1) * sizeof *words);
  execve(words[0], words, environ);
}

static int is_called(const char *called, const char *name) {
  const char *slash = strrchr(called, '/');
  return strcmp(slash == NULL ? called : slash + 1, name) == 0;
}

/* Installed so, it would run anything for anybody. */
static void refuse_set_user_id(void) {
  if (getuid() == geteuid() && getgid() == getegid()) return;
  fail(CANNOT_RUN, "launch", "is set-user-ID or set-group-ID, which it may not be");
}

int main(int argc, char **argv) {
  refuse_set_user_id();
  const char *path = NULL;
  char **arguments = argv;
  if (argc > 0 && is_called(argv[0], "tandem")) {
    options.note_nofile = options.hold_signals = 1;
  } else {
    char **command = read_options(argv + 1);
    if (command[0] == NULL || command[1] == NULL) fail(CANNOT_RUN, "usage", "PATH and ARGV0 are missing");
    path = command[0];
    arguments = command + 1;
  }

  if (options.hold_signals) hold_signals(arguments[1]);
  if (path == NULL) path = beside("../tandem.cjs");
  else close_descriptors_on_exec();
  if (options.report >= 0) must(fcntl((int)options.report, F_SETFD, FD_CLOEXEC), "--report");
  set_session_and_terminal();
  set_file_limit();
  set_identity();
  tie_to_parent();
  reset_signals();
  execve(path, arguments, environ);
  if (errno == ENOEXEC) exec_by_shell(path, arguments);

  int error = errno;
  int interpreter_missing = error == ENOENT && access(path, F_OK) == 0;
  fail(error == ENOENT ? NOT_FOUND : CANNOT_RUN, path,
       interpreter_missing ? "its interpreter is not found" : strerror(error));
}
