/*
 * The health command's question, without Node's network: a connect, a write and reads, which block for as long as they may.
 */
#include "addon.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static long milliseconds(void) {
  struct timespec now;
  kernel(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0: there is something to read, or the end. */
static long await_input(int fd, long limit) {
  struct pollfd input = {.fd = fd, .events = POLLIN};
  struct timespec left = {.tv_sec = limit / 1000, .tv_nsec = limit % 1000 * 1000000};
  long ready = limit <= 0 ? 0 : kernel(SYS_ppoll, (long)&input, 1, (long)&left, 0, KERNEL_SIGSET_BYTES);
  return ready > 0 ? 0 : ready < 0 ? ready : -ETIMEDOUT;
}

/* Reads until the peer ends it, the room is full or the time is over. */
static long read_all(int fd, char *room, size_t size, long deadline) {
  size_t length = 0;
  while (length < size) {
    long error = await_input(fd, deadline - milliseconds());
    if (error < 0) return error;
    long count = kernel(SYS_read, fd, (long)(room + length), (long)(size - length), 0, 0);
    if (count < 0) return count;
    if (count == 0) break;
    length += (size_t)count;
  }
  return (long)length;
}

/*
 * ask(path, question, answer, limitMs): the number of bytes that the one who listens on this Unix socket has put into
 * `answer`, a Buffer, before it closed. Blocks, for as long as `limitMs`. A question is at most 512 bytes.
 */
static napi_value ask(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value given[4];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char question[513];
  size_t length = 0, path_length = 0, size = 0;
  void *answer = NULL;
  int32_t limit = 0;
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  napi_get_value_string_utf8(env, given[0], NULL, 0, &path_length);
  napi_get_value_string_utf8(env, given[0], address.sun_path, sizeof address.sun_path, NULL);
  napi_get_value_string_utf8(env, given[1], question, sizeof question, &length);
  napi_get_value_int32(env, given[3], &limit);
  if (path_length >= sizeof address.sun_path) return number(env, -ENAMETOOLONG);
  if (napi_get_buffer_info(env, given[2], &answer, &size) != napi_ok) return number(env, -EINVAL);

  long deadline = milliseconds() + limit;
  long fd = kernel(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0);
  if (fd < 0) return number(env, fd);
  long result = kernel(SYS_connect, fd, (long)&address, sizeof address, 0, 0);
  if (result == 0) result = kernel(SYS_sendto, fd, (long)question, (long)length, MSG_NOSIGNAL, 0);
  if (result >= 0) result = read_all((int)fd, answer, size, deadline);
  kernel(SYS_close, fd, 0, 0, 0, 0);
  return number(env, result);
}

void export_ask(napi_env env, napi_value exports) { export(env, exports, "ask", ask); }
