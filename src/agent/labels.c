/* labels.c - what this agent offers: the labels of its settings, and what the machine is.
 *
 * Architectures by their Debian names, so that `arch=arm64` means the same on every kernel. */
#include <string.h>
#include <sys/utsname.h>

#include "agent/agent.h"
#include "lib/mem.h"

enum { LABELS_MAX = 64 };

static const char *arch_name(const char *machine)
{
    static const struct {
        const char *machine, *name;
    } names[] = {
        { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "armhf" }, { "i686", "i386" },
        { "ppc64le", "ppc64el" }, { "riscv64", "riscv64" }, { "s390x", "s390x" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].machine, machine) == 0)
            return names[i].name;
    return machine;
}

static bool has_key(struct msg_strs labels, const char *key)
{
    for (size_t i = 0; i < labels.n; i++)
        if (strncmp(labels.v[i], key, strlen(key)) == 0)
            return true;
    return false;
}

struct msg_strs labels_make(const char *list, struct arena *a)
{
    const char **v = arena_alloc(a, LABELS_MAX * sizeof(*v));
    struct msg_strs labels = { v, 0 };
    struct utsname os;

    for (const char *at = list; at && *at && labels.n < LABELS_MAX - 2;) {
        size_t len = strcspn(at, ", ");

        if (len)
            v[labels.n++] = arena_strndup(a, at, len);
        at += len + (at[len] != '\0');
    }
    if (!has_key(labels, "os="))
        v[labels.n++] = "os=linux";
    if (!has_key(labels, "arch=") && uname(&os) == 0)
        v[labels.n++] = arena_printf(a, "arch=%s", arch_name(os.machine));
    return labels;
}
