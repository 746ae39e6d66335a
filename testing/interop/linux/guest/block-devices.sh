# The rest of scsi-devices.sh: lunkit serves two of scsi_debug's disks as block devices, one that writes zeros by itself and one that
# only discards, and beside them the images of dm-crypt.sh, all at once.
of() { basename "$(echo $debug/adapter$1/host*/target*/*:*:*:*/block/sd*)"; }
queue() { cat "/sys/block/${1##*/}/queue/$2"; }
no_write_same() { echo 0 > "$(echo /sys/block/"${1##*/}"/device/scsi_disk/*/max_write_same_blocks)"; }
busy() { "$@" 2>&1 | grep -i -E 'busy|in use'; }
# held FROM-TO...: the blocks that the device itself holds are these, and no others
held() {
  at=0 found=
  while [ $at -lt 16384 ]; do
    set -- "$*" $(sg_get_lba_status --brief --lba=$at "$own" | grep ^0x | head -1)
    [ "$4" != 0 ] || found="$found $(($2))-$(($2 + $3 - 1))"
    at=$(($2 + $3))
    set -- $1
  done
  echo "$found, not $*"
  [ "$found" = " $*" ]
}
mib() { dd if="$disk" bs=1M skip="$1" count=1 iflag=direct; }
as_filled() { # MIB...
  for at in "$@"; do mib "$at" | cmp - /run/old || return; done
}

step 'other units of scsi_debug' eval 'modprobe -r scsi_debug && modprobe scsi_debug dev_size_mb=8 add_host=2 per_host_store=1 lbpu=1 lbpws=1 lbprz=1 ndelay=20000'
zeroing=/dev/$(of 0) discarding=/dev/$(of 1)
step 'one writes zeros by itself' [ "$(queue $zeroing write_zeroes_max_bytes)" -gt 0 ]
step 'the other does not any more' eval 'no_write_same $discarding && [ "$(queue $discarding write_zeroes_max_bytes)" = 0 ]'
step 'but it discards' [ "$(queue $discarding discard_max_bytes)" -gt 0 ]
step 'a file system' eval 'mkfs.ext4 -q $zeroing && mount $zeroing /mnt'
step 'a mounted device is not served' eval '! start block:$zeroing && grep "mounted at /mnt" /run/lunkit'
step 'unmount' umount /mnt

. /job/dm-crypt.sh
step 'serve all' start block:$zeroing block:$discarding $crypt_luns
configure
step 'login' eval 'add_record && login'
step 'what is served cannot be mounted' busy mount -t ext4 $zeroing /mnt
step 'nor overwritten by who asks' busy mkfs.ext4 -q -F $zeroing

yes 0123456789abcde | head -c 1048576 > /run/old
for LUN in 0 1; do
  own=$zeroing
  [ $LUN = 0 ] || own=$discarding
  step "$own: the disk appears" find_disk
  step 'fill it' eval 'yes 0123456789abcde | dd of=$disk bs=1M count=8 iflag=fullblock oflag=direct'
  step 'the device holds all of it' held 0-16383
  step 'UNMAP' sg_unmap --force --lba=0 --num=2048 "$disk"
  step 'WRITE SAME with UNMAP' sg_write_same --unmap --lba=4096 --num=2048 "$disk"
  step 'WRITE SAME of zeros' sg_write_same --lba=8192 --num=2048 "$disk"
  # Where nobody promises that what was given back reads as zeros, zeros that are asked for are written.
  if [ $LUN = 0 ]; then step 'the device has these blocks no more' held 2048-4095 6144-16383
  else step 'the device has those of UNMAP no more' held 2048-16383
  fi
  step 'zeros, where they were asked for' eval 'mib 2 | cmp -n 1048576 - /dev/zero && mib 4 | cmp -n 1048576 - /dev/zero'
  step 'the rest is as it was' as_filled 1 3 5
done

served_crypt
step 'logout' logout
step 'end' stop
reopened_crypt
