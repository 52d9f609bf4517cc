/* Copyright: (c) 2026, The llmops.kubernetes contributors
 * GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A model server whose latencies are known: server LOG TTFT_US ITL_US TOKENS SLOTS
 *
 * One thread, plain HTTP/1.1 on loopback, events of a chat as vLLM writes them, each token a chunk of its own. Every
 * token has an absolute due time, counted from the moment when its request had been read, so that lateness never adds
 * up. With SLOTS above 0 so many answers are written at once, and other requests wait in turn: their time to the first
 * token begins when they get a slot. The time right before each hand-over to the kernel is kept, on CLOCK_MONOTONIC, which all processes of a machine
 * share. It prints its port, and ends at SIGTERM, when it writes the log: 64-bit integers, namely requests, tokens per
 * request, the first accept, and for each request its connection, when it was read, and a time per token. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INPUT_BYTES (256 * 1024)
#define EVENTS 64
#define DESCRIPTORS 16384

struct connection {
    int fd;
    char *input;
    size_t have;
    int64_t due;     /* of its next token; in the heap while an answer is on its way */
    int64_t request; /* its number, -1: none */
    int token;
};

static struct connection *connections[DESCRIPTORS];
static struct connection *heap[DESCRIPTORS];
static int heap_size;
static struct connection *waiting[DESCRIPTORS];
static int waiting_first, waiting_count, active, slots;
static int64_t *log_cells;
static int64_t requests, room, first_accept;
static int64_t ttft_ns, itl_ns;
static int tokens, epoll_fd;
static char first_text[1024], middle_text[1024], last_text[4096], models_text[2048];
static size_t first_size, middle_size, last_size, models_size;
static volatile sig_atomic_t ended;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void end(int signal_number) {
    (void)signal_number;
    ended = 1;
}

/* The heap of the connections that have a token due, the earliest at the top. */

static void sift_up(int at) {
    while (at > 0 && heap[(at - 1) / 2]->due > heap[at]->due) {
        struct connection *other = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = heap[at];
        heap[at] = other;
        at = (at - 1) / 2;
    }
}

static void sift_down(int at) {
    for (;;) {
        int least = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < heap_size && heap[child]->due < heap[least]->due)
                least = child;
        if (least == at)
            return;
        struct connection *other = heap[least];
        heap[least] = heap[at];
        heap[at] = other;
        at = least;
    }
}

static void heap_remove(int at) {
    heap[at] = heap[--heap_size];
    if (at < heap_size) {
        sift_up(at);
        sift_down(at);
    }
}

/* Answers begin when there is a slot, in the order in which their requests came. */

static void begin_answers(int64_t now) {
    while (waiting_count && (slots == 0 || active < slots)) {
        struct connection *connection = waiting[waiting_first];
        waiting_first = (waiting_first + 1) % DESCRIPTORS;
        waiting_count--;
        if (connection == NULL)
            continue; /* its client is gone */
        active++;
        connection->due = now + ttft_ns;
        heap[heap_size] = connection;
        sift_up(heap_size++);
    }
}

static void end_answer(int at) {
    heap_remove(at);
    active--;
}

/* The texts, made once. */

static size_t put_chunk(char *target, const char *event) {
    return (size_t)sprintf(target, "%zx\r\ndata: %s\n\n\r\n", strlen(event) + 8, event);
}

static void make_texts(void) {
    char event[1024];
    const char *head = "HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 00:00:00 GMT\r\nserver: known\r\n"
                       "content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    const char *frame = "{\"id\":\"chatcmpl-0123456789abcdef0123456789abcdef\",\"object\":\"chat.completion.chunk\","
                        "\"created\":1795478400,\"model\":\"tiny\",\"choices\":[%s]%s}";
    const char *choice = "{\"index\":0,\"delta\":{%s\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":%s}";
    char inner[512], usage[256], only[1024];
    size_t at = (size_t)sprintf(first_text, "%s", head);
    sprintf(inner, choice, "\"role\":\"assistant\",", "null");
    sprintf(event, frame, inner, "");
    first_size = at + put_chunk(first_text + at, event);
    sprintf(inner, choice, "", "null");
    sprintf(event, frame, inner, "");
    middle_size = put_chunk(middle_text, event);
    at = 0;
    if (tokens == 1)
        at = (size_t)sprintf(last_text, "%s", head);
    sprintf(inner, choice, tokens == 1 ? "\"role\":\"assistant\"," : "", "\"length\"");
    sprintf(event, frame, inner, "");
    at += put_chunk(last_text + at, event);
    sprintf(usage, ",\"usage\":{\"prompt_tokens\":32,\"total_tokens\":%d,\"completion_tokens\":%d}", 32 + tokens, tokens);
    sprintf(event, frame, "", usage);
    at += put_chunk(last_text + at, event);
    at += put_chunk(last_text + at, "[DONE]");
    last_size = at + (size_t)sprintf(last_text + at, "0\r\n\r\n");
    sprintf(only,
            "{\"object\":\"list\",\"id\":\"0\",\"model\":\"tiny\",\"data\":[{\"id\":\"tiny\",\"object\":\"model\","
            "\"created\":0,\"owned_by\":\"known\",\"max_model_len\":32768}],\"choices\":[{\"index\":0,\"message\":"
            "{\"role\":\"assistant\",\"content\":\"word\"},\"finish_reason\":\"length\"}]%s}", usage);
    models_size = (size_t)sprintf(models_text, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                                  "content-length: %zu\r\n\r\n%s", strlen(only), only);
}

/* Connections. */

static void drop(struct connection *connection) {
    for (int at = 0; at < heap_size; at++)
        if (heap[at] == connection) {
            end_answer(at);
            break;
        }
    for (int at = 0; at < waiting_count; at++)
        if (waiting[(waiting_first + at) % DESCRIPTORS] == connection)
            waiting[(waiting_first + at) % DESCRIPTORS] = NULL;
    close(connection->fd);
    connections[connection->fd] = NULL;
    free(connection->input);
    free(connection);
}

static int hand_over(struct connection *connection, const char *text, size_t size) {
    /* An answer is far smaller than a socket's buffer: what does not fit belongs to a client that is gone. */
    return send(connection->fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* A request that is whole begins its answer; returns 0 when the connection is to be dropped. */
static int take_request(struct connection *connection) {
    char *head_end = memmem(connection->input, connection->have, "\r\n\r\n", 4);
    if (head_end == NULL)
        return connection->have < INPUT_BYTES;
    size_t head = (size_t)(head_end - connection->input) + 4, body = 0;
    *head_end = 0;
    char *length = strcasestr(connection->input, "\r\ncontent-length:");
    if (length != NULL)
        body = strtoul(length + 17, NULL, 10);
    *head_end = '\r';
    if (head + body > INPUT_BYTES)
        return 0;
    if (connection->have < head + body)
        return 1;
    if (connection->request >= 0)
        return 0; /* no pipelining */
    int chat = strncmp(connection->input, "POST /v1/chat/completions", 25) == 0;
    int streams = chat && (memmem(connection->input + head, body, "\"stream\":true", 13) != NULL ||
                           memmem(connection->input + head, body, "\"stream\": true", 14) != NULL);
    connection->have -= head + body;
    memmove(connection->input, connection->input + head + body, connection->have);
    if (!streams)
        return hand_over(connection, models_text, models_size);
    if (requests == room) {
        room = room ? room * 2 : 4096;
        log_cells = realloc(log_cells, (size_t)room * (size_t)(tokens + 2) * sizeof *log_cells);
        if (log_cells == NULL)
            fail("memory");
    }
    int64_t now = now_ns(), *cells = log_cells + requests * (tokens + 2);
    memset(cells, 0, (size_t)(tokens + 2) * sizeof *cells);
    cells[0] = connection->fd;
    cells[1] = now;
    connection->request = requests++;
    connection->token = 0;
    waiting[(waiting_first + waiting_count++) % DESCRIPTORS] = connection;
    begin_answers(now);
    return 1;
}

static void take_input(struct connection *connection) {
    ssize_t size = recv(connection->fd, connection->input + connection->have, INPUT_BYTES - connection->have, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        drop(connection);
        return;
    }
    connection->have += (size_t)size;
    if (!take_request(connection))
        drop(connection);
}

static void take_connections(int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (!first_accept)
            first_accept = now_ns();
        if (fd >= DESCRIPTORS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL || (connection->input = malloc(INPUT_BYTES)) == NULL)
            fail("memory");
        connection->fd = fd;
        connection->request = -1;
        connections[fd] = connection;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
}

static void send_due(void) {
    int64_t now;
    while (heap_size && heap[0]->due <= (now = now_ns())) {
        struct connection *connection = heap[0];
        int token = connection->token++, last = token == tokens - 1, sent;
        log_cells[connection->request * (tokens + 2) + 2 + token] = now;
        if (last) {
            end_answer(0);
            connection->request = -1;
            sent = hand_over(connection, last_text, last_size);
            begin_answers(now);
        } else {
            connection->due += itl_ns;
            sift_down(0);
            sent = token ? hand_over(connection, middle_text, middle_size) : hand_over(connection, first_text, first_size);
        }
        if (!sent)
            drop(connection);
    }
}

static void write_log(const char *path) {
    FILE *file = fopen(path, "wb");
    int64_t head[3] = {requests, tokens, first_accept};
    size_t cells = (size_t)(requests * (tokens + 2));
    if (file == NULL || fwrite(head, sizeof head[0], 3, file) != 3 ||
        fwrite(log_cells, sizeof *log_cells, cells, file) != cells || fclose(file) != 0)
        fail(path);
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "usage: server LOG TTFT_US ITL_US TOKENS SLOTS\n");
        return 2;
    }
    ttft_ns = atoll(words[2]) * 1000;
    itl_ns = atoll(words[3]) * 1000;
    tokens = atoi(words[4]);
    slots = atoi(words[5]);
    make_texts();
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        fail("listen");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (!ended) {
        int64_t left = heap_size ? heap[0]->due - now_ns() : 1000000000;
        if (left < 0)
            left = 0;
        struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        int found = epoll_pwait2(epoll_fd, events, EVENTS, &timeout, NULL);
        for (int at = 0; at < found; at++) {
            if (events[at].data.fd == listener)
                take_connections(listener);
            else if (connections[events[at].data.fd] != NULL)
                take_input(connections[events[at].data.fd]);
        }
        send_due();
    }
    write_log(words[1]);
    return 0;
}
