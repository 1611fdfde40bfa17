/* Loaded before the C library: writes down who asks the system for a name, which files below /etc
 * are opened, and where connections and datagrams go. One line each, into the file TRAP_LOG. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void note(const char *what, const char *detail) {
    const char *log = getenv("TRAP_LOG");
    if (!log)
        return;
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", what, detail ? detail : "");
    if (length < 0)
        return;
    if ((size_t)length >= sizeof line)
        length = sizeof line - 1;
    long file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0)
        return;
    syscall(SYS_write, file, line, (size_t)length);
    syscall(SYS_close, file);
}

static void note_file(const char *path) {
    if (path && strncmp(path, "/etc/", 5) == 0)
        note("open", path);
}

static void note_address(const char *what, const struct sockaddr *address) {
    char host[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];
    unsigned port = 0;
    if (!address)
        return;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        port = ntohs(v4->sin_port);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        port = ntohs(v6->sin6_port);
    } else {
        return;
    }
    snprintf(text, sizeof text, "%s %u", host, port);
    note(what, text);
}

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    note("getaddrinfo", host);
    return NEXT(getaddrinfo)(host, service, hints, found);
}

struct hostent *gethostbyname(const char *host) {
    note("gethostbyname", host);
    return NEXT(gethostbyname)(host);
}

int gethostbyname_r(const char *host, struct hostent *entry, char *buffer, size_t size,
                    struct hostent **found, int *error) {
    note("gethostbyname_r", host);
    return NEXT(gethostbyname_r)(host, entry, buffer, size, found, error);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    note_file(path);
    return NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    note_file(path);
    return NEXT(open64)(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
    note_file(path);
    return NEXT(fopen)(path, mode);
}

int connect(int socket, const struct sockaddr *address, socklen_t size) {
    note_address("connect", address);
    return NEXT(connect)(socket, address, size);
}

ssize_t sendto(int socket, const void *data, size_t length, int flags,
               const struct sockaddr *address, socklen_t size) {
    note_address("send", address);
    return NEXT(sendto)(socket, data, length, flags, address, size);
}
