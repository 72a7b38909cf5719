/* The limit: a client that writes its commands at once and throws away what it reads.
 *
 *     raw fetch|poll|idle HOST PORT CA_FILE USER_FORMAT FIRST COUNT CONNECTIONS
 *
 * USER_FORMAT is a user name, or holds one %05d for FIRST .. FIRST+COUNT-1. The password is "bench".
 *   fetch  LOGIN, EXAMINE, UID FETCH 1:* BODY.PEEK[] in one write
 *   poll   LOGIN, STATUS in one write
 *   idle   LOGIN, EXAMINE, IDLE; holds COUNT connections from one process until standard input ends
 *
 * It waits for the greeting, as a client must, and sends LOGOUT only after the last tagged reply: Dovecot 2.3
 * loses the end of an answer over TLS where LOGOUT is pipelined behind it. Nothing is believed blindly: the
 * certificate and its name are verified, literals are skipped by their length, every tagged reply must be OK.
 */
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

enum { BUFFER = 1 << 17, LINE = 8192 };

static enum { FETCH, POLL, IDLE } mode;
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

static void *worker(void *unused) {
    char *buffer = malloc(BUFFER);
    int number;
    while (buffer && (number = atomic_fetch_add(&next_user, 1)) < first + count) {
        atomic_fetch_add(&sessions, 1);
        if (!session(number, buffer)) atomic_fetch_add(&failures, 1);
    }
    free(buffer);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: raw fetch|poll|idle HOST PORT CA_FILE USER_FORMAT FIRST COUNT CONNECTIONS\n");
        return 2;
    }
    mode = !strcmp(argv[1], "fetch") ? FETCH : !strcmp(argv[1], "poll") ? POLL : IDLE;
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
