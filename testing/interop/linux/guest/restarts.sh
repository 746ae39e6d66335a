#!/bin/sh
# A target that is killed and is away for some seconds, again and again, under a file system that is being written: the session
# outlives it, and nobody above it sees an error. Variables as in lib.sh; RESTARTS: how often the host is asked to `restart`.
. /job/lib.sh
. /job/writer.sh
: "${RESTARTS:=10}"

conn_errors() { dmesg | grep -c 'detected conn error'; }
# restarted BEFORE: the kernel has seen the break and is logged in again
restarted() {
  until [ "$(conn_errors)" -gt "$1" ]; do usleep 50000; done
  until grep -q LOGGED_IN "$session/state"; do usleep 50000; done
}

SETTINGS="$SETTINGS node.session.timeo.replacement_timeout=120 node.conn[0].timeo.login_timeout=3
  node.conn[0].timeo.noop_out_interval=2 node.conn[0].timeo.noop_out_timeout=2"
configure_right
step 'login' eval 'add_record && login'
step 'the disk appears' find_disk
before=$session
step 'a file system' mkfs.ext4 -q -F "$disk"
step 'mount' mount -t ext4 "$disk" /mnt
step 'files are being written' start_writer
for round in $(seq "$RESTARTS"); do
  seen=$(conn_errors)
  step "killed, time $round: the target is back" host restart
  step "killed, time $round: logged in again" restarted "$seen"
  step "killed, time $round: files are written" written_more 2
done
step 'the writer had no error' stop_writer
step 'it is the same session still' [ -d "$before" ]
step 'umount' umount /mnt
step 'e2fsck finds nothing' e2fsck -f -n "$disk"
step 'mount again' mount -t ext4 -o ro "$disk" /mnt
step 'all files are whole' files_are_whole
step 'umount again' umount /mnt
step 'no I/O error in the kernel log' not sh -c 'dmesg | grep -i -E "i/o error|EXT4-fs error|EXT4-fs warning|Buffer I/O"'
step 'logout' logout
