# SPDX-License-Identifier: GPL-2.0
# A private apt root: another suite of the archive that this machine's apt is configured for, without a change to the
# machine. Sourced after lib.sh; who does sets APT, the root's directory.

# archive_uri: the URI of a Debian archive (not security, not a vendor's) in the machine's
# apt configuration, deb822 or one-line format alike.
archive_uri() {
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "main" && $1 ~ /\/debian\/?$|\/debian\.list\/?$/ && !n++ { print $1 }'
}

# apt_root URI SUITE [deb-src]: writes a private apt root for one suite, of packages or of sources.
apt_root() {
	local signed= keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ ! -r $keyring ] || signed="[signed-by=$keyring] "
	mkdir -p "$APT/lists/partial" "$APT/archives/partial" "$APT/log" "$APT/empty"
	: >"$APT/status"
	echo "${3:-deb} $signed$1 $2 main" >"$APT/sources.list"
	{
		# The machine's proxies and the like, without its hooks and its extra indexes.
		apt-config dump 2>/dev/null | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' || true
		cat <<-END
			Dir::State "$APT/";
			Dir::State::lists "$APT/lists/";
			Dir::State::status "$APT/status";
			Dir::State::extended_states "$APT/extended_states";
			Dir::Cache "$APT/";
			Dir::Cache::archives "$APT/archives/";
			Dir::Log "$APT/log/";
			Dir::Etc::SourceList "$APT/sources.list";
			Dir::Etc::SourceParts "$APT/empty/";
			Dir::Etc::Main "/dev/null";
			Dir::Etc::Parts "$APT/empty/";
			Dir::Etc::Preferences "/dev/null";
			Dir::Etc::PreferencesParts "$APT/empty/";
			APT::Sandbox::User "$(id -un)";
			APT::Architecture "$(dpkg --print-architecture)";
			APT::Update::Error-Mode "any";
			APT::Get::List-Cleanup "false";
			Acquire::Languages "none";
			Acquire::Retries "2";
			Acquire::http::Timeout "20";
			Acquire::https::Timeout "20";
		END
	} >"$APT/apt.conf"
	export APT_CONFIG=$APT/apt.conf
}

# why LOG: apt's first error or warning in LOG, on one line.
why() { { grep -m1 '^[EW]:' "$1" || grep -m1 '^Err:' "$1" || echo "see $1"; } | sed 's/^[EW]: *//; s/  */ /g' | cut -c1-200; }
