#!/bin/sh
# Space that comes back: blkdiscard, fstrim, zeroing and block states. Variables as in lib.sh; the host answers `full` if
# the image takes space and `shrunk` if it no longer does.
. /job/lib.sh
MIB=32

queue() { cat "/sys/block/${disk##*/}/queue/$1"; }
fill() { yes 0123456789abcde | dd of="$disk" bs=1M count=$MIB iflag=fullblock oflag=direct; }
# zeros MIB COUNT; filled MIB...: the first block of each of these MiB has what was written
zeros() { dd if="$disk" bs=1M skip="$1" count="$2" iflag=direct | cmp -n $(($2 << 20)) - /dev/zero; }
filled() {
  for mib in "$@"; do dd if="$disk" bs=4k skip=$((mib * 256)) count=1 iflag=direct | grep -q 0123456789abcde || return; done
}
files() { dd if=/dev/urandom of=/mnt/big bs=1M count=$((MIB / 2)) && sync; }

configure_right
step 'login' eval 'add_record && login'
step 'the disk appears' find_disk
step 'Linux sees a disk that can discard' [ "$(queue discard_max_bytes)" -gt 0 ]
step "fill $MIB MiB" fill
step 'the image takes space on the host' host full
step 'blkdiscard of the second 8 MiB' blkdiscard -o 8MiB -l 8MiB "$disk"
step 'zeros there' zeros 8 8
step 'and only there' filled 0 1 7 16 31
step 'zero 4 MiB' blkdiscard -z -o 0 -l 4MiB "$disk"
step 'zeros there' zeros 0 4
step 'and only there' filled 4 7 16 31
step 'blkdiscard of all' blkdiscard "$disk"
step 'the space is back on the host' host shrunk
step 'a file system' mkfs.ext4 -q -F "$disk"
step 'mount' mount -t ext4 "$disk" /mnt
step 'write' files
step 'the image takes space on the host' host full
step 'remove' rm /mnt/big
step 'fstrim' eval 'sync && fstrim -v /mnt'
step 'the space is back on the host' host shrunk
step 'umount' umount /mnt
step 'logout' logout
