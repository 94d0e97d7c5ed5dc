#!/bin/sh
# test_protocol_doc.sh - docs/PROTOCOL.md is what the message table says.
#
#   PROTODOC       the program that prints it (default: $ORION_BUILD/src/proto/protodoc)
#   top_srcdir     the source tree (default: the tree of this script)
set -u
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
protodoc=${PROTODOC:-${ORION_BUILD:-$top}/src/proto/protodoc}

echo 1..1
if difference=$("$protodoc" | diff "$top/docs/PROTOCOL.md" - 2>&1); then
    echo 'ok 1 - docs/PROTOCOL.md is what the table says'
else
    echo 'not ok 1 - docs/PROTOCOL.md is what the table says (make protocol)'
    printf '%s\n' "$difference" | head -40 | sed 's/^/# /'
    exit 1
fi
