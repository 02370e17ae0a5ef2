/*
 * The load: CONNECTIONS connections to 127.0.0.1:PORT, one message of SIZE bytes outstanding on each. A message is
 * sent when the one before has come back whole; every byte that comes back is compared with what was sent.
 *
 *   load PORT PID SIZE CONNECTIONS WARMUP SECONDS
 *
 * Messages that come back in the SECONDS after the WARMUP seconds are counted, and timed from before they are sent
 * until they are back. If there are none, because one side or the machine stood still, the SECONDS last until there is
 * one. Then what is outstanding has a minute to come back. Prints JSON: rate in messages a
 * second, p50, p99, p999 and max in microseconds, count, errors (connections that failed, with the first reason),
 * server_cpu (of process PID, microseconds a message), busy (the share of a core that this process used itself).
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Where in the pattern messages begin: each connection's next one elsewhere, so that a mix-up doesn't go unseen. */
#define STARTS 4096
#define EVENTS 512
#define PATIENCE 60000000000ULL /* ns that the first message that counts, or those outstanding in the end, may take */

struct connection {
    int fd;
    int writing; /* whether we wait until we can send the rest */
    size_t start, sent, received;
    uint64_t begun; /* ns */
};

/*
 * A log-linear histogram, as HdrHistogram's: each power of two is cut into 128 equal parts, so that a value is known
 * to better than 1 %. The values are ns.
 */
#define PARTS 128
static uint64_t histogram[64 * PARTS];
static uint64_t recorded, highest;

static void record(uint64_t value)
{
    unsigned shift = value < PARTS ? 0 : 63 - (unsigned)__builtin_clzll(value) - 7;
    histogram[shift * PARTS + (value >> shift)]++;
    recorded++;
    if (value > highest)
        highest = value;
}

static double percentile(double share)
{
    uint64_t wanted = (uint64_t)(share * (double)recorded), seen = 0;
    for (unsigned index = 0; index < 64 * PARTS; index++) {
        seen += histogram[index];
        if (seen > wanted) {
            /* Above the first 256 values a slot's number is its shift, and 128 to 255 for the part. */
            unsigned shift = index < 2 * PARTS ? 0 : index / PARTS - 1;
            uint64_t part = index - shift * PARTS;
            return ((double)(part << shift) + (double)(1ULL << shift) / 2) / 1e3;
        }
    }
    return (double)highest / 1e3;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec time;
    if (clock_gettime(id, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000ULL + (uint64_t)time.tv_nsec;
}

static unsigned char *pattern;
static size_t size;
static int poller;
static int errors;
static int working; /* connections whose message is outstanding */
static const char *reason = "";

static void fail(struct connection *connection, const char *why)
{
    if (errors++ == 0)
        reason = why;
    close(connection->fd);
    connection->fd = -1;
    working--;
}

static void watch(struct connection *connection, int writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
    connection->writing = writing;
}

/* Send what is left of the message. */
static void push(struct connection *connection)
{
    const unsigned char *rest = pattern + connection->start + connection->sent;
    ssize_t count = send(connection->fd, rest, size - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) {
        fail(connection, "sending failed");
        return;
    }
    if (count > 0)
        connection->sent += (size_t)count;
    int writing = connection->sent < size;
    if (writing != connection->writing)
        watch(connection, writing);
}

static void begin(struct connection *connection, uint64_t now)
{
    connection->start = (connection->start + 61) % STARTS;
    connection->sent = connection->received = 0;
    connection->begun = now;
    push(connection);
}

/* Take what has come and compare it; say whether the message is whole. */
static int pull(struct connection *connection)
{
    static unsigned char buffer[1 << 16];
    ssize_t count = recv(connection->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count <= 0)
        fail(connection, count == 0 ? "the server closed a connection" : "receiving failed");
    else if (connection->received + (size_t)count > connection->sent)
        fail(connection, "more came back than was sent");
    else if (memcmp(buffer, pattern + connection->start + connection->received, (size_t)count) != 0)
        fail(connection, "other bytes came back than were sent");
    else
        return (connection->received += (size_t)count) == size;
    return 0;
}

/* Connect, and have one byte echoed: so the server has accepted this one before the next one comes. */
static int open_connection(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE / 1000000000ULL};
    int one = 1;
    char byte = 'x';
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1 ||
        recv(fd, &byte, 1, 0) != 1 || byte != 'x') {
        fprintf(stderr, "no connection to port %u that echoes: %s\n", (unsigned)port, strerror(errno));
        exit(1);
    }
    return fd;
}

/* Open all connections, each with an outstanding message. */
static void start(uint16_t port, int connections)
{
    struct connection *all = calloc((size_t)connections, sizeof *all);
    pattern = malloc(size + STARTS);
    poller = epoll_create1(0);
    if (!all || !pattern || poller < 0) {
        perror("load");
        exit(1);
    }
    uint64_t state = 88172645463325252ULL; /* xorshift64 */
    for (size_t index = 0; index < size + STARTS; index++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        pattern[index] = (unsigned char)(state >> 32);
    }
    for (int index = 0; index < connections; index++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[index]};
        all[index].fd = open_connection(port);
        all[index].start = (size_t)index * 127 % STARTS;
        if (epoll_ctl(poller, EPOLL_CTL_ADD, all[index].fd, &event) != 0) {
            perror("load");
            exit(1);
        }
    }
    working = connections;
    for (int index = 0; index < connections; index++)
        begin(&all[index], clock_ns(CLOCK_MONOTONIC));
}

int main(int count, char **words)
{
    if (count != 7) {
        fprintf(stderr, "usage: load PORT PID SIZE CONNECTIONS WARMUP SECONDS\n");
        return 2;
    }
    clockid_t server;
    if (clock_getcpuclockid((pid_t)atoi(words[2]), &server) != 0) {
        fprintf(stderr, "there is no process %s\n", words[2]);
        return 1;
    }
    size = (size_t)atol(words[3]);
    uint64_t warmup = (uint64_t)(atof(words[5]) * 1e9), seconds = (uint64_t)(atof(words[6]) * 1e9);
    alarm((unsigned)((warmup + seconds + 2 * PATIENCE) / 1000000000ULL) + 60);
    start((uint16_t)atoi(words[1]), atoi(words[4]));

    enum { WARMING, COUNTING, DRAINING } phase = WARMING;
    uint64_t now = clock_ns(CLOCK_MONOTONIC), counted = 0;
    uint64_t from = now + warmup, until = from + seconds; /* then as they were: between two batches of events */
    uint64_t served = 0, used = 0;                        /* CPU time, ns, of the server and our own */
    while (working > 0 && now < until + PATIENCE) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 10);
        now = clock_ns(CLOCK_MONOTONIC);
        if (phase == WARMING && now >= from) {
            phase = COUNTING;
            from = now;
            until = now + seconds;
            served = clock_ns(server);
            used = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        } else if (phase == COUNTING && now >= until && counted > 0) {
            phase = DRAINING;
            until = now;
            served = clock_ns(server) - served;
            used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
        }
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            if (events[index].events & EPOLLOUT && connection->sent < size)
                push(connection);
            if (connection->fd < 0 || !(events[index].events & ~(uint32_t)EPOLLOUT) || !pull(connection))
                continue;
            now = clock_ns(CLOCK_MONOTONIC);
            if (phase != WARMING)
                record(now - connection->begun);
            counted += phase == COUNTING;
            if (phase == DRAINING)
                working--;
            else
                begin(connection, now);
        }
    }
    if (working > 0 && errors == 0)
        reason = "messages didn't come back";
    double span = (double)(until - from), messages = counted ? (double)counted : 1;
    printf("{\"rate\": %.1f, \"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f, \"max\": %.2f, \"count\": %llu, "
           "\"errors\": %d, \"reason\": \"%s\", \"server_cpu\": %.4f, \"busy\": %.3f}\n",
           (double)counted / span * 1e9, percentile(.5), percentile(.99), percentile(.999), (double)highest / 1e3,
           (unsigned long long)counted, errors + working, reason, (double)served / messages / 1e3,
           (double)used / span);
    return 0;
}
