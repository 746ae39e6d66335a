#!/bin/sh
# A file system that survives logout and login.
# Variables as in lib.sh; MIB: how much to write, DIGEST: what both digests must be (None or CRC32C).
. /job/lib.sh
: "${MIB:=64}" "${DIGEST:=None}"

digests() {
  case $DIGEST in None) wanted=0 ;; CRC32C) wanted=1 ;; esac
  for kind in header data; do
    [ "$(cat /sys/class/iscsi_connection/connection*/${kind}_digest)" = "$wanted" ] || return
  done
}
write_files() {
  mkdir /mnt/files || return
  for i in 1 2 3 4; do
    dd if=/dev/urandom of=/mnt/files/$i bs=1M count=$((MIB / 4)) || return
  done
  i=0
  while [ $i -lt 100 ]; do echo "file $i" > /mnt/files/small$i || return; i=$((i + 1)); done
}
sums() { (cd /mnt/files && sha256sum *) > "$1"; }

dmesg -c > /dev/null # what another script caused
configure_right
step 'discovery' discover
step 'login' login
step 'the disk appears' find_disk
step "digests are $DIGEST" digests
step 'mkfs.ext4' mkfs.ext4 -q -F "$disk"
step 'mount' mount -t ext4 "$disk" /mnt
step "write $MIB MiB and 100 small files" write_files
step 'sync' sync
step 'checksums' sums /run/before
step 'umount' umount /mnt
step 'logout' logout
step 'login again' login
step 'the disk appears again' find_disk
step 'e2fsck finds nothing' e2fsck -f -n "$disk"
step 'mount again' mount -t ext4 -o ro "$disk" /mnt
step 'checksums, read from the target' sums /run/after
step 'they are equal' cmp /run/before /run/after
step 'umount again' umount /mnt
step 'logout again' logout
step 'no error in the kernel log' not sh -c 'dmesg | grep -i -E "i/o error|conn error|EXT4-fs error|Sense Key"'
