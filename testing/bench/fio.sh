#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds fio with its libiscsi engine, which Debian's binary lacks, from Debian's source package, and prints the path of the program.
#
#   sh testing/bench/fio.sh [FOLDER]     FOLDER: where it goes, ~/.cache/lunkit-fio unless told otherwise
#
# Wants the packages below and a deb-src line; installs neither unless it is root, and adds no line to the system's own list.
set -eu
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/lunkit-fio}
packages='build-essential dpkg-dev pkg-config zlib1g-dev libaio-dev libiscsi-dev'
mkdir -p "$folder"
cd "$folder"
if [ ! -x fio ]; then
  if [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086 -- a list of words
    apt-get install -qq --no-install-recommends $packages >&2
  fi
  # The lists of sources in a place of their own: the system's may name binaries only.
  . /etc/os-release
  mkdir -p lists/partial
  echo "deb-src http://deb.debian.org/debian $VERSION_CODENAME main" >sources.list
  set -- -qq -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$folder/lists"
  apt-get "$@" update >&2
  apt-get "$@" source fio >&2
  cd fio-*/
  ./configure --enable-libiscsi >&2
  make -s -j"$(nproc)" fio >&2
  cp fio ..
  cd ..
fi
./fio --enghelp | grep -q libiscsi || { echo "$folder/fio has no libiscsi engine: see $folder/fio-*/config.log" >&2; exit 1; }
echo "$folder/fio"
