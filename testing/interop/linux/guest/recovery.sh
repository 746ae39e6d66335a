#!/bin/sh
# Connections that break, or fall silent, while data is being written.
# Variables as in lib.sh, but RELAY (a port) instead of PORTAL; MIB: how much to write each time;
# EVENTS: cut, hold (the relay's), reset (of the logical unit), others as the host knows them.
. /job/lib.sh
: "${EVENTS:=cut cut hold cut}" "${MIB:=32}" "${PORTAL:=127.0.0.1:$RELAY}"

# The sectors written to the disk so far
written() { awk '{ print $7 }' "/sys/block/${disk##*/}/stat"; }
errors() { dmesg | grep -c 'detected conn error'; }

start_writers() {
  start=$(written) writers=
  for i in 0 1 2 3; do
    dd if=/run/data of="$disk" bs=64k skip=$((i * part)) seek=$((i * part)) count=$part oflag=direct &
    writers="$writers $!"
  done
  until [ $(($(written) - start)) -gt $((MIB * 2048 / 10)) ]; do usleep 20000; done
}
still_writing() {
  for writer in $writers; do kill -0 "$writer" || return; done
}
wait_writers() {
  for writer in $writers; do wait "$writer" || return; done
}
noticed() { # BEFORE: waits until the kernel has seen an error on the connection
  until [ "$(errors)" -gt "$1" ]; do usleep 50000; done
}
# QEMU's user network stalls now and then in reads of 1 MiB
read_back() { [ "$(dd if="$disk" bs=128k count=$((MIB * 8)) iflag=direct | sha256sum)" = "$sum" ]; }

part=$((MIB * 4))
SETTINGS="$SETTINGS node.session.timeo.replacement_timeout=60 node.conn[0].timeo.login_timeout=3
  node.conn[0].timeo.noop_out_interval=2 node.conn[0].timeo.noop_out_timeout=2"
configure_right
step 'record' add_record
step 'login' login
step 'the disk appears' find_disk
for event in $EVENTS; do
  dd if=/dev/urandom of=/run/data bs=1M count="$MIB" 2> /dev/null
  sum=$(sha256sum < /run/data)
  before=$(errors)
  step "$event: writing" start_writers
  case $event in
    reset) step "$event: LOGICAL UNIT RESET" sg_reset --device "$disk" ;;
    *) step "$event: done on the host" host "$event" ;;
  esac
  step "$event: in the middle of the writes" still_writing
  case $event in
    reset) ;;
    hold)
      step "$event: the silence is noticed" noticed "$before"
      step "$event: by the NOP" sh -c 'dmesg | tail -20 | grep "ping timeout"'
      step "$event: release" host release
      ;;
    *) step "$event: the break is noticed" noticed "$before" ;;
  esac
  step "$event: all writes succeed" wait_writers
  step "$event: read back" read_back
  step "$event: logged in" grep -q LOGGED_IN "$session/state"
done
step 'no write was failed' not sh -c 'dmesg | grep -i "i/o error"'
step 'logout' logout
