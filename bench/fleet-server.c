/*
 * fleet-server stdio | fleet-server http PORT
 *
 * An MCP server that takes no time of its own: what is measured of a call through it is all that is before it. It answers
 * initialize, tools/list and tools/call, over lines on stdin and stdout or over streamable HTTP (answers as JSON, no
 * streams; sessions have ids and nothing else). It reads no JSON, it looks for "method" and "id". Static, for an image of its own.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { size = 64 * 1024 };

/* The value behind a key where it is met first, as it stands there: 7, or "a". The params of what is asked here hold no id. */
static int value(const char *text, const char *key, char *to, size_t room) {
  const char *at = strstr(text, key);
  if (!at) return 0;
  at += strlen(key);
  size_t length = 0;
  int quoted = *at == '"';
  if (quoted) to[length++] = *at++;
  while (*at && length + 2 < room && (quoted ? *at != '"' : !strchr(",} \n", *at))) to[length++] = *at++;
  if (quoted) to[length++] = '"';
  to[length] = 0;
  return 1;
}

/* The answer to a message; 0 if it wants none. */
static int answer(const char *message, char *to, size_t room) {
  char id[128];
  if (!value(message, "\"id\":", id, sizeof id)) return 0;
  const char *result = "{}";
  if (strstr(message, "\"method\":\"tools/call\"")) {
    result = "{\"content\":[{\"type\":\"text\",\"text\":\"Echo: hello\"}]}";
  } else if (strstr(message, "\"method\":\"initialize\"")) {
    result = "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
             "\"serverInfo\":{\"name\":\"fleet-server\",\"version\":\"1\"}}";
  } else if (strstr(message, "\"method\":\"tools/list\"")) {
    result = "{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}]}";
  }
  return snprintf(to, room, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}", id, result);
}

static int send_all(int fd, const char *from, size_t length) {
  while (length > 0) {
    ssize_t sent = write(fd, from, length);
    if (sent <= 0) return 0;
    from += sent;
    length -= (size_t)sent;
  }
  return 1;
}

static int serve_lines(void) {
  static char line[size], reply[1024];
  while (fgets(line, sizeof line, stdin)) {
    int length = answer(line, reply, sizeof reply - 1);
    if (length == 0) continue;
    reply[length++] = '\n';
    if (!send_all(1, reply, (size_t)length)) return 0;
  }
  return 0;
}

/* Reads one request into `text`; its body is where the pointer says. */
static char *read_request(int fd, char *text) {
  size_t held = 0;
  for (;;) {
    ssize_t got = read(fd, text + held, size - 1 - held);
    if (got <= 0) return NULL;
    held += (size_t)got;
    text[held] = 0;
    char *end = strstr(text, "\r\n\r\n");
    if (!end) continue;
    char *length = strcasestr(text, "\r\ncontent-length:");
    size_t wanted = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (held >= (size_t)(end + 4 - text) + wanted) return end + 4;
  }
}

static void *serve_connection(void *argument) {
  int fd = (int)(intptr_t)argument;
  char *text = malloc(size);
  char body[1024], reply[1400];
  for (char *request; text && (request = read_request(fd, text));) {
    int isPost = strncmp(text, "POST", 4) == 0;
    int length = isPost ? answer(request, body, sizeof body) : 0;
    const char *status = isPost ? (length > 0 ? "200 OK" : "202 Accepted") : "405 Method Not Allowed";
    if (strncmp(text, "DELETE", 6) == 0) status = "200 OK";
    char session[64] = "";
    if (length > 0 && strstr(request, "\"method\":\"initialize\"")) {
      unsigned long long random = 0;
      if (getentropy(&random, sizeof random) != 0) break;
      snprintf(session, sizeof session, "mcp-session-id: %016llx\r\n", random);
    }
    int total = snprintf(reply, sizeof reply, "HTTP/1.1 %s\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n%.*s",
                         status, session, length, length, body);
    if (!send_all(fd, reply, (size_t)total)) break;
  }
  free(text);
  close(fd);
  return NULL;
}

static int serve_http(int port) {
  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0) return 1;
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) == 0) pthread_detach(thread);
    else close(fd);
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc == 3 && strcmp(argv[1], "http") == 0) return serve_http(atoi(argv[2]));
  if (argc == 2 && strcmp(argv[1], "stdio") == 0) return serve_lines();
  return 64;
}
