#!/bin/sh
# What happens to a session besides errors: redirects at login, a disk that grows, a network that is cut while the target believes
# that all is well. Variables as in lib.sh, and MOVED: the portal to which PORTAL sends initiators, over the relay, at first.
. /job/lib.sh
. /job/writer.sh

portal() { cat /sys/class/iscsi_connection/connection*/"$1"; }
# The portal that was asked for, and the one where the session is
asked_at() { [ "$(portal persistent_address):$(portal persistent_port)" = "$1" ]; }
logged_in_at() { [ "$(portal address):$(portal port)" = "$1" ]; }
conn_errors() { dmesg | grep -c 'detected conn error'; }
back() { # BEFORE: the kernel has seen a break and is logged in again
  until [ "$(conn_errors)" -gt "$1" ]; do usleep 50000; done
  until grep -q LOGGED_IN "$session/state"; do usleep 50000; done
}
sectors() { cat "/sys/block/${disk##*/}/size"; }
rescanned() { iscsiadm -m session --rescan && [ "$(sectors)" = "$1" ]; }
told() { until dmesg | grep 'Capacity data has changed'; do usleep 50000; done; }
blocks() { df -k /mnt | awk 'END { print $2 }'; }

SETTINGS="$SETTINGS node.session.timeo.replacement_timeout=120 node.conn[0].timeo.login_timeout=3
  node.conn[0].timeo.noop_out_interval=2 node.conn[0].timeo.noop_out_timeout=2"
configure_right
step 'login, redirected' eval 'add_record && login'
step 'the disk appears' find_disk
step 'the session is where the redirect leads' logged_in_at "127.0.0.1:$RELAY"
step 'the portal that was asked is remembered' asked_at "$PORTAL"
step 'a file system' mkfs.ext4 -q -F "$disk"
step 'mount' mount -t ext4 "$disk" /mnt
step 'files are being written' start_writer

before=$(conn_errors)
step 'cut off from its network: only new connections get through' host strand
step 'the kernel notices, and logs in again' back "$before"
step 'the target has let the new session take the place of the old' host reinstated
step 'files are written' written_more 2

before=$(conn_errors)
step 'the redirect leads elsewhere now, and the connection is cut' eval 'host move && host cut'
step 'the kernel logs in again' back "$before"
step 'where the redirect leads now' logged_in_at "$MOVED"
step 'the portal that was asked is still remembered' asked_at "$PORTAL"
step 'files are written' written_more 2

size=$(sectors) space=$(blocks)
step 'the image grows on the host' host grow
step 'the kernel is told' told
step 'a rescan shows it' rescanned $((size * 2))
step 'the file system grows with it' resize2fs "$disk"
step 'it has room for more' [ "$(blocks)" -gt $((space * 3 / 2)) ]
step 'files are written' written_more 2

step 'the writer had no error' stop_writer
step 'umount' umount /mnt
step 'e2fsck finds nothing' e2fsck -f -n "$disk"
step 'mount again' mount -t ext4 -o ro "$disk" /mnt
step 'all files are whole' files_are_whole
step 'umount again' umount /mnt
step 'no I/O error in the kernel log' not sh -c 'dmesg | grep -i -E "i/o error|EXT4-fs error|Buffer I/O"'
step 'logout' logout
