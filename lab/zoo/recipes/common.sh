# Sourced by recipes, which scripts/setup calls as `RECIPE NAME ARGUMENT...` with ROOT, the source tree, and ZOO,
# build/assets/zoo. A recipe brings the member's files to $ZOO/NAME; called again it does only what is left to do.
#
# Packages of any Debian suite and architecture come through an apt whose lists, sources and settings are the zoo's own.
# The machine's own apt is left as it is. apt checks the archive's signature with Debian's keyring, and each file against
# the signed lists. ZOO_MIRROR, ZOO_SECURITY_MIRROR: other mirrors than those of the machine's own sources.
set -euo pipefail

fail() { echo "setup: $1" >&2; exit 3; }
say() { echo "setup: $1"; }

# build_targets TARGET...: of the release preset.
build_targets() {
    local log=$ZOO/.build.log
    say "building $*"
    { [ -e "$ROOT/build/release/CMakeCache.txt" ] || cmake -S "$ROOT" --preset release; } > "$log" 2>&1 &&
        cmake --build "$ROOT/build/release" --target "$@" >> "$log" 2>&1 ||
        fail "the build of $* failed: see $log"
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The machine's mirror of the archive that calls itself LABEL, or Debian's own.
machine_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' -v label="$1" '$1 == label { print $2; exit }')
    echo "${mirror:-$2}"
}

# zoo_apt_begin SUITE ARCHITECTURE: after it `zoo_apt apt-get ...` speaks of that suite. Lists are fetched once a day.
zoo_apt_begin() {
    zoo_suite=$1
    zoo_apt_root=$ZOO/.apt/$1-$2
    local mirror security release=${1%-backports}
    mirror=${ZOO_MIRROR:-$(machine_mirror Debian http://deb.debian.org/debian)}
    security=${ZOO_SECURITY_MIRROR:-$(machine_mirror Debian-Security http://deb.debian.org/debian-security)}
    [ -e "$keyring" ] || fail "$keyring is not there: install the package debian-archive-keyring"
    mkdir -p "$zoo_apt_root/state/lists/partial" "$zoo_apt_root/cache/archives/partial"
    : > "$zoo_apt_root/status"
    local sources=("deb [signed-by=$keyring] $mirror $1 main")
    [ "$1" != "$release" ] || sources+=("deb [signed-by=$keyring] $security $release-security main")
    zoo_apt_options=(-qq -o "Dir::State=$zoo_apt_root/state" -o "Dir::State::status=$zoo_apt_root/status"
        -o "Dir::Cache=$zoo_apt_root/cache" -o "Dir::Etc::SourceList=$zoo_apt_root/sources.list"
        -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null -o Dir::Etc::Preferences=/dev/null
        -o "APT::Architecture=$2" -o "APT::Architectures=$2" -o Acquire::Languages=none
        -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=false -o APT::Install-Recommends=false)
    [ -z "$(find "$zoo_apt_root/updated" -mtime -1 2>/dev/null)" ] || return 0
    say "fetching the lists of $1 ($2)"
    printf '%s\n' "${sources[@]}" > "$zoo_apt_root/sources.list"
    if ! zoo_update; then
        local trouble
        trouble=$(zoo_apt_error)
        # Kernels of a point release do as well: a mirror in the middle of its own update must not stop the zoo.
        echo "${sources[0]}" > "$zoo_apt_root/sources.list"
        [ ${#sources[@]} -gt 1 ] && zoo_update ||
            fail "$mirror gives no good lists of $1: $trouble; check the network, or set ZOO_MIRROR (old suites: http://archive.debian.org/debian)"
        say "$security gives no good lists of $release-security ($trouble); going on without"
    fi
    touch "$zoo_apt_root/updated"
}

zoo_update() { zoo_apt apt-get update --error-on=any > "$zoo_apt_root/log" 2>&1; }

# The first line of what apt said last, without its prefix.
zoo_apt_error() { sed -n 's/^E: *//p' "$zoo_apt_root/log" | head -1 | grep . || echo "see $zoo_apt_root/log"; }

zoo_apt() {
    local program=$1
    shift
    "$program" "${zoo_apt_options[@]}" "$@"
}

# zoo_download DIRECTORY PACKAGE...: the newest of each that the suite has. apt tells a file whose hash is wrong.
zoo_download() {
    local directory=$1
    shift
    mkdir -p "$directory"
    (cd "$directory" && zoo_apt apt-get download "$@" > "$zoo_apt_root/log" 2>&1) ||
        fail "cannot download $* of $zoo_suite: $(zoo_apt_error); check the network, or remove $zoo_apt_root and try again"
}

# zoo_closure PACKAGE...: these and everything that they depend on, without what is only recommended.
zoo_closure() {
    zoo_apt apt-get install --simulate --no-install-recommends "$@" 2> "$zoo_apt_root/log" | sed -n 's/^Inst \([^ :]*\).*/\1/p' | sort -u |
        grep . || fail "cannot tell what $* of $zoo_suite depends on: $(head -1 "$zoo_apt_root/log"); remove $zoo_apt_root and try again"
}

# zoo_dependency PACKAGE PATTERN: the name of the package that PACKAGE, a pointer, depends on.
zoo_dependency() {
    zoo_apt apt-cache depends "$1" 2>/dev/null | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -1 | grep . ||
        fail "$1 of $zoo_suite points to nothing like $2: choose another package in lab/zoo/members"
}

# fetch_kernel DIRECTORY SUITE ARCHITECTURE PACKAGE: the kernel that PACKAGE points to, unpacked.
fetch_kernel() {
    [ ! -e "$1/modules/order" ] || return 0
    local package debs=$1.deb
    zoo_apt_begin "$2" "$3"
    package=$(zoo_dependency "$4" 'linux-image-[^ ]*')
    say "fetching $package of $2"
    rm -rf "$debs"
    zoo_download "$debs" "$package"
    "$ROOT/scripts/unpack-kernel" "$debs"/*.deb "$1"
    rm -rf "$debs"
}
