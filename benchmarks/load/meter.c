/* Copyright: (c) 2026, The llmops.kubernetes contributors
 * GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs a command and tells what it took: meter FILE SECONDS COMMAND...
 *
 * A program of its own, because the kernel counts the memory of whoever starts a process to its peak, and Python's is
 * larger than some of the clients. The file gets: start (CLOCK_MONOTONIC, nanoseconds), wall nanoseconds, user and
 * system microseconds of the process and all descendants that were waited for, the peak of the largest one in KiB, and
 * the exit code (128 + signal). After SECONDS the command's process group is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void stop(int signal_number) {
    (void)signal_number;
    kill(-child, SIGKILL);
}

int main(int count, char **words) {
    if (count < 4) {
        fprintf(stderr, "usage: meter FILE SECONDS COMMAND...\n");
        return 2;
    }
    int64_t start = now_ns();
    child = fork();
    if (child == 0) {
        setpgid(0, 0);
        execvp(words[3], words + 3);
        fprintf(stderr, "meter: %s: %s\n", words[3], strerror(errno));
        _exit(127);
    }
    setpgid(child, child);
    signal(SIGALRM, stop);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    alarm((unsigned)atoi(words[2]));
    int status;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return 1;
    int64_t end = now_ns();
    alarm(0);
    kill(-child, SIGKILL); /* what it has left behind */
    FILE *file = fopen(words[1], "w");
    if (file == NULL)
        return 1;
    fprintf(file, "%lld %lld %lld %lld %ld %d\n", (long long)start, (long long)(end - start),
            (long long)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
            (long long)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec, usage.ru_maxrss,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(file) == 0 ? 0 : 1;
}
