#!/usr/bin/env bash
# Installs what building and running Quorate needs, and only what is missing.
#
#   scripts/setup.sh          for `make demo`: compiler, MariaDB
#   scripts/setup.sh --dev    for `make test` as well: rustfmt, clippy, and the languages of the clients that the router is tested with
#   scripts/setup.sh --bench  for `make bench-router` as well: sysbench and HAProxy
#
# Safe to run again: with everything in place it changes nothing and needs no privilege.
set -euo pipefail

readonly RUST_MIN=1.94.1
readonly MARIADB_MIN=10.11.9

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; } # at_least FOUND WANTED

# Debian keeps servers in sbin, which is not on every user's path; rustup is not on that of a bare shell.
PATH="$PATH:/usr/sbin:/usr/local/sbin:$HOME/.cargo/bin"

rust() {
  have cargo || die "cargo is missing. Install Rust $RUST_MIN or later with
       curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y
   then open a new shell and repeat the command."
  local found
  found=$(rustc --version | cut -d ' ' -f 2)
  at_least "${found%%-*}" "$RUST_MIN" ||
    die "rustc $found is too old, $RUST_MIN is needed: rustup update stable"
}

rust_tools() {
  local missing=()
  cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
  cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
  [ ${#missing[@]} -gt 0 ] || return 0
  have rustup || die "${missing[*]} missing: install them beside your rustc"
  say "adding to the Rust toolchain: ${missing[*]}"
  rustup component add "${missing[@]}"
}

# Names of the Debian packages that are missing.
missing_packages() { # missing_packages [--dev|--bench]
  have cc || printf 'gcc libc6-dev\n'
  { have mariadbd && have mariadb && have mariadb-install-db; } || printf 'mariadb-server\n'
  { have mariadb-backup || have mariabackup; } || printf 'mariadb-backup\n'
  if [ "${1:-}" = --dev ]; then
    # Of these any version of the last years will do; the clients themselves are pinned beside the tests.
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || printf 'python3-venv\n'
    have node || printf 'nodejs\n'
    have npm || printf 'npm\n'
    have go || [ -x /usr/local/go/bin/go ] || printf 'golang-go\n'
    { have java && have javac; } || printf 'default-jdk-headless\n'
    have mvn || printf 'maven\n'
  fi
  [ "${1:-}" = --bench ] || return 0
  have sysbench || printf 'sysbench\n'
  have haproxy || printf 'haproxy\n'
}

install() {
  local root=()
  have apt-get || die "this is no Debian; install by hand: $* (MariaDB $MARIADB_MIN or later of 10.11)"
  if [ "$(id -u)" != 0 ]; then
    have sudo || die "needs root: run 'apt-get install $*' as root, then repeat the command"
    root=(sudo)
    say "asking sudo for the right to install"
  fi
  say "installing $* (one to five minutes, 200 to 600 MB)"

  # A lab starts its own servers. Keep the package from starting one too, unless the machine already
  # has a policy of its own or a MariaDB that somebody uses.
  local policy=/usr/sbin/policy-rc.d fresh=no
  have mariadbd || fresh=yes
  if [ "$fresh" = yes ] && [ ! -e "$policy" ]; then
    # shellcheck disable=SC2064 # the values of now are meant
    trap "${root[*]} rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod 755 "$policy"
  fi
  local status=0
  {
    "${root[@]}" apt-get update -q &&
      "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
  } </dev/null || status=$?
  [ "$status" = 0 ] || die "apt-get failed (see above); repeat the command once that is mended"
  if [ "$fresh" = yes ] && [ -d /run/systemd/system ]; then
    "${root[@]}" systemctl disable --now mariadb.service >/dev/null 2>&1 || true
    say "the system's own mariadb.service is left switched off"
  fi
}

mariadb_version() {
  local found
  found=$(mariadbd --version | sed -n 's/.*Ver \([0-9.]*\).*/\1/p')
  [ -n "$found" ] || die "cannot read the version of $(command -v mariadbd)"
  at_least "$found" "$MARIADB_MIN" ||
    die "mariadbd $found is too old: before $MARIADB_MIN a restarted primary cannot drop its unacknowledged tail"
  say "mariadbd $found, $(rustc --version)"
}

main() {
  local packages
  rust
  [ "${1:-}" != --dev ] || rust_tools
  packages=$(missing_packages "${1:-}" | tr '\n' ' ')
  # shellcheck disable=SC2086 # one word per package
  [ -z "$packages" ] || install $packages
  mariadb_version
}

main "$@"
