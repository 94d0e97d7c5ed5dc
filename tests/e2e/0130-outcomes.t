#!/bin/bash
# What a build can come to: compile errors, missing refs, unlisted repositories, missing tools, merge requests' refs;
# and that the stored log is byte for byte what the build wrote, each stream too when they are kept apart.
. "$(dirname "$0")/../lib.sh"

mkdir -p "$T/src/broken" "$T/src/mr" "$T/src/cmake"
printf 'all: main.o\nmain.o: main.c\n\tcc -c main.c\n' >"$T/src/broken/Makefile"
printf 'int main(void) { return x; }\n' >"$T/src/broken/main.c"
broken=$(repo_make broken)
printf 'all:\n\t@cat which\n' >"$T/src/mr/Makefile"
echo "this is main" >"$T/src/mr/which"
mr=$(repo_make mr)
(cd "$T/src/mr" && echo "this is merge request 7" >which && git -c user.name=t -c user.email=t@localhost commit -qam seven &&
    git push -q "$mr" HEAD:refs/merge-requests/7/head) >&2
printf 'project(x NONE)\n' >"$T/src/cmake/CMakeLists.txt"
cmake=$(repo_make cmake)
mkdir -p "$T/src/empty" && echo hi >"$T/src/empty/README" && empty=$(repo_make empty)

# The shim copies what it writes, one write(2) at a time, to files of its own.
mkdir -p "$T/src/shim"
cat >"$T/src/shim/shim.py" <<'PY'
import os, random, sys
random.seed(int(sys.argv[1]))
both = open("both.copy", "wb", 0); one = open("out.copy", "wb", 0); two = open("err.copy", "wb", 0)
alphabet = [b"x" * 7, b"\n", b"\r", b"\0", b"\xff\xfe", "grüße\n".encode(), b"\x1b[31mred\x1b[0m\n", b"", b"y" * 70000]
for i in range(3000):
    piece = random.choice(alphabet) if i % 500 else b"z" * 300000
    fd, copy = (1, one) if random.random() < 0.7 else (2, two)
    while piece:
        n = os.write(fd, piece)
        copy.write(piece[:n]); both.write(piece[:n]); piece = piece[n:]
PY
printf 'all:\n\t@python3 shim.py 1\n' >"$T/src/shim/Makefile"
shim=$(repo_make shim)

lab_up lab --repo "broken=$broken" --repo "cmake=$cmake" --repo "shim=$shim" --repo "empty=$empty" || { ok 1 "the lab comes up"; plan_done; exit 1; }
"$ORION" lab repo add mr "$mr" --dir "$LAB" --mr-ref 'refs/merge-requests/{mr}/head'; ok $? "lab repo add"

ended() { id=$("$ORION" submit "$@"); wait_for 60 task_ended "$id"; task=$(curl -s "$URL/v1/tasks/$id"); }

ended broken
is "$(jq -r '.state, .exit_code, .cause' <<<"$task" | xargs)" "failed 2 build" "a compile error fails with make's exit code"
is "$(curl -s "$URL/task-status/$id" | jq -r '.status, .exit_code' | xargs)" "Failed 2" "the seed's words for it"
like "$("$ORION" logs "$id")" "main.c:1" "the compiler's words are in the log"

is "$("$ORION" run mr 2>/dev/null | tail -1)" "this is main" "without a merge request: the default branch"
is "$("$ORION" run mr --mr 7 2>/dev/null | tail -1)" "this is merge request 7" "with mr_ref a merge request's ref is built"
ended mr --mr 8
like "$(jq -r '.state + " " + .cause + " " + .message' <<<"$task")" '^failed setup .*refs/merge-requests/8/head' "a missing merge request fails clearly"
is "$("$ORION" run mr --ref "$(git -C "$mr" rev-parse main)" 2>/dev/null | tail -1)" "this is main" "a commit id as ref"
ended mr --ref nowhere
like "$(jq -r '.state + " " + .cause + " " + .message' <<<"$task")" '^failed setup .*nowhere' "a missing ref fails clearly"

ended somewhere-else
like "$(jq -r '.state + " " + .cause + " " + .message' <<<"$task")" '^failed setup .*somewhere-else' "a repository that is not listed is refused on the task"
ended "$mr" all
is "$(jq -r .state <<<"$task")" succeeded "a lab's agents may fetch an absolute local path"
ended empty
like "$(jq -r '.state + " " + .cause + " " + .message' <<<"$task")" '^failed setup .*driver' "no driver fits: said so"
ended mr --driver nosuch
like "$(jq -r '.state + " " + .message' <<<"$task")" '^failed .*nosuch' "an unknown driver is named"

ended shim
ws=$(jq -r '.attempts[-1].workspace' <<<"$task")
is "$(jq -r .state <<<"$task")" succeeded "the shim ran"
wait_for 60 log_complete "$id"; ok $? "its log is complete"   # the verdict does not wait for a slow disk
curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$id/log" >"$T/raw"
notes=$(($(stat -c %s "$T/raw") - $(stat -c %s "$ws/both.copy")))
[ "$notes" -gt 0 ] && cmp -s <(tail -c +$((notes + 1)) "$T/raw") "$ws/both.copy"; ok $? "the stored log equals what was written, byte for byte"
head -c "$notes" "$T/raw" | grep -qv '^orion: '; is $? 1 "before it stand only orion's own lines"

ended shim --separate-streams
ws=$(jq -r '.attempts[-1].workspace' <<<"$task")
cat >"$T/streams.py" <<'PY'
import glob, struct, sys
sink, task, ws, raw = sys.argv[1:]
chunks, = glob.glob(f"{sink}/log/**/{task}/1.chunks", recursive=True)
log = open(raw, "rb").read()
streams = {0: [], 1: [], 2: []}
records = open(chunks, "rb").read()
for at in range(64, len(records), 64):   # src/logsink/chunk_record.c
    offset = int.from_bytes(records[at + 6:at + 12], "little")
    length = int.from_bytes(records[at + 12:at + 15], "little")
    stream = struct.unpack_from("<H", records, at + 26)[0] >> 14
    streams[stream].append(log[offset:offset + length])
streams = {k: b"".join(v) for k, v in streams.items()}
out = streams[1]
notes = len(out) - len(open(f"{ws}/out.copy", "rb").read())
ok = out[notes:] == open(f"{ws}/out.copy", "rb").read() and streams[2] == open(f"{ws}/err.copy", "rb").read()
sys.exit(0 if ok and notes > 0 else 1)
PY
wait_for 15 log_complete "$id"   # and the files follow the journal
curl -s "$URL/v1/tasks/$id/log" -H 'Accept: text/plain' >"$T/raw"
wait_for 15 python3 "$T/streams.py" "$LAB/sink-1" "$id" "$ws" "$T/raw"; ok $? "with separate_streams each stream equals its copy"

"$ORION" lab down --dir "$LAB" >/dev/null
# A machine without cmake: a PATH of links to everything else.
mkdir "$T/bin" && ln -s /usr/bin/* "$T/bin/" && rm "$T/bin/cmake"
PATH=$T/bin lab_up bare --repo "cmake=$cmake" || { ok 1 "the second lab comes up"; plan_done; exit 1; }
ended cmake
is "$(jq -r '.state + "|" + .cause + "|" + .message + "|" + (has("exit_code") | tostring)' <<<"$task")" \
    "failed|setup|cmake: not found on agent-1 (apt-get install cmake)|false" "a missing tool is named with its package"
like "$("$ORION" logs "$id")" 'cmake: not found on agent-1' "in the log too"
sanitizers_quiet
plan_done
