#!/bin/sh
# Persistent reservations of two initiators (two names, two sessions): who may write, who is fenced, and what stays when
# the target is killed. Variables as in lib.sh; PORTAL leads through the relay, `restart` kills the target and starts it again.
. /job/lib.sh
name=iqn.2000-01.example.initiator

session() { # NAME
  iscsiadm -m iface -I "$1" -o new &&
    iscsiadm -m iface -I "$1" -o update -n iface.initiatorname -v "$name:$1" &&
    iscsiadm -m iface -I "$1" -o update -n iface.transport_name -v tcp &&
    node -I "$1" -o new && node -I "$1" --login
}
disk_of() { # NAME: waits for the disk that this initiator sees
  tries=0
  while [ $tries -lt 100 ]; do
    for entry in /sys/class/iscsi_session/session*; do
      [ "$(cat "$entry/initiatorname")" = "$name:$1" ] || continue
      for block in "$entry"/device/target*/*:"$LUN"/block/*; do
        [ -b "/dev/${block##*/}" ] && echo "/dev/${block##*/}" && return
      done
    done
    usleep 100000
    tries=$((tries + 1))
  done
  return 1
}
find_disks() { a=$(disk_of first) && b=$(disk_of second); }
pr() { sg_persist --no-inquiry "$@"; }
register() { pr --out --register --param-sark="$2" "$1"; }
write() { dd if=/run/block of="$1" bs=4096 count=1 oflag=direct conv=notrunc; }
look() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct; }
keys() { [ "$(pr --in --read-keys "$1" | grep -c '0x[0-9a-f]*$')" = "$2" ]; }
holder() { # DISK KEY TYPE
  pr --in --read-reservation "$1" > /run/holder && grep -q "Key=$2" /run/holder && grep -q "type: $3" /run/holder
}
# A writer that goes on until it is refused
start_writer() { dd if=/dev/zero of="$b" bs=16k oflag=direct & writer=$!; usleep 500000; kill -0 "$writer"; }
stopped() { wait "$writer"; [ $? != 0 ]; }
# A write that was under way has no answer (TAS is 0): the kernel waits for its time limit, and may reset the unit then
settle() { for tries in 1 2 3 4 5; do sg_turs "$1" && return; done; return 1; }
is_kept() { dd if="$a" bs=4096 count=1 iflag=direct | cmp - /run/block; }

head -c 4096 /dev/urandom > /run/block
configure_right
step 'two initiators log in' eval 'session first && session second'
step 'each sees the disk' find_disks
step 'all six types can be had' eval 'pr --in --report-capabilities "$a" > /run/caps &&
  [ "$(grep -c "\(Write Exclusive\|Exclusive Access\).*: 1" /run/caps)" = 6 ]'
step 'both register' eval 'register "$a" 0xa1 && register "$b" 0xb2'
step 'two keys' keys "$a" 2
step 'the first reserves: write exclusive' pr --out --reserve --param-rk=0xa1 --prout-type=1 "$a"
step 'the first writes' write "$a"
step 'the second may not write' not write "$b"
step 'the second may read' look "$b"
step 'a wrong key releases nothing' not pr --out --release --param-rk=0xbad --prout-type=1 "$a"
step 'the first releases' pr --out --release --param-rk=0xa1 --prout-type=1 "$a"
step 'the second writes' write "$b"
step 'exclusive access, registrants only' pr --out --reserve --param-rk=0xb2 --prout-type=6 "$b"
step 'the registered first writes' write "$a"
step 'the first leaves' pr --out --register --param-rk=0xa1 --param-sark=0 "$a"
step 'and may no longer read' not look "$a"
step 'the first registers again' register "$a" 0xa2

step 'the second writes without end' start_writer
step 'the first preempts and aborts it' pr --out --preempt-abort --param-rk=0xa2 --param-sark=0xb2 --prout-type=5 "$a"
step 'the writer is stopped' stopped
step 'what became of it is told' eval 'settle "$a" && settle "$b"'
step 'the first holds it: write exclusive, registrants only' holder "$a" 0xa2 'Write Exclusive, registrants only'
step 'one key' keys "$a" 1
step 'the first writes again' write "$a"
step 'the second may not' not write "$b"
step 'what the first wrote is there' is_kept

step 'a registration that outlives power loss' pr --out --register-ignore --param-sark=0xa3 --param-aptpl "$a"
step 'the target is killed and started again' host restart
step 'the first reads, when it is back' look "$a"
step 'the key is still there' keys "$a" 1
step 'and the reservation' holder "$a" 0xa3 'Write Exclusive, registrants only'
step 'the first writes' write "$a"
step 'the second may not' not write "$b"
step 'clear' pr --out --clear --param-rk=0xa3 "$a"
step 'no key' keys "$a" 0
step 'the second writes' write "$b"
step 'logout' iscsiadm -m session --logout
