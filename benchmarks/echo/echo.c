/*
 * The limit: an echo in C on one core, epoll and nothing else. TCP_NODELAY is on. What can't be sent at once is kept,
 * and the connection isn't read until it is gone, so each holds at most one read.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512

struct connection {
    int fd;
    char *rest; /* what couldn't be sent */
    size_t length, sent;
};

static int poller;

static void watch(struct connection *connection, int operation, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(poller, operation, connection->fd, &event);
}

static void lose(struct connection *connection)
{
    close(connection->fd);
    free(connection->rest);
    free(connection);
}

static void greet(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->fd = fd;
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
}

static void keep(struct connection *connection, const char *rest, size_t length)
{
    connection->rest = malloc(length);
    if (!connection->rest) {
        lose(connection);
        return;
    }
    memcpy(connection->rest, rest, length);
    connection->length = length;
    connection->sent = 0;
    watch(connection, EPOLL_CTL_MOD, EPOLLOUT);
}

static void echo(struct connection *connection)
{
    static char buffer[1 << 16];
    ssize_t count = recv(connection->fd, buffer, sizeof buffer, 0);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN)
            lose(connection);
        return;
    }
    ssize_t sent = send(connection->fd, buffer, (size_t)count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        lose(connection);
    else if (sent < count)
        keep(connection, buffer + (sent > 0 ? sent : 0), (size_t)(count - (sent > 0 ? sent : 0)));
}

static void flush(struct connection *connection)
{
    size_t left = connection->length - connection->sent;
    ssize_t sent = send(connection->fd, connection->rest + connection->sent, left, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            lose(connection);
        return;
    }
    connection->sent += (size_t)sent;
    if (connection->sent == connection->length) {
        free(connection->rest);
        connection->rest = NULL;
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL is the listener */
    if (listener < 0 || poller < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) {
        perror("echo");
        return 1;
    }
    printf("127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            if (!connection)
                greet(listener);
            else if (connection->rest)
                flush(connection);
            else
                echo(connection);
        }
    }
}
