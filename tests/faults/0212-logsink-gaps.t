#!/bin/bash
# The log sink alone, as a real process: logs that begin elsewhere, holes, damage on its disk, late output (logsink_gaps.c).
#   ORION_BUILD   build tree with the programs (default: the tree of the test)
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${ORION_BUILD:-$top}
export ORION_LOGSINK=$build/src/logsink/orion-logsink
exec "$build/tests/faults/logsink_gaps"
