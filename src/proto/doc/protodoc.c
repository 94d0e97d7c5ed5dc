/* protodoc - prints docs/PROTOCOL.md on standard output. Not installed; tests/unit/test_protocol_doc.sh compares. */
#include <stdio.h>

#include "proto/msg.h"

int main(void)
{
    struct buf out = { 0 };
    int rc;

    msg_print_protocol(&out);
    rc = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
    buf_fini(&out);
    return rc;
}
