#!/bin/sh
# embed-sql.sh - prints a C source with the given migrations (sql/NNNN_name.sql, in order) as texts.
#
#   embed-sql.sh sql/0001_init.sql ... > db_sql.c
set -eu

echo '/* Made by src/cli/embed-sql.sh from sql/: do not edit. */'
echo '#include "cli/db.h"'
echo
echo 'const struct db_step db_steps[] = {'
for file in "$@"; do
    name=$(basename "$file" .sql)
    number=$(echo "$name" | sed -n 's/^0*\([1-9][0-9]*\)_[a-z0-9_]*$/\1/p')
    [ -n "$number" ] || { echo "embed-sql.sh: $file is not named NNNN_name.sql" >&2; exit 1; }
    echo "    { $number, \"$name\","
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/^/      "/' -e 's/$/\\n"/' "$file"
    echo '    },'
done
echo '};'
echo 'const size_t db_steps_count = sizeof(db_steps) / sizeof(db_steps[0]);'
