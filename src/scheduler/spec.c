/* spec.c - what a task asks for, copied into one block of memory, so that a long queue stays small. */
#include <stdalign.h>
#include <string.h>

#include "scheduler/core.h"

/* Where the next piece goes; with base NULL only the size is counted. */
struct packer {
    char *base;
    size_t used;
};

static void *pack(struct packer *p, const void *data, size_t size, size_t align)
{
    void *to = NULL;

    p->used = (p->used + align - 1) & ~(align - 1);
    if (p->base)
        to = memcpy(p->base + p->used, data, size);
    p->used += size;
    return to;
}

static const char *pack_text(struct packer *p, const char *text)
{
    return text ? pack(p, text, strlen(text) + 1, 1) : NULL;
}

static struct msg_strs pack_strs(struct packer *p, struct msg_strs from)
{
    const char **v = from.n ? pack(p, from.v, from.n * sizeof *from.v, alignof(char *)) : NULL;

    for (size_t i = 0; i < from.n; i++) {
        const char *text = pack_text(p, from.v[i]);
        if (v)
            v[i] = text;
    }
    return (struct msg_strs){ v, from.n };
}

static struct msg_pairs pack_pairs(struct packer *p, struct msg_pairs from)
{
    struct msg_pair *v = from.n ? pack(p, from.v, from.n * sizeof *from.v, alignof(struct msg_pair)) : NULL;

    for (size_t i = 0; i < from.n; i++) {
        struct msg_pair pair = { .key = pack_text(p, from.v[i].key) };
        pair.value = pack_text(p, from.v[i].value);
        if (v)
            v[i] = pair;
    }
    return (struct msg_pairs){ v, from.n };
}

static const struct policy *pack_policy(struct packer *p, const struct policy *from)
{
    struct policy *to, packed;

    if (!from)
        return NULL;
    to = pack(p, from, sizeof *from, alignof(struct policy));
    packed = *from;
    packed.after = from->n_after ? pack(p, from->after, from->n_after * sizeof *from->after, alignof(struct uuid)) : NULL;
    packed.retry_exit_codes.v = NULL;
    if (from->retry_exit_codes.n)
        packed.retry_exit_codes.v = pack(p, from->retry_exit_codes.v,
                                         from->retry_exit_codes.n * sizeof *from->retry_exit_codes.v, alignof(int64_t));
    packed.group = pack_text(p, from->group);
    if (to)
        *to = packed;
    return to;
}

static size_t pack_all(struct packer *p, const struct spec *from)
{
    struct spec *to = pack(p, from, sizeof *from, alignof(struct spec));
    struct spec packed = { .separate_streams = from->separate_streams, .priority = from->priority };

    packed.policy = pack_policy(p, from->policy);
    packed.args = pack_strs(p, from->args);
    packed.labels = pack_strs(p, from->labels);
    packed.env = pack_pairs(p, from->env);
    packed.project = pack_text(p, from->project);
    packed.repo = pack_text(p, from->repo);
    packed.target = pack_text(p, from->target);
    packed.ref = pack_text(p, from->ref);
    packed.mr = pack_text(p, from->mr);
    packed.driver = pack_text(p, from->driver);
    if (to)
        *to = packed;
    return p->used;
}

struct spec *spec_pack(const struct spec *from, struct arena *arena)
{
    struct packer p = { 0 };
    size_t size = pack_all(&p, from);

    p = (struct packer){ .base = arena ? arena_alloc(arena, size) : mem_alloc(size) };
    pack_all(&p, from);
    return (struct spec *)(void *)p.base;
}
