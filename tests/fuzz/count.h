/* count.h - how often a fuzz target reached each success branch of its decoder; run.sh asks after the seeds. */
#ifndef ORION_TESTS_FUZZ_COUNT_H
#define ORION_TESTS_FUZZ_COUNT_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_branch {
    const char *name;   /* NULL: none after all */
    unsigned long count;
};

/* Writes "NAME COUNT" lines to the file named by ORION_FUZZ_COUNT when the target ends; without it nothing. The
 * array stays the caller's and must outlive the process. Called from LLVMFuzzerInitialize. */
void fuzz_branches(const struct fuzz_branch *branches, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
