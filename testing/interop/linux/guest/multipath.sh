#!/bin/sh
# A file system on one disk that is reached over two portals (PORTAL and the relay's RELAY), under dm-multipath with the
# ALUA handler: a path that is cut or falls silent does not stop it. Variables as in lib.sh.
. /job/lib.sh
. /job/writer.sh

path() { # PORTAL
  iscsiadm -m node -T "$IQN" -p "$1" -o new && iscsiadm -m node -T "$IQN" -p "$1" --login
}
find_paths() {
  for tries in $(seq 100); do
    set -- $(ls -d /sys/class/iscsi_session/session*/device/target*/*:"$LUN"/block/*)
    [ $# = 2 ] && a=$(cat "$1/dev") b=$(cat "$2/dev") a_name=/dev/${1##*/} b_name=/dev/${2##*/} \
      size=$(cat "$1/size") && return
    usleep 100000
  done
  return 1
}
same_unit() { [ "$(sg_vpd --page=di_lu --quiet "$a_name")" = "$(sg_vpd --page=di_lu --quiet "$b_name")" ]; }
# Target port groups by the other path, which belongs to group 1
settle() { for tries in 1 2 3 4 5; do sg_turs "$1" && return; done; return 1; }
stpg() { sg_stpg "--$2" --tp="$1" "$b_name" && settle "$b_name"; } # GROUP STATE
state() { sg_rtpg --decode "$b_name" | grep -A 3 "group id : 0x$1" | grep -q "$2"; }
table() {
  dmsetup create both --table "0 $size multipath 1 queue_if_no_path 1 alua 2 1 \
    service-time 0 1 1 $a 1 service-time 0 1 1 $b 1" && dmsetup mknodes
}
failed() { dmsetup status both | grep -o '[0-9]*:[0-9]* F' | grep -c F; }
# What multipathd does: a failed path that can be read again is used again
check_paths() {
  while [ ! -e /run/unchecked ]; do
    for path in "$a $a_name" "$b $b_name"; do
      dmsetup status both | grep -q "${path% *} F" || continue
      dd if="${path#* }" of=/dev/null bs=4k count=1 iflag=direct && dmsetup message both 0 "reinstate_path ${path% *}"
    done > /dev/null 2>&1
    usleep 300000
  done &
  checker=$!
}
first_failed() { until dmsetup status both | grep -q "$a F"; do usleep 50000; done; }
# Both are good, and the first is used again: multipathd calls that failback
reinstated() {
  until [ "$(failed)" = 0 ]; do usleep 50000; done
  dmsetup message both 0 "switch_group 1"
}
remove() { touch /run/unchecked && wait $checker && dmsetup remove both; }

SETTINGS="$SETTINGS node.session.timeo.replacement_timeout=2 node.conn[0].timeo.noop_out_interval=2
  node.conn[0].timeo.noop_out_timeout=2"
configure_right
# The relayed portal first: its path is the one that is used
step 'a path over the relay' path "127.0.0.1:$RELAY"
step 'a path over the other portal' path "$PORTAL"
step 'two disks' find_paths
step 'both are one unit' same_unit
step 'the states of the target ports can be asked' sg_rtpg --decode "$a_name"
step 'the first path goes to standby' stpg 2 standby
step 'and says so' state 2 standby
step 'it is not ready then' not sg_turs "$a_name"
step 'the first path is used again' stpg 2 optimized
step 'and says so' state 2 'active/optimized'
step 'it is ready' eval 'settle "$a_name" && settle "$b_name"'
modprobe -a dm_multipath dm_service_time scsi_dh_alua
step 'one device of both' table
step 'the ALUA handler is at work' sh -c 'dmesg | grep "alua: port group"'
step 'a file system' mkfs.ext4 -q -F /dev/mapper/both
step 'mount' mount -t ext4 /dev/mapper/both /mnt
step 'the paths are checked' check_paths
step 'files are being written' start_writer
for event in cut hold; do
  step "$event: a path is gone" host $event
  [ $event = cut ] || step "$event: the path is failed" first_failed
  step "$event: files are written still" written_more 4
  [ $event = cut ] || step "$event: let go" host release
  step "$event: both paths are back" reinstated
  step "$event: files are written still" written_more 2
done
step 'the writer had no error' stop_writer
step 'umount' umount /mnt
step 'e2fsck finds nothing' e2fsck -f -n /dev/mapper/both
step 'mount again' mount -t ext4 -o ro /dev/mapper/both /mnt
step 'all files are whole' files_are_whole
step 'umount again' umount /mnt
step 'remove the device' remove
step 'logout' iscsiadm -m session --logout
step 'the file system saw no error' not sh -c 'dmesg | grep -i -E "EXT4-fs error|dm-.*I/O error"'
