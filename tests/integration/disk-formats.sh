#!/bin/bash
# SPDX-License-Identifier: MIT
# disk-formats.sh [--quick|--full] [--qcow2=COMMAND] [CASE...]
#
# Every subformat in every size: is the computed qcow2 clean (qemu-img check), and does it hold what the
# source holds as QEMU reads it (qemu-img compare)? Where QEMU cannot read the source, the pattern that the
# source was made from stands in. Then all of the corpus's vmdk-binaries. Prints a table; exits 1 if a row
# of it is bad.
#
# CASE is the beginning of a row's name ("streamOptimized", "corpus", "monolithicFlat:512"). --quick takes
# one size of each kind; --full has QEMU read VMDKs of terabytes too, once each and by way of a mount, which takes it minutes. COMMAND is
# called as `COMMAND open VMDK auto|plain`, when it prints the path of the qcow2, and as `COMMAND close VMDK
# auto|plain`; without one, view-cat writes the qcow2 to a file.
# V2VFS_BUILD is the build folder, V2VFS_CORPUS the corpus (left out where it is not).
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
build=${V2VFS_BUILD:-$here/build}
corpus=${V2VFS_CORPUS:-$here/../shared/corpus}
tools=$build/tests/support
quick=
full=
command=with_view_cat
cases=()
for argument; do
  case $argument in
    --quick) quick=1 ;;
    --full) full=1 ;;
    --qcow2=*) command=${argument#*=} ;;
    -*) sed -n 3,16p "$0" >&2; exit 2 ;;
    *) cases+=("$argument") ;;
  esac
done

[ "$command" != with_view_cat ] || full=

work=$(mktemp -d "${TMPDIR:-/tmp}/disk-formats.XXXXXX")
trap 'rm -rf "$work"' EXIT
bad=0
rows=0

with_view_cat() {
  case $1 in
    open) "$tools/view-cat" -o "layout=$3" "$2" "$2.$3.qcow2" && echo "$2.$3.qcow2" ;;
    close) rm -f "$2.$3.qcow2" ;;
  esac
}

wanted() {
  local pattern
  [ ${#cases[@]} -eq 0 ] && return 0
  for pattern in "${cases[@]}"; do [[ $1 == "$pattern"* ]] && return 0; done
  return 1
}

row() {  # name layout check compare against
  rows=$((rows + 1))
  printf '%-44s %-6s %-6s %-10s %s\n' "$@"
  case $3$4 in cleanidentical | *refused) ;; *) bad=$((bad + 1)) ;; esac
}

# `truth` says who is not asked: `pattern` is for sources that QEMU is known to misread, `source` for ones
# that were damaged and no longer hold the pattern.
truth=

asks_qemu_for_terabytes() { [ -n "$full" ] && [ "$1" = auto ]; }  # layout

# QEMU as the referee, if it can read the source at all: format and file of what to compare with.
referee() {  # vmdk raw layout
  if [ -n "$2" ] && [ "$(stat -c %s "$2")" -gt $((1024 * G)) ] && ! asks_qemu_for_terabytes "$3" || [ "$truth" = pattern ]; then
    echo raw "$2"
  elif qemu-img info -f vmdk "$1" >/dev/null 2>&1; then
    echo vmdk "$1"
  elif [ -n "$2" ]; then
    echo raw "$2"
  elif [ "$(head -c 4 "$1" | tr -d '\0')" != KDMV ]; then  # what is no VMDK was served as raw
    echo raw "$1"
  fi
}

judge() {  # name vmdk raw layout
  local qcow2 check=clean same=identical format file said
  if ! qcow2=$($command open "$2" "$4" 2>"$work/said"); then
    said=$(grep -v '\[info\]' "$work/said" | tail -1 | tr -d '\n')
    if qemu-img info -f vmdk "$2" >/dev/null 2>&1; then said="$said (QEMU opens it)"; fi
    row "$1" "$4" - "${5:-refused-badly}" "$said"
    return
  fi
  qemu-img check -q -f qcow2 "$qcow2" >"$work/said" 2>&1 || check=BAD
  read -r format file <<<"$(referee "$2" "$3" "$4")"
  if [ -z "$format" ]; then
    same=unknown
  elif ! qemu-img compare -q -f "$format" -F qcow2 "$file" "$qcow2" >>"$work/said" 2>&1; then
    same=DIFFERENT
  fi
  # QEMU's reading is not the last word: the pattern is what was written.
  if [ "$format" = vmdk ] && [ -n "$3" ] && [ $same = identical ] && [ "$truth" != source ]; then
    qemu-img compare -q -f raw -F qcow2 "$3" "$qcow2" >>"$work/said" 2>&1 || same=DIFFERENT
  fi
  row "$1" "$4" $check $same "${format:-nobody}"
  [ $check$same = cleanidentical ] || head -3 "$work/said"
  $command close "$2" "$4"
}

made() {  # name size options of vmdk-make
  local name=$1 size=$2 layout
  shift 2
  wanted "$name" || return 0
  "$tools/vmdk-make" --size="$size" --seed=7 --raw="$work/made.raw" "$@" "$work/made.vmdk" || exit 1
  for layout in auto plain; do judge "$name" "$work/made.vmdk" "$work/made.raw" $layout; done
  rm -f "$work"/made*
}

chain() {  # name size types options of vmdk-make
  local name=$1 size=$2 types=$3 links layout top=$work/made.vmdk
  shift 3
  wanted "$name" || return 0
  links=$(tr -cd , <<<"$types" | wc -c)
  "$tools/vmdk-make" --size="$size" --seed=7 --raw="$work/made.raw" --chain="$types" "$@" "$work/made.vmdk" || exit 1
  [ "$links" -gt 0 ] && top=$(printf '%s/made-%06d.vmdk' "$work" "$links")
  for layout in auto plain; do judge "$name" "$top" "$work/made.raw" $layout; done
  rm -f "$work"/made*
}

# Deltas that QEMU makes itself: it writes into each, through its own copy on write.
qemu_chain() {  # name size type of the base, number of deltas
  local name=$1 size=$2 below=made.vmdk top=made.vmdk layout i
  wanted "$name" || return 0
  "$tools/vmdk-make" --size="$size" --seed=7 --type="$3" "$work/made.vmdk" || exit 1
  for ((i = 1; i <= $4; i++)); do
    top=made-$i.vmdk
    (cd "$work" && qemu-img create -q -f vmdk -F vmdk -b "$below" "$top" &&
      qemu-io -f vmdk -c "write -P $i $((i * 150000 / 512 * 512)) 300032" -c "write -z $((i * 64 * K)) 128k" "$top") \
      >"$work/said" || { cat "$work/said"; exit 1; }
    below=$top
  done
  for layout in auto plain; do judge "$name" "$work/$top" "" $layout; done
  rm -f "$work"/made*
}

raw() {  # name size
  local layout
  wanted "$1" || return 0
  "$tools/vmdk-make" --size=$(($2 / 512 * 512)) --raw="$work/made.raw" "$work/made.vmdk" || exit 1
  truncate -s "$2" "$work/made.raw"
  cp --sparse=always "$work/made.raw" "$work/made.img"
  for layout in auto plain; do judge "$1" "$work/made.img" "$work/made.raw" $layout; done
  rm -f "$work"/made*
}

K=1024 M=$((1024 * 1024)) G=$((1024 * 1024 * 1024))
sizes=(0 512 $((64 * K - 512)) $((5 * 64 * K + 37 * 512)) $M $((2 * G + 37 * 512)) $((8192 * G)))
[ -n "$quick" ] && sizes=($((5 * 64 * K + 37 * 512)))

printf '%-44s %-6s %-6s %-10s %s\n' CASE LAYOUT CHECK COMPARE AGAINST
for size in "${sizes[@]}"; do
  # 4,096 extents are the most.
  extent=$((2047 * M)); [ "$size" -gt $((4096 * G)) ] && extent=$((16 * G))
  for type in streamOptimized monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat; do
    made "$type:$size" "$size" --type=$type --extent=$extent
  done
  made "streamOptimized+header-directory:$size" "$size" --header-directory
  made "vmfs:$size" "$size" --type=vmfs
  made "seSparse:$size" "$size" --type=seSparse
  # COWD's own grains are sectors, and QEMU looks at each by itself.
  cowd=vmfsSparse; [ "$size" -gt "$G" ] && cowd=vmfsSparse/128
  [ "$size" -lt $((2048 * G)) ] && made "vmfsSparse:$size" "$size" --type=$cowd
  deltas=vmfs
  for delta in $cowd seSparse monolithicSparse vmfsSparse/8; do
    # COWD ends at 2 TiB.
    case $delta in vmfsSparse*) [ "$size" -ge $((2048 * G)) ] && continue ;; esac
    deltas=$deltas,$delta
    chain "chain-$deltas:$size" "$size" $deltas
  done
  raw "raw:$size" "$size"
done

odd=$((5 * M + 37 * 512))
made "streamOptimized+padded-last-grain:$odd" $odd --pad-last-grain
chain "chain-streamOptimized,monolithicSparse,twoGbMaxExtentSparse:$odd" $odd streamOptimized,monolithicSparse,twoGbMaxExtentSparse
chain "chain-monolithicSparse/16,seSparse,monolithicSparse/16+zero-grains:$odd" $odd \
  monolithicSparse/16,seSparse,monolithicSparse/16 --zero-grains
qemu_chain "chain-qemu,monolithicSparse:$odd" $odd monolithicSparse 2
if [ -z "$quick" ]; then
  made "streamOptimized+shuffled:$odd" $odd --shuffle
  made "streamOptimized+zero-grains:$odd" $odd --zero-grains
  made "monolithicSparse+zero-grains:$odd" $odd --type=monolithicSparse --zero-grains
  made "monolithicSparse+shifted:$odd" $odd --type=monolithicSparse --shift-grains
  for grain in 8 16 64 256 1024 4096 8192; do
    made "streamOptimized+grain=$grain:$odd" $odd --grain=$grain
    made "monolithicSparse+grain=$grain:$odd" $odd --grain=$grain --type=monolithicSparse
  done
  for grain in 2 8 128 8192; do
    made "vmfsSparse+grain=$grain:$odd" $odd --type=vmfsSparse/$grain
    chain "chain-vmfs,vmfsSparse/$grain:$odd" $odd vmfs,vmfsSparse/$grain
    [ $grain -ge 8 ] && chain "chain-vmfs,monolithicSparse/$grain:$odd" $odd vmfs,monolithicSparse/$grain
  done
  for type in vmfsSparse seSparse; do
    made "$type+shuffled:$odd" $odd --type=$type --shuffle
    made "$type+padded-last-grain:$odd" $odd --type=$type --pad-last-grain
  done
  made "vmfsSparse+shifted:$odd" $odd --type=vmfsSparse/128 --shift-grains
  kinds="streamOptimized monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs vmfsSparse seSparse"
  for parent in $kinds; do
    for child in $kinds; do chain "chain-$parent,$child:$odd" $odd $parent,$child --extent=$((2 * M)); done
  done
  for type in streamOptimized twoGbMaxExtentSparse vmfs seSparse; do qemu_chain "chain-qemu,$type:$odd" $odd $type 4; done
  # Extents that end within a grain, and within a cluster.
  # (QEMU 7.2 loses its way in a second sparse extent behind one that ends within a grain.)
  truth=pattern
  made "twoGbMaxExtentSparse+odd-extents:$odd" $odd --type=twoGbMaxExtentSparse --extent=$((M + 512))
  truth=
  made "twoGbMaxExtentSparse+1M-extents:$odd" $odd --type=twoGbMaxExtentSparse --extent=$M
  made "twoGbMaxExtentFlat+odd-extents:$odd" $odd --type=twoGbMaxExtentFlat --extent=$((M + 512))
  truth=source
  made "streamOptimized+same-place:$M" $M --damage=same-place
  made "monolithicSparse+same-place:$M" $M --type=monolithicSparse --damage=same-place
  truth=
  raw "raw:$((M + 100))" $((M + 100))
fi

# Files of other people: what QEMU reads must be the same here; what is refused is shown with the reason.
if wanted corpus; then
  if [ -d "$corpus/vmdk-binaries" ]; then
    for file in "$corpus"/vmdk-binaries/* "$corpus"/vmdk-descriptors/*; do
      # Descriptors name their extents without the origin that the corpus puts before each name.
      name=$(basename "$file")
      origin=${name%%__*}__$(n=${name#*__}; echo "${n%%__*}")__
      folder=$work/corpus; mkdir -p "$folder"
      for neighbour in "$corpus"/vmdk-*/"$origin"*; do
        cp -n "$neighbour" "$folder/$(basename "${neighbour#*"$origin"}")"
      done
      file=$folder/${name#"$origin"}
      # Where nothing says what a disk is, its name does, and these are VMDKs.
      case $file in *.img) mv "$file" "$file.vmdk"; file=$file.vmdk ;; esac
      judge "corpus:$name" "$file" "" auto refused
      rm -rf "$folder"
    done
  else
    echo "left out: corpus/vmdk-binaries is not there"
  fi
fi

echo "$rows rows, $bad bad"
[ $bad -eq 0 ]
