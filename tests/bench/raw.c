/* The limit: a client that writes its commands at once and throws away what it reads.
 *
 *     raw fetch|poll|idle|retr HOST PORT CA_FILE USER_FORMAT FIRST COUNT CONNECTIONS
 *
 * USER_FORMAT is a user name, or holds one %05d for FIRST .. FIRST+COUNT-1. The password is "bench".
 *   fetch  LOGIN, EXAMINE, UID FETCH 1:* BODY.PEEK[] in one write
 *   poll   LOGIN, STATUS in one write
 *   idle   LOGIN, EXAMINE, IDLE; holds COUNT connections from one process until standard input ends
 *   retr   POP3: USER, PASS and STAT in one write, then RETR of every message, a hundred outstanding
 *
 * It waits for the greeting, as a client must, and sends LOGOUT only after the last tagged reply: Dovecot 2.3
 * loses the end of an answer over TLS where LOGOUT is pipelined behind it. Nothing is believed blindly: the
 * certificate and its name are verified, literals are skipped by their length, every tagged reply must be OK.
 */
#define _GNU_SOURCE /* memmem */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 17, LINE = 8192, WINDOW = 100 };

static enum { FETCH, POLL, IDLE, RETR } mode;
static const char *host, *user_format;
static struct addrinfo *peer;
static SSL_CTX *tls;
static int first, count;
static atomic_int next_user, sessions, failures;
static atomic_long messages, octets;

/* What the answer is made of: lines, and literals that hide lines. */
struct scanner {
    long literal;      /* octets of a literal still to come */
    int length;        /* of the line so far */
    char line[LINE];
    int tagged, bad;   /* tagged replies; those that were not OK */
    int untagged, continued;
};

static void end_of_line(struct scanner *s) {
    char *line = s->line, *open;
    s->line[s->length] = 0;
    if (line[0] >= 'a' && line[0] <= 'z' && line[1] == ' ') {
        s->tagged++;
        if (strncmp(line + 2, "OK", 2)) {
            s->bad++;
            fprintf(stderr, "raw: %s", line);
        }
    } else if (line[0] == '+') {
        s->continued++;
    } else if (line[0] == '*') {
        s->untagged++;
    }
    if (s->length > 3 && line[s->length - 3] == '}' && (open = strrchr(line, '{'))) {
        s->literal = atol(open + 1);
        atomic_fetch_add(&messages, 1);
    }
    s->length = 0;
}

static void scan(struct scanner *s, const char *data, long size) {
    while (size > 0) {
        long step;
        if (s->literal > 0) {
            step = s->literal < size ? s->literal : size;
            s->literal -= step;
        } else {
            const char *end = memchr(data, '\n', size);
            step = end ? end - data + 1 : size;
            if (s->length + step >= LINE) {
                s->bad++;
                s->length = 0;
            } else {
                memcpy(s->line + s->length, data, step);
                s->length += step;
            }
            if (end) end_of_line(s);
        }
        data += step;
        size -= step;
    }
}

static SSL *dial(void) {
    int one = 1, fd = -1;
    for (struct addrinfo *a = peer; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) return NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL *ssl = SSL_new(tls);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, host);
    SSL_set1_host(ssl, host);
    if (SSL_connect(ssl) == 1) return ssl;
    fprintf(stderr, "raw: TLS: %s\n", X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void hang_up(SSL *ssl) {
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

/* Reads until `*what` has reached `target`; 0 where the connection ended before. */
static int await(SSL *ssl, struct scanner *s, char *buffer, const int *what, int target) {
    while (*what < target) {
        int got = SSL_read(ssl, buffer, BUFFER);
        if (got <= 0) return 0;
        atomic_fetch_add(&octets, got);
        scan(s, buffer, got);
    }
    return 1;
}

static int say(SSL *ssl, const char *text) {
    int size = strlen(text);
    return SSL_write(ssl, text, size) == size;
}

static int session(int number, char *buffer) {
    static const char *const then[] = {
        [FETCH] = "b EXAMINE INBOX\r\nc UID FETCH 1:* (UID BODY.PEEK[])\r\n",
        [POLL] = "b STATUS INBOX (UIDNEXT UIDVALIDITY MESSAGES)\r\n",
        [IDLE] = "b EXAMINE INBOX\r\nc IDLE\r\n",
    };
    char user[256], commands[512];
    struct scanner *s = calloc(1, sizeof *s);
    SSL *ssl = s ? dial() : NULL;
    int good = 0;
    snprintf(user, sizeof user, user_format, number);
    snprintf(commands, sizeof commands, "a LOGIN %s bench\r\n%s", user, then[mode]);
    if (!ssl || !await(ssl, s, buffer, &s->untagged, 1) || !say(ssl, commands)) goto end;
    if (mode == IDLE) {
        /* The connection stays open until the process ends. */
        good = await(ssl, s, buffer, &s->continued, 1) && !s->bad;
        free(s);
        return good;
    }
    if (!await(ssl, s, buffer, &s->tagged, mode == FETCH ? 3 : 2)) goto end;
    good = !s->bad && say(ssl, "z LOGOUT\r\n") && await(ssl, s, buffer, &s->tagged, mode == FETCH ? 4 : 3);
end:
    if (ssl) hang_up(ssl);
    free(s);
    return good;
}

/* A POP3 answer: a status line, and after that of a RETR the lines of the message up to a lone dot. */
struct pop {
    SSL *ssl;
    char *buffer;
    int at, end;
};

/* Reads more where everything was used; 0 where the connection ended. */
static int pop_more(struct pop *p) {
    if (p->at < p->end) return 1;
    p->at = 0;
    p->end = SSL_read(p->ssl, p->buffer, BUFFER);
    if (p->end > 0) atomic_fetch_add(&octets, p->end);
    return p->end > 0;
}

/* One status line into `line`; 0 where it is not +OK. */
static int pop_line(struct pop *p, char *line) {
    int length = 0;
    do {
        if (length == LINE - 1 || !pop_more(p)) return 0;
        line[length++] = p->buffer[p->at++];
    } while (line[length - 1] != '\n');
    line[length] = 0;
    if (!strncmp(line, "+OK", 3)) return 1;
    fprintf(stderr, "raw: %s", line);
    return 0;
}

/* Skips the lines of a message. */
static int pop_body(struct pop *p) {
    static const char end[] = "\r\n.\r\n";
    char seam[8] = "\r\n"; /* the last octets of what was read before: the end may lie across two reads */
    int kept = 2;
    while (pop_more(p)) {
        char *data = p->buffer + p->at, *found;
        int size = p->end - p->at, ahead = size < 4 ? size : 4;
        memcpy(seam + kept, data, ahead);
        if ((found = memmem(seam, kept + ahead, end, 5))) {
            p->at += found + 5 - seam - kept;
            return 1;
        }
        if ((found = memmem(data, size, end, 5))) {
            p->at += found + 5 - data;
            return 1;
        }
        if (size >= 4) {
            memcpy(seam, data + size - 4, 4);
            kept = 4;
        } else {
            int all = kept + size, drop = all > 4 ? all - 4 : 0;
            memmove(seam, seam + drop, all - drop);
            kept = all - drop;
        }
        p->at = p->end;
    }
    return 0;
}

static int pop_session(int number, char *buffer) {
    char user[256], text[512], line[LINE];
    struct pop p = {.ssl = dial(), .buffer = buffer};
    int total, asked = 0, got = 0, good = 0;
    snprintf(user, sizeof user, user_format, number);
    snprintf(text, sizeof text, "USER %s\r\nPASS bench\r\nSTAT\r\n", user);
    if (!p.ssl || !pop_line(&p, line) || !say(p.ssl, text)) goto end;
    for (int i = 0; i < 3; i++) if (!pop_line(&p, line)) goto end;
    total = atoi(line + 4);
    while (got < total) {
        /* Half a window at a time, so that a write holds many. */
        if (asked < total && asked - got <= WINDOW / 2) {
            char commands[WINDOW * 16];
            int length = 0;
            while (asked < total && asked - got < WINDOW) length += sprintf(commands + length, "RETR %d\r\n", ++asked);
            if (SSL_write(p.ssl, commands, length) != length) goto end;
        }
        if (!pop_line(&p, line) || !pop_body(&p)) goto end;
        atomic_fetch_add(&messages, 1);
        got++;
    }
    good = say(p.ssl, "QUIT\r\n") && pop_line(&p, line);
end:
    if (p.ssl) hang_up(p.ssl);
    return good;
}

static void *worker(void *unused) {
    char *buffer = malloc(BUFFER);
    int number;
    while (buffer && (number = atomic_fetch_add(&next_user, 1)) < first + count) {
        atomic_fetch_add(&sessions, 1);
        if (!(mode == RETR ? pop_session : session)(number, buffer)) atomic_fetch_add(&failures, 1);
    }
    free(buffer);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: raw fetch|poll|idle|retr HOST PORT CA_FILE USER_FORMAT FIRST COUNT CONNECTIONS\n");
        return 2;
    }
    const char *what = argv[1];
    mode = !strcmp(what, "fetch") ? FETCH : !strcmp(what, "poll") ? POLL : !strcmp(what, "retr") ? RETR : IDLE;
    host = argv[2], user_format = argv[5];
    first = atoi(argv[6]), count = atoi(argv[7]);
    int threads = atoi(argv[8]);
    signal(SIGPIPE, SIG_IGN);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    tls = SSL_CTX_new(TLS_client_method());
    if (getaddrinfo(host, argv[3], &hints, &peer) || !SSL_CTX_load_verify_locations(tls, argv[4], NULL)) {
        fprintf(stderr, "raw: no such host, or no such CA file\n");
        return 2;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    /* Read-ahead was tried: it changes nothing at this rate. */
    if (mode == IDLE) SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    atomic_store(&next_user, first);
    pthread_t thread[512];
    threads = threads < 1 ? 1 : threads > 512 ? 512 : threads;
    for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, worker, NULL);
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    printf("sessions %d failures %d messages %ld octets %ld\n", sessions, failures, messages, octets);
    fflush(stdout);
    if (mode == IDLE) while (getchar() != EOF) {}
    return failures ? 1 : 0;
}
