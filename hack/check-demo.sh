#!/usr/bin/env bash
# check-demo.sh [PAWL]: plays `pawl demo` and checks what it left from outside:
# with git and the file system, without asking pawl. PAWL is the binary; without
# it one is built. Exit code 0: all is as it should be, and one line says so.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'check-demo: %s\n' "$*" >&2
  exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/check-demo.XXXXXX")
cleanup() {
  chmod -R u+w "$work" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

pawl=${1:-$work/pawl}
[ $# -gt 0 ] || go build -o "$pawl" ./cmd/pawl
case $pawl in /*) ;; *) pawl=$PWD/$pawl ;; esac
[ -x "$pawl" ] || fail "$pawl is no program"

dir=$work/demo
repo=$dir/repo.git

# Nothing of the machine's git configuration is for these checks.
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
in_repo() { git -C "$repo" "$@"; }
same() { [ "$2" = "$3" ] || fail "$1: expected"$'\n'"$2"$'\n'"and found"$'\n'"$3"; }

# --- it runs, without a home, in time ---------------------------------------
limit=60
before=$SECONDS
if ! env -u HOME -u PAWL_DATA -u PAWL_CONFIG "$pawl" demo --dir "$dir" >"$work/out" 2>"$work/err" </dev/null; then
  tail -n 30 "$work/out" >&2
  cat "$work/err" >&2
  [ ! -f "$dir/serve.log" ] || tail -n 20 "$dir/serve.log" >&2
  fail "pawl demo failed; above are its last lines and those of its server"
fi
took=$((SECONDS - before))
[ "$took" -lt "$limit" ] || fail "pawl demo took $took s, which is not less than $limit s"
[ ! -s "$work/err" ] || fail "pawl demo succeeded and yet complains: $(cat "$work/err")"

# --- nothing runs any more ---------------------------------------------------
commands() {
  if [ -d /proc/self ]; then
    local p
    for p in /proc/[0-9]*; do
      printf '%s %s %s\n' "${p#/proc/}" "$(readlink "$p/cwd" 2>/dev/null || true)" "$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null || true)"
    done 2>/dev/null
  else
    ps -axo pid=,args=
  fi
}
left=$(commands | WHERE="$dir" awk 'index($0, ENVIRON["WHERE"])')
[ -z "$left" ] || fail "processes of the demo are left: $left"
sockets=$(find "$dir" -type s)
[ -z "$sockets" ] || fail "sockets are left: $sockets"
port=$(sed -n 's|.*http://127\.0\.0\.1:\([0-9][0-9]*\).*|\1|p' "$work/out" | sed -n 1p)
[ -n "$port" ] || fail "pawl demo did not say where it serves"
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then fail "something still listens on port $port"; fi

# --- the history of main -----------------------------------------------------
in_repo fsck --no-progress >/dev/null 2>"$work/fsck" || fail "git fsck: $(cat "$work/fsck")"
same 'main, oldest first' 'Train iris, and promote what is good enough
Merge pull request #1 from pawl/staging/iris-*
Merge pull request #2 from pawl/production/iris-*
Train for 5 epochs only
Revert "Train for 5 epochs only"
Merge pull request #3 from pawl/staging/iris-*' \
  "$(in_repo log --first-parent --reverse --format=%s main | sed 's/iris-[0-9a-f]\{8\}$/iris-*/')"
same 'branches' 'refs/heads/main' "$(in_repo for-each-ref --format='%(refname)' refs/heads)"

trailer() { in_repo log -1 --format="%(trailers:key=$2,valueonly)" "$1" | sed '/^$/d'; }

# Each merge brings one commit of pawl that changes one line of one overlay, and
# its trailers tell where the model came from.
merges=0
for merge in $(in_repo rev-list --first-parent --merges --reverse main); do
  merges=$((merges + 1))
  branch=$(in_repo log -1 --format=%s "$merge" | sed 's/.* from //')
  stage=$(printf '%s\n' "$branch" | cut -d/ -f2)
  file=models/iris/overlays/$stage/model.yaml
  what="pull request $merges ($stage)"
  same "$what, commits" 1 "$(in_repo rev-list --count "$merge^1..$merge^2")"
  same "$what, what its commit changes" "1	1	$file" "$(in_repo diff --numstat "$merge^2^" "$merge^2")"
  same "$what, what its merge changes" "1	1	$file" "$(in_repo diff --numstat "$merge^1" "$merge")"
  same "$what, trailer Stage" "$stage" "$(trailer "$merge^2" Stage)"
  same "$what, trailer Model" default/iris "$(trailer "$merge^2" Model)"
  key=$(trailer "$merge^2" Promotion-Key)
  same "$what, branch" "pawl/$stage/iris-${key:0:8}" "$branch"
  [ -n "$(trailer "$merge^2" Workflow-Run)" ] || fail "$what names no Workflow-Run"
  source=$(trailer "$merge^2" Source-Commit)
  in_repo merge-base --is-ancestor "$source" "$merge^1" || fail "$what: Source-Commit $source is not on main"
  gate=$(in_repo log -1 --format=%B "$merge^2" | sed -n 's/^Gate-[a-z-]*: \([a-z]*\),.*/\1/p')
  same "$what, verdict" pass "$gate"
  digest=$(trailer "$merge^2" Model-Digest)
  added=$(in_repo diff "$merge^2^" "$merge^2" | sed -n 's/^+ *storageUri: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p')
  same "$what, address" "file://$dir/models/iris/${digest#sha256:}" "$added"
done

# --- what is deployed is what main names -------------------------------------
deployed() { # STAGE VERSIONS…
  local stage=$1 home=$dir/serving/$1/iris uri folder version
  shift
  version=${!#}
  uri=$(in_repo show "main:models/iris/overlays/$stage/model.yaml" | sed -n 's/^ *storageUri: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p')
  folder=${uri#file://}
  [ -d "$folder" ] || fail "$stage: main names $uri, which is no folder"
  same "$stage, versions" "$(printf '%s\n' "$@")" "$(find "$home" -mindepth 1 -maxdepth 1 ! -name '.*' -exec basename {} \; | sort -n)"
  diff -r "$folder" "$home/$version" || fail "$stage: version $version is not what main names"
  same "$stage, files of the model" 'settings.env weights.tsv' "$(cd "$folder" && find . -type f | sort | sed 's|^\./||' | tr '\n' ' ' | sed 's/ $//')"
}
deployed staging 1 2
deployed production 1

# The production model is what the scripts of the first commit train: the same bytes.
mkdir "$work/train"
first=$(in_repo rev-list --max-parents=0 main)
in_repo archive "$first" training | tar -x -C "$work/train"
(
  cd "$work/train/training"
  sh prepare.sh '' ../train.csv ../test.csv
  sh train.sh petals-only ../train.csv ../model
) >"$work/train.log" 2>&1 || fail "training by hand: $(cat "$work/train.log")"
diff -r "$work/train/model" "$dir/serving/production/iris/1" || fail 'production serves another model than the scripts train'

# --- it said the numbers -----------------------------------------------------
said() { grep -qF -- "$1" "$work/out" || fail "pawl demo did not say: $1"; }
said 'pass: accuracy 0.979167 is > 0.95'
said 'fail: accuracy 0.854167 is not > 0.95'
said 'there is no current model to compare with, and onNoCurrent is pass'
said 'fail: accuracy 0.979167 is not > current.accuracy 0.979167'
said 'is known, it ran as'
said 'is already deployed'

# --- a second demo in the same folder is refused, and changes nothing ---------
content() { (cd "$dir" && find . | sort && find . -type f -exec cksum {} + | sort); }
content >"$work/before"
if "$pawl" demo --dir "$dir" >"$work/out2" 2>&1; then fail 'a second demo in the same folder is not refused'; fi
grep -q -- --again "$work/out2" || fail "the refusal does not name --again: $(cat "$work/out2")"
content >"$work/after"
cmp -s "$work/before" "$work/after" || fail "the refused demo changed: $(diff "$work/before" "$work/after")"

printf 'demo: %d s, %d promotions merged, all of it as it should be\n' "$took" "$merges"
