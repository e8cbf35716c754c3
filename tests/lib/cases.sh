# SPDX-License-Identifier: MIT
# The cases of an integration script in bash; lib/cases.py says what a case prints and what the environment names.
#
#   script=hostile; . "$(dirname "$0")/../lib/cases.sh"
#   run_case href-outside try_href_outside        # a function, run in a subshell with set -e
#   run_full_case all-hrefs try_all_hrefs         # only with --full
#   exit "$failures"
#
# independent=no before the sourcing: the cases build on each other and always run all.
# In a case: `skip WHAT` says what is missing, `fail WHY` why it failed; so does any command that fails.

failures=0
full=no
for word in "$@"; do [ "$word" = --full ] && full=yes; done

skip() { echo "skip $*" >&3; exit 77; }
fail() { echo "$*" >&3; exit 1; }

run_case() {
  local name="$script.$1" start=$EPOCHREALTIME said status
  if [ "${independent:-yes}" = yes ]; then
    [[ "$1" =~ ${V2VFS_TEST_CASE:-} ]] || return 0
    grep -qsxF "$name" "${V2VFS_TEST_PASSED:-/dev/null}" && return 0
  fi
  shift
  said=$(mktemp)
  # Not in an `if` and not before `||`: there bash would ignore the subshell's `set -e`.
  set +e
  (set -eE; trap 'echo "line $LINENO: $BASH_COMMAND" >&3' ERR; "$@") 3>"$said"
  status=$?
  case $status in
    0) echo "PASS $name $(echo "$start $EPOCHREALTIME" | awk '{printf "%.1f", $2 - $1}')" ;;
    77) echo "SKIP $name $(sed -n 's/^skip //p' "$said")" ;;
    *) failures=1; echo "FAIL $name $(head -1 "$said")" ;;
  esac
  rm -f "$said"
}

run_full_case() { [ $full = no ] || run_case "$@"; }
