# SPDX-License-Identifier: GPL-2.0
# The graph: what Kbuild knows of a kernel after a full build, for ninja, which takes over until something changes that
# only Kbuild understands. Sourced by kernel.sh, after lib.sh; which sets
# OUT, SRC, GRAPH (OUT/.umlab) and MAKE_ARGS.
#
#   OUT/.umlab/build.ninja, .ninja_log, .ninja_deps   each object's command and what it includes; the link
#   OUT/.umlab/link.sh     Kbuild's last steps, with the environment that make gives them
#   OUT/.umlab/kbuild      files that more than objects is made from: make decides where one of them changes
#   OUT/.umlab/folders     those that something was read from, or might be, and those above
#   OUT/.umlab/names       the sources and folders in each of them: one that comes or goes is make's
#   OUT/.umlab/headers     the names of all headers, for ccache
#   OUT/.umlab/started     its time is that of the last look at all of this before a build that ended well
#   OUT/.umlab/under-way   ... before one that has not ended
#
# ninja runs each object's own command, then link.sh: the kernel is the one that make would make, but for
# vmlinux.o, modpost's checks and System.map, of which no byte goes into it.

# graph_args: what a graph is good for: this source, these arguments of make, compiler and scripts.
graph_args() {
	# Which folder SRC is: another one may have taken its place.
	stat -Lc 'source %d %i' "$SRC"
	printf '%s\n' "${MAKE_ARGS[@]}" "PATH=$PATH"
	stat -Lc '%n %Y %s' $(type -P ${CC##* } as ld ninja)
	cat "${FRAGMENTS[@]}" "$UML_DIR/kernel.sh" "$UML_DIR/graph.sh" "$UML_DIR/graph.awk"
	cat "$UML_DIR/configs/$F.append" 2>/dev/null || true
}

# graph_env: an argument of make that has it write the environment of its recipes to $GRAPH/env, with goal .umlab-env.
graph_env() {
	printf '%s=ifeq ($(sub_make_done),1)\n.umlab-env: ; @env -0 >%s/env\nendif' --eval "$GRAPH"
}

# graph_names [TEST...]: "FOLDER/NAME" of each source and Kbuild file, "FOLDER/NAME@" of those that are links, and "FOLDER/NAME/" of each
# folder, in the folders of stdin, that pass find's TESTs.
graph_names() {
	xargs -r -d '\n' sh -c 'tests=$1; shift; find "$@" -mindepth 1 -maxdepth 1 ! -name ".*" $tests \( -xtype d -printf "%p/\n" -o \( -name "*.[chS]" -o -name "*.lds" \
		-o -name "Makefile*" -o -name "Kbuild*" -o -name "Kconfig*" -o -name "localversion*" \) \( -type l -printf "%p@\n" -o -print \) \)' sh "$*" |
		LC_ALL=C sort
}

# graph_folders: adds to stdin's list of folders those above, up to SRC: a folder may come to them as well as a file.
graph_folders() {
	xargs -d '\n' realpath -ms | awk -v top="$SRC" '
		$0 == top || index($0, top "/") == 1 { while (!($0 in seen)) { seen[$0]; print; if ($0 == top) break; sub(/\/[^\/]*$/, "") } }' |
		while read -r folder; do [ ! -d "$folder" ] || echo "$folder"; done | LC_ALL=C sort
}

# graph_headers REASON: tells ccache which headers there are: what it remembers of an object is which ones were included, not
# which would have been, had they been there. Not those of drivers, which not every worktree has. Without a REASON for make none came.
graph_headers() {
	export CCACHE_EXTRAFILES=$GRAPH/headers
	[ -z "$1" ] && [ -f "$GRAPH/headers" ] ||
		(cd "$SRC" && find . -mindepth 1 \( -path ./drivers -o -path ./sound -o -name '.*' \) -prune -o -name '*.h' -print | LC_ALL=C sort) >"$GRAPH/headers"
}

# graph_kbuild: adds to stdin's list of files what Kbuild itself reads.
graph_kbuild() {
	cat
	sed -n 's,^\t\([^ ]*\) \\$,\1,p; s,^\t\([^ ]*\)$,\1,p' "$OUT/include/config/auto.conf.cmd" | sed "/^[^/]/s,^,$SRC/,"
	# Links, too: in the place of one ccache may have the compiler write down where it leads to.
	sed -nE 's/@$//p; /\/(Makefile|Kbuild|localversion)[^/]*$/p' "$GRAPH/names"
	# All that Kbuild calls.
	find "$SRC/scripts" -maxdepth 2 -type f ! -name '*.pyc'
	# Read by a filechk, which leaves no record.
	echo "$SRC/kernel/time/timeconst.bc"
}

# graph_link: link.sh: the environment that make gave its recipes, and Kbuild's commands from vmlinux on.
graph_link() {
	local line name map
	local -A ours=()
	while IFS= read -r -d '' line; do ours[${line%%=*}]=${line#*=}; done < <(env -0)
	echo 'set -e'
	while IFS= read -r -d '' line; do
		name=${line%%=*}
		case $name in
		MAKE* | MFLAGS | _ | PWD | OLDPWD | SHLVL | *[!A-Za-z0-9_]*) continue ;;
		esac
		# The user's own may be another one tomorrow.
		[ "${ours[$name]-}" = "${line#*=}" ] || printf 'export %s=%q\n' "$name" "${line#*=}"
	done <"$GRAPH/env"
	# It would make init/version-timestamp.o again, which nothing changes without Kbuild.
	echo 'export MAKE=:'
	# System.map takes a quarter of the link's time, and we have no use for it; make writes it again. Other
	# tables need nm.
	if ! grep -qE '^CONFIG_(KALLSYMS|BUILDTIME_TABLE_SORT|DEBUG_INFO_BTF)=y' "$OUT/.config"; then
		echo 'export NM=:'
		map='; rm -f System.map'
	fi
	sed -n '1s/^savedcmd_vmlinux.unstripped := //p' "$OUT/.vmlinux.unstripped.cmd"
	sed -n '1s/^savedcmd_vmlinux := //p' "$OUT/.vmlinux.cmd"
	echo "ln -f vmlinux linux${map-}"
}

# graph_rules: what all edges share. fixdep keeps Kbuild's own record true. UMLAB_SEED has ninja take note of what
# is there without making it.
graph_rules() {
	cat <<-'END'
		builddir = .umlab
		rule cc
		  command = [ -n "$$UMLAB_SEED" ] || { $command_line && scripts/basic/fixdep $depfile $out "$$(sed -n '1s/^savedcmd_[^ ]* := //p' $record)" >$record.new && mv $record.new $record; }
		  depfile = $depfile
		  deps = gcc
		  description = CC $out
		rule link
		  command = [ -n "$$UMLAB_SEED" ] || sh .umlab/link.sh >.umlab/link.log 2>&1 || { cat .umlab/link.log; exit 1; }
		  description = LINK $out
	END
}

# graph_members: all that vmlinux is linked from; in the O= directory.
graph_members() { { ar t vmlinux.a; echo .vmlinux.export.o; echo init/version-timestamp.o; } | sort -u; }

# graph_make: writes the graph of the kernel that make has just built. With status 1, and no graph, where ninja
# could not do what make does: exported symbols are collected from all objects.
graph_make() (
	rm -f "$GRAPH/args"
	cd "$OUT"
	! grep -q '^CONFIG_MODULES=y' .config && [ -f .vmlinux.unstripped.cmd ] && [ -f "$GRAPH/env" ] || exit 1
	rm -f "$GRAPH"/{build.ninja,edges,kbuild,.ninja_log,.ninja_deps}
	graph_members >"$GRAPH/members"
	graph_rules >"$GRAPH/build.ninja"
	find . -name '.*.cmd' -printf '%P\0' | xargs -0 awk -v members="$GRAPH/members" -v ninja="$GRAPH/edges.ninja" \
		-v kbuild="$GRAPH/kbuild.new" -v edges="$GRAPH/edges" -v folders="$GRAPH/folders.new" -v src="$SRC" -f "$UML_DIR/graph.awk" &&
		cat "$GRAPH/edges.ninja" >>"$GRAPH/build.ninja" || exit 1
	{ echo "build linux: link $(paste -sd' ' "$GRAPH/members") arch/um/kernel/vmlinux.lds vmlinux.a .umlab/link.sh"; echo 'default linux'; } >>"$GRAPH/build.ninja" || exit 1
	graph_link >"$GRAPH/link.sh" || exit 1
	{ sed "s,^\.\./linux,$SRC," "$GRAPH/folders.new"; find . -name '.*.cmd' -printf "$SRC/%h\n" | sort -u; } | graph_folders >"$GRAPH/folders" || exit 1
	graph_inodes >"$GRAPH/inodes" || exit 1
	# What came while make ran is yet to come.
	graph_names ! -newercm "$GRAPH/under-way" <"$GRAPH/folders" >"$GRAPH/names" || exit 1
	sed "s,^\.\./linux/,$SRC/," "$GRAPH/kbuild.new" | graph_kbuild | sort -u | while read -r file; do [ ! -f "$file" ] || echo "$file"; done >"$GRAPH/kbuild" || exit 1
	UMLAB_SEED=1 ninja -f .umlab/build.ninja >"$GRAPH/seed.log" 2>&1 || exit 1
	rm -f "$GRAPH"/*.new "$GRAPH/edges.ninja" "$GRAPH/env"
	mv "$GRAPH/config.next" "$GRAPH/config" && mv "$GRAPH/args.next" "$GRAPH/args"
)

# graph_clear_interrupted: what a build that was killed may have left half written goes away, and Kbuild's record of it; make and
# ninja would take it for new.
graph_clear_interrupted() {
	[ -f "$GRAPH/under-way" ] || return 0
	find "$OUT" -path "$GRAPH" -prune -o -newer "$GRAPH/under-way" -type f -printf '%h\t%f\0' | while IFS=$'\t' read -r -d '' folder name; do
		case $name in
		*.o | *.a | vmlinux* | linux) printf '%s\0' "$folder/$name" "$folder/.$name.cmd" ;;
		*) [ ! -f "$folder/.$name.cmd" ] || printf '%s\0' "$folder/$name" "$folder/.$name.cmd" ;;
		esac
	done | xargs -0 -r rm -f
}

# graph_stale FILE...: removes the objects that are made from one of the files, or that include one with its name where
# just a name is given, so that they are made again whatever their times say: make and ninja take an object for new
# whose source was saved while it was compiled, or was replaced by an older file.
graph_stale() {
	local headers
	[ $# -gt 0 ] && [ -f "$GRAPH/edges" ] || return 0
	headers=$(printf '%s\n' "$@" | awk -v edges="$GRAPH/edges" -v stale="$GRAPH/stale" '
		BEGIN { while ((getline line <edges) > 0) { split(line, e, " "); object[e[2]] = e[1] }; printf "" >stale }
		$1 in object { print object[$1] >stale; next } { print }')
	[ -z "$headers" ] || ninja -C "$OUT" -f .umlab/build.ninja -t deps 2>/dev/null | awk -v files="${headers//$'\n'/ }" '
		BEGIN { n = split(files, f, " "); for (i = 1; i <= n; i++) wanted[f[i]] }
		/^[^ ].*: #deps/ { sub(/: #deps.*/, ""); out = $0; next }
		NF { name = $1; sub(/.*\//, "", name); if ($1 in wanted || name in wanted) stale[out] }
		END { for (o in stale) print o }' >>"$GRAPH/stale"
	(cd "$OUT" && xargs -r rm -f <"$GRAPH/stale")
}

# graph_changed LIST...: the files of the lists that have changed since the last build began (or since SINCE, a file), one a line: "KIND FILE".
graph_changed() { "$CHANGED" -C "$OUT" --since "${SINCE:-$GRAPH/started}" "$@" || echo "unknown $1"; }

# graph_clock: true when it is later now than when the last build began: else no time tells what was saved since.
graph_clock() { [ ! -f "$GRAPH/started" ] || [ "$LOOKED" -nt "$GRAPH/started" ]; }

# graph_new_names: the sources, Kbuild files and folders that came or went.
graph_new_names() { graph_names <"$GRAPH/folders" | LC_ALL=C comm -3 "$GRAPH/names" - | sed 's/^\t//; s/@$//' | LC_ALL=C sort -u; }

# graph_inodes: which folders those in $GRAPH/folders are.
graph_inodes() { xargs -d '\n' stat -Lc '%d %i %n/' <"$GRAPH/folders" 2>/dev/null || true; }

# graph_moved: "FOLDER/" of each that has been replaced by another: what is in it may have any time.
graph_moved() { LC_ALL=C comm -13 <(LC_ALL=C sort "$GRAPH/inodes" 2>/dev/null) <(graph_inodes | LC_ALL=C sort) | cut -d' ' -f3-; }

# graph_forget_all: make makes everything again.
graph_forget_all() { find "$OUT" -name '.*.cmd' -delete; }

# graph_forget: before make builds what ninja could not: what only we know to have changed loses its record, and make makes it again.
graph_forget() {
	local kbuild deps names moved
	# Nor will it be known after a build that fails.
	graph_clock || { graph_forget_all; rm -f "$GRAPH/started"; return; }
	[ -f "$GRAPH/started" ] && [ -f "$GRAPH/names" ] && [ -x "$CHANGED" ] || return 0
	kbuild=$(graph_changed "$GRAPH/kbuild") deps=$(graph_changed "$GRAPH/.ninja_deps") names=$(graph_new_names) moved=$(graph_moved)
	if grep -q '^unknown ' <<<"$kbuild"$'\n'"$deps" || grep -qxF "$SRC/" <<<"$moved"; then
		graph_forget_all
		return
	fi
	kbuild=$(sed 's/^[a-z]* //' <<<"$kbuild") names=$(sed -E 's,.*(/[^/]+/?)$,\1,' <<<"$names")
	graph_stale $kbuild $(sed 's/^[a-z]* //' <<<"$deps") $(tr -d / <<<"$names")
	printf '%s\n' "$kbuild" "$names" "$moved" |
		awk -v top="$SRC/" 'NF { print index($0, top) == 1 ? substr($0, length(top)) : $0 }' >"$GRAPH/files"
	[ ! -s "$GRAPH/files" ] || { grep -rlFf "$GRAPH/files" --include='.*.cmd' "$OUT" || true; } | xargs -r rm -f
}

# graph_reason: prints why make must build this, or nothing when ninja can.
graph_reason() {
	local kind file names
	[ -f "$GRAPH/args" ] && [ -x "$CHANGED" ] && [ -f "$OUT/vmlinux" ] || { echo "no build that ended well before this one"; return; }
	cmp -s "$GRAPH/args" <(graph_args) || { echo "other arguments of make, another compiler or other uml/configs"; return; }
	cmp -s "$GRAPH/config" "$OUT/.config" || { echo "another .config"; return; }
	[ -f "$GRAPH/started" ] || { echo "no build that ended well before this one"; return; }
	graph_clock || { echo "the clock was set back"; return; }
	read -r kind file < <(graph_changed "$GRAPH/kbuild") || true
	[ -z "${kind-}" ] || { echo "${file#"$SRC"/} is $kind: more than objects is made from it"; return; }
	if [ -n "$(graph_changed "$GRAPH/folders")" ]; then
		names=$(graph_new_names)
		[ -z "$names" ] || { file=${names%%$'\n'*}; echo "${file#"$SRC"/} came or went"; return; }
		file=$(graph_moved | head -n1)
		[ -z "$file" ] || { file=${file#"$SRC"/}; echo "${file%/} is another folder"; return; }
	fi
	read -r kind file < <(graph_changed "$GRAPH/.ninja_deps" | grep -E '^(gone [^/.]|unknown)') || true
	[ -z "${kind-}" ] || echo "${file#"$OUT"/} is $kind: only Kbuild can make it"
}

# graph_foreign: prints that the kernel or an object is somebody's own make's, if it is: it may have been told to make another one.
graph_foreign() {
	local kind file
	[ -f "$OUT/umlab.info" ] || return 0
	ours || { echo "linux was not built here"; return; }
	read -r kind file < <("$CHANGED" -C "$OUT" --since "$OUT/umlab.info" "$GRAPH/members") || true
	[ -z "${file-}" ] || echo "$file was not built here"
}

# graph_edited: the sources and headers of objects that have changed.
graph_edited() { graph_changed "$GRAPH/.ninja_deps" | sed 's/^[a-z]* //'; }

# graph_build: brings the kernel up to date with ninja, which takes this shell's place. The compiler's words go to stdout.
graph_build() {
	graph_stale $EDITED
	# Which lines are not the compiler's is told by this.
	export NINJA_STATUS='[%f/%t] '
	exec "${DIE_WITH_US[@]}" ninja -C "$OUT" -f .umlab/build.ninja -j"$JOBS" 2>&1
}
