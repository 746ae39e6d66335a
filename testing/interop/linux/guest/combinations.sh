#!/bin/sh
# Every combination of header digest, data digest and authentication: a session has what was asked for, and carries data.
# Variables as in lib.sh: PORTAL asks nothing of an initiator, CHAP_PORTAL wants CHAP_USER and CHAP_SECRET and can prove itself
# as MUTUAL_USER.
. /job/lib.sh
open_portal=$PORTAL

number() { case $1 in None) echo 0 ;; CRC32C) echo 1 ;; esac; }
digests() { # HEADER DATA
  for entry in /sys/class/iscsi_connection/connection*; do
    [ "$(cat $entry/header_digest) $(cat $entry/data_digest)" = "$(number "$1") $(number "$2")" ] || return
  done
}
# user ATTRIBUTE NAME: the kernel has that user for the session, or none
user() { [ "$(grep -v '^(null)$' "$session/$1")" = "$2" ]; }
authenticated() { # none, chap or mutual
  case $1 in
    none) user username '' && user username_in '' ;;
    chap) user username "$CHAP_USER" && user username_in '' ;;
    mutual) user username "$CHAP_USER" && user username_in "$MUTUAL_USER" ;;
  esac
}
carries_data() {
  head -c 300000 /dev/urandom > /run/data && truncate -s 393216 /run/data
  dd if=/run/data of="$disk" bs=128k oflag=direct conv=notrunc || return
  dd if="$disk" bs=128k count=3 iflag=direct | cmp - /run/data
}
session_with() { # AUTHENTICATION HEADER DATA
  add_record && login && find_disk && digests "$2" "$3" && authenticated "$1" && carries_data && logout
}

for auth in none chap mutual; do
  for header in None CRC32C; do
    for data in None CRC32C; do
      SETTINGS="node.conn[0].iscsi.HeaderDigest=$header node.conn[0].iscsi.DataDigest=$data"
      PORTAL=$CHAP_PORTAL
      case $auth in
        none) PORTAL=$open_portal; configure ;;
        chap) configure $(chap "$CHAP_USER" "$CHAP_SECRET") ;;
        mutual) configure $(chap "$CHAP_USER" "$CHAP_SECRET" "$MUTUAL_USER" "$MUTUAL_SECRET") ;;
      esac
      step "authentication $auth, header digest $header, data digest $data" session_with $auth $header $data
    done
  done
done
step 'no error in the kernel log' not sh -c 'dmesg | grep -i -E "i/o error|conn error|Sense Key"'
