# SPDX-License-Identifier: GPL-2.0
# What Kbuild wrote down of each command that it ran (.cmd files: scripts/Kbuild.include, scripts/basic/fixdep.c), as
# a graph for ninja. Reads .cmd files, from the O= directory; called by graph.sh.
#
#   -v members=FILE  the objects that vmlinux is linked from, one a line
#   -v ninja=FILE    to be written: an edge for each object that one compiler run makes
#   -v kbuild=FILE   to be written: the files that all else is made from: where one of those changes, make must decide
#   -v edges=FILE    to be written: what the edges make, and from which source, one a line
#   -v folders=FILE  to be written: the folders outside of this one that something was read from, or might be
#   -v src=DIR       the source, which is ../linux where ccache has the compiler write names

BEGIN {
	while ((getline line < members) > 0) member[line]
}

# `$` is `$$` in make, `#` is `\#`.
function shell(text)
{
	gsub(/\$\$/, "$", text)
	gsub(/\\#/, "#", text)
	return text
}

# One compiler, one source, one object: no other command beside it, and a list of what was included.
function compiles(command)
{
	return command ~ /^(ccache )?[^ =]*(gcc|cc|clang)[^ \/]* -Wp,-MM?D,/ && command ~ / -c -o / && command !~ /[;|&<>`]/
}

function note_folder(file)
{
	if (file !~ /^\/|^\.\.\// || file in seen)
		return
	seen[file]
	sub(/\/[^\/]*$/, "", file)
	folder[file]
}

# One name for a file of the source.
function in_source(name)
{
	return index(name, src "/") == 1 ? "../linux" substr(name, length(src) + 1) : name
}

# Where the compiler looks for headers, though it may have found none there.
function note_includes(command,   root)
{
	while (match(command, / -I *[^ ]+/)) {
		root = substr(command, RSTART + 3, RLENGTH - 3)
		sub(/^ +/, "", root)
		roots[in_source(root)]
		note_folder(root "/.")
		command = substr(command, RSTART + RLENGTH)
	}
}

function finish(   depfile, i, command)
{
	if (out == "")
		return
	if (source != "")
		list[n++] = source
	for (i = 0; i < n; i++) {
		note_folder(list[i])
		if (list[i] ~ /\.h$/)
			header[in_source(list[i])]
	}
	command = shell(saved)
	note_includes(command)
	if (out in member && compiles(command)) {
		match(command, /-Wp,-MM?D,[^ ]*/)
		depfile = substr(command, RSTART, RLENGTH)
		sub(/^-Wp,-MM?D,/, "", depfile)
		gsub(/\$/, "$$", command)
		printf "build %s: cc %s\n command_line = %s\n depfile = %s\n record = %s\n", out, source, command, depfile, FILE > ninja
		print out, source > edges
		# What ninja would have read from the compiler, had it called it itself.
		printf "%s: %s%s\n", out, source, deps > depfile
		close(depfile)
	} else {
		for (i = 0; i < n; i++)
			needs[list[i]]
		# Some records have only the command: what it names is what it reads.
		n = split(command, list, /[ "'<>;|&()]+/)
		for (i = 1; i <= n; i++)
			needs[list[i]]
	}
	out = ""
}

FNR == 1 {
	finish()
	FILE = FILENAME
	deps = source = ""
	n = 0
	at = index($0, " := ")
	if (!at || $0 !~ /^(saved)?cmd_/)
		next
	saved = substr($0, at + 4)
	out = substr($0, 1, at - 1)
	sub(/^(saved)?cmd_/, "", out)
	next
}

out == "" { next }
/^source_/ { source = $3; next }
/^  / && $1 !~ /^\$\(/ { deps = deps " " $1; list[n++] = $1 }

# Where the compiler looks for a header that it finds in a folder below another -I, if there is one of that name.
function note_hidden(   file, root, path, below)
{
	for (file in header)
		for (root in roots)
			if (index(file, root "/") == 1) {
				path = substr(file, length(root) + 2)
				if (sub(/\/[^\/]*$/, "", path) && path !~ /\.\./)
					below[path]
			}
	for (root in roots)
		for (path in below)
			note_folder(root "/" path "/.")
}

END {
	finish()
	note_hidden()
	for (file in needs)
		if (file ~ /^\// || file ~ /^\.\.\//)
			print file > kbuild
	for (file in folder)
		print file > folders
}
