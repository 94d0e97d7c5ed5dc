/* err.h - why something failed: a kind for programs, one sentence for people, and the field it is about.
 *
 * Every setter keeps the first reason and returns -1, so that failing is one line:
 *     return err_set(e, ERR_NOT_FOUND, "no task %s", id);
 * A NULL err is allowed and ignored. */
#ifndef ORION_LIB_ERR_H
#define ORION_LIB_ERR_H

enum err_kind {
    ERR_NONE,
    ERR_INVALID,      /* the input is wrong: `field` and the sentence say what to change */
    ERR_TOO_LARGE,    /* the input is over a limit */
    ERR_DENIED,
    ERR_NOT_FOUND,
    ERR_CONFLICT,
    ERR_UNAVAILABLE,  /* not now; the same call may work later */
    ERR_SYSTEM,       /* the operating system or a peer said no */
};

struct err {
    enum err_kind kind;
    char field[64];
    char text[448];
};

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_field(struct err *e, const char *field, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* adds strerror(errno) */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* "PREFIX: text" */
void err_clear(struct err *e);
const char *err_kind_name(enum err_kind kind);

#endif
