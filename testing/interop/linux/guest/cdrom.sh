#!/bin/sh
# A CD drive: discs mounted, ejected and changed, by this machine and by the operator of the target.
# The target serves two drives: LUN 0 has disc A, LUN 1 discs B and C. Each disc has a file SUMS with the checksums of its others.
. /job/lib.sh

mounts() { mount -t iso9660 -o ro "$disk" /mnt; }
is_disc() { [ "$(cat /mnt/name)" = "$1" ] && (cd /mnt && sha256sum -c SUMS); }
# whole NAME: the disc is mounted, all its files are read
whole() { mounts && is_disc "$1" && umount /mnt; }
# Without udev nobody looks for events: the kernel is told to.
polls() { echo 200 > "/sys/block/${disk##*/}/events_poll_msecs"; }
# sized MIB: the size that the kernel has found, which changes with the disc
sized() {
  tries=0
  while [ "$(($(cat "/sys/block/${disk##*/}/size") / 2048))" != "$1" ]; do
    [ $tries -lt 50 ] || return
    usleep 100000
    tries=$((tries + 1))
  done
}
no_disc() { not dd if="$disk" of=/dev/null bs=2048 count=1; }

modprobe -a sr_mod isofs
configure_right
step 'discovery' discover
step 'login' login
step 'the drive appears' find_disk
step 'it is a CD drive' sh -c "case $disk in /dev/sr*) ;; *) exit 1 ;; esac"
step 'disc A is whole' whole A

step 'mount' mounts
step 'the operator does not get a disc that is mounted' host locked
step 'its files are still there' is_disc A
step 'umount' umount /mnt
step 'eject' eject "$disk"
step 'the drive is empty' no_disc
step 'the tray closes, and disc A is there again' eject -t "$disk"
step 'disc A is whole again' whole A

polls
step 'the operator puts in disc B' host insert
step 'the kernel hears of it: the size is that of B' sized 4
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

# locked DISK: PREVENT ALLOW MEDIUM REMOVAL, and an eject that fails
locked() { sg_prevent --prevent=1 "$1" && not sg_start --eject "$1" && sg_prevent --allow "$1"; }
step 'sg3_utils: it can be locked, and is not ejected then' locked "$disk"
step 'sg3_utils: the profile' sh -c "sg_get_config --current $disk | grep -q 'profile: CD-ROM'"
step 'sg3_utils: TOC, page 2Ah' sh -c "sg_raw -r 20 $disk 43 00 00 00 00 00 00 00 14 00 && sg_modes -p 0x2a $disk"
step 'logout' logout
step 'no error in the kernel log' not sh -c 'dmesg | grep -i -E "medium error|hardware error|blk_update_request|GET_EVENT and TUR disagree"'
