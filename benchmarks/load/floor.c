/* Copyright: (c) 2026, The llmops.kubernetes contributors
 * GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The least that a client can do, as a floor for all others: floor LOG PORT WARMUP REQUESTS CONCURRENCY RATE
 *
 * It sends the same request over kept connections and keeps the time of every read; nothing is looked at but the end of
 * the answer. A warm-up round comes first. Then a closed loop of CONCURRENCY, or with a RATE per second above 0 an open
 * loop with exponential gaps. The log has 64-bit integers: requests, and for each request when it was due, when it was
 * sent, the number of reads, and their times (CLOCK_MONOTONIC, nanoseconds). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 8192
#define READS 1024
#define EVENTS 64

struct request {
    int64_t due, sent;
    int count;
    int64_t reads[READS];
};

static struct request *requests;
static int idle[CONNECTIONS], idle_count, carried[CONNECTIONS + 16], epoll_fd, port;
static char text[2048];
static size_t text_size;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int make_connection(void) {
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || fd >= CONNECTIONS || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    return fd;
}

static void start(int number, int64_t due) {
    int fd = idle_count ? idle[--idle_count] : make_connection();
    carried[fd] = number;
    requests[number].due = due;
    requests[number].sent = now_ns();
    if (send(fd, text, text_size, MSG_NOSIGNAL) != (ssize_t)text_size)
        fail("send");
}

/* Read from one connection; returns 1 when its answer is whole. */
static int take(int fd) {
    static char piece[256 * 1024];
    ssize_t size = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    int64_t now = now_ns();
    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size <= 0)
        fail("the server has closed a connection");
    struct request *request = &requests[carried[fd]];
    if (request->count < READS)
        request->reads[request->count++] = now;
    if (size < 5 || memcmp(piece + size - 5, "0\r\n\r\n", 5) != 0)
        return 0;
    idle[idle_count++] = fd;
    return 1;
}

static void run(int first, int total, int concurrency, double rate) {
    struct epoll_event events[EVENTS];
    int next = 0, ended = 0;
    int64_t due = now_ns();
    while (ended < total) {
        if (rate > 0) {
            for (; next < total && due <= now_ns(); next++) {
                start(first + next, due);
                due += (int64_t)(-log(1.0 - drand48()) / rate * 1e9);
            }
        } else {
            for (; next < total && next - ended < concurrency; next++)
                start(first + next, now_ns());
        }
        int64_t left = rate > 0 && next < total ? due - now_ns() : 1000000000;
        if (left < 0)
            left = 0;
        struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        int found = epoll_pwait2(epoll_fd, events, EVENTS, &timeout, NULL);
        for (int at = 0; at < found; at++)
            ended += take(events[at].data.fd);
    }
}

int main(int count, char **words) {
    if (count != 7) {
        fprintf(stderr, "usage: floor LOG PORT WARMUP REQUESTS CONCURRENCY RATE\n");
        return 2;
    }
    port = atoi(words[2]);
    int warmup = atoi(words[3]), total = atoi(words[4]), concurrency = atoi(words[5]);
    double rate = atof(words[6]);
    const char *body = "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"time year people way day man thing"
                       " woman life child world school state family student group\"}],\"max_tokens\":64,\"stream\":true,"
                       "\"stream_options\":{\"include_usage\":true}}";
    text_size = (size_t)sprintf(text, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                                "application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    requests = calloc((size_t)(warmup + total), sizeof *requests);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (requests == NULL || epoll_fd < 0)
        fail("start");
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    srand48(1);
    run(0, warmup, rate > 0 ? warmup : concurrency, 0);
    run(warmup, total, concurrency, rate);
    FILE *file = fopen(words[1], "wb");
    int64_t many = total;
    if (file == NULL || fwrite(&many, sizeof many, 1, file) != 1)
        fail(words[1]);
    for (int at = warmup; at < warmup + total; at++) {
        int64_t head[3] = {requests[at].due, requests[at].sent, requests[at].count};
        if (fwrite(head, sizeof head[0], 3, file) != 3 ||
            fwrite(requests[at].reads, sizeof(int64_t), (size_t)requests[at].count, file) != (size_t)requests[at].count)
            fail(words[1]);
    }
    return fclose(file) == 0 ? 0 : 1;
}
