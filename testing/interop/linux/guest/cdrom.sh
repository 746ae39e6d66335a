#!/bin/sh
# A CD drive: discs mounted, ejected and changed, by this machine and by the operator of the target.
# The target serves two drives: LUN 0 has disc A, LUN 1 discs B and C. Each disc has a file SUMS with the checksums of its others.
. /job/lib.sh

mounts() { mount -t iso9660 -o ro "$disk" /mnt; }
is_disc() { [ "$(cat /mnt/name)" = "$1" ] && (cd /mnt && sha256sum -c SUMS); }
# whole NAME: the disc is mounted, all its files are read
whole() { mounts && is_disc "$1" && umount /mnt; }
# polls: the kernel looks for events, as udev would have it, and what it tells of them is written down
polls() {
  printf '#!/bin/sh\nenv >> /run/events\n' > /run/note
  chmod +x /run/note
  uevent /run/note &
  echo 200 > "/sys/block/${disk##*/}/events_poll_msecs"
}
# hears EVENT: the kernel has told of it since the last time
hears() {
  tries=0
  until grep -q "^$1=1" /run/events; do
    [ $tries -lt 50 ] || return
    usleep 100000
    tries=$((tries + 1))
  done
  : > /run/events
}
mib() { [ "$(blockdev --getsize64 "$disk")" = $(($1 * 1048576)) ]; }
# generic: the drive's SCSI generic file; Linux closes the tray when the other one is opened, and locks the disc in meanwhile
generic() { echo "/dev/$(ls "/sys/block/${disk##*/}/device/scsi_generic")"; }
open_tray() { not sg_turs "$(generic)"; }
no_disc() { not dd if="$disk" of=/dev/null bs=2048 count=1; }

modprobe -a sr_mod isofs
configure_right
step 'discovery' discover
step 'login' login
step 'the drive appears' find_disk
step 'it is a CD drive' sh -c "case $disk in /dev/sr*) ;; *) exit 1 ;; esac"
step 'disc A is whole' whole A

polls
step 'mount' mounts
step 'the operator does not get a disc that is mounted' host locked
step 'the kernel hears that it is wanted' hears DISK_EJECT_REQUEST
step 'its files are still there' is_disc A
step 'umount' umount /mnt
step 'eject' eject "$disk"
step 'the drive is not ready' open_tray
step 'the tray closes, and disc A is there again' eject -t "$disk"
step 'disc A is whole again' whole A

: > /run/events
step 'the operator puts in disc B' host insert
step 'the kernel hears of it' hears DISK_MEDIA_CHANGE
step 'the drive has the size of disc B' mib 4
step 'disc B is whole' whole B
step 'the operator takes it out' host eject
step 'the drive is empty' no_disc

LUN=1
step 'the other drive' find_disk
step 'disc B is whole' whole B
step 'eject' eject "$disk"
step 'load the next' eject -t "$disk"
step 'disc C is whole' whole C
step 'eject and load' sh -c "eject $disk && eject -t $disk"
step 'disc B is whole again' whole B

# locked: PREVENT ALLOW MEDIUM REMOVAL, and an eject that fails
locked() { sg_prevent --prevent=1 "$sg" && not sg_start --eject "$sg" && sg_prevent --allow "$sg"; }
sg=$(generic)
step 'sg3_utils: it can be locked, and is not ejected then' locked
step 'sg3_utils: the profile' sh -c "sg_get_config --current $sg | grep -i 'cd-rom'"
step 'sg3_utils: TOC' sg_raw -r 20 "$sg" 43 00 00 00 00 00 00 00 14 00
step 'sg3_utils: page 2Ah' sg_modes -p 0x2a "$sg"
step 'logout' logout
step 'no error in the kernel log' not sh -c 'dmesg | grep -i -E "medium error|hardware error|blk_update_request|GET_EVENT and TUR disagree"'
