#!/bin/sh
# What a disk tells of itself through sg3_utils, and that its pages, reports and settings agree. Variables as in lib.sh.
. /job/lib.sh

# says PATTERN COMMAND...: the command succeeds and its output has the pattern
says() {
  pattern=$1
  shift
  "$@" > /run/said 2>&1 && grep -q -- "$pattern" /run/said || { cat /run/said; return 1; }
}
# codes HEADER: the bytes of standard input behind a header, as 0xNN words
codes() { od -An -v -tx1 | tr -s ' \n' '\n\n' | sed '/^$/d' | tail -n +$(($1 + 1)) | sed 's/^/0x/'; }
each_vpd() { # each page of the list decodes, and names itself
  sg_vpd --raw --page=0 "$disk" | codes 4 > /run/pages
  [ "$(wc -l < /run/pages)" -ge "$1" ] || return
  for page in $(cat /run/pages); do
    sg_vpd --page="$page" "$disk" > /run/said 2>&1 || { cat /run/said; return 1; }
    [ "$(sg_vpd --raw --page="$page" "$disk" | codes 1 | head -1)" = "$page" ] || { echo "$page"; return 1; }
  done
}
each_log() {
  sg_logs --raw --page=0 "$disk" | codes 4 > /run/pages
  [ "$(wc -l < /run/pages)" -ge "$1" ] || return
  for page in $(cat /run/pages); do
    sg_logs --page="$page" "$disk" > /run/said 2>&1 || { cat /run/said; return 1; }
  done
}
opcodes() { # opcode, and service action where there is one
  sg_opcodes --no-inquiry "$disk" | awk '$1 !~ /^[0-9a-f][0-9a-f]$/ { next } $3 ~ /,/ { print $1 } $4 ~ /,/ { print $1, $2 }' > /run/opcodes
  [ "$(wc -l < /run/opcodes)" -ge "$1" ]
}
one_by_one() {
  while read -r code action; do
    says 'Command is supported' sg_opcodes --no-inquiry --opcode=0x$code ${action:+--sa=0x$action} --rctd "$disk" || return
  done < /run/opcodes
}
# as_kernel PAGE: the page is what the kernel read when it found the disk
as_kernel() { sg_vpd --raw --page=0x$1 "$disk" | cmp - "/sys/block/${disk##*/}/device/vpd_pg$1"; }

configure_right
step 'login' eval 'add_record && login'
step 'the disk appears' find_disk
step 'INQUIRY' says 'SPC-4' sg_inq "$disk"
step 'version descriptors' says 'SBC' sg_inq --descriptors "$disk"
step 'every VPD page' each_vpd 12
step 'an NAA designator' says 'NAA' sg_vpd --page=di_lu "$disk"
step 'a target port designator' says 'Relative target port' sg_vpd --page=di_port "$disk"
step 'the kernel has the same serial number and designators' eval 'as_kernel 80 && as_kernel 83'
step 'REPORT LUNS' says 'Lun list' sg_luns "$disk"
step 'READ CAPACITY (10) and (16) agree' eval '[ "$(sg_readcap --brief "$disk")" = "$(sg_readcap --16 --brief "$disk")" ]'
step 'every opcode' opcodes 30
step 'each by itself, with its time limits' one_by_one
step 'task management functions' says 'Abort task' sg_opcodes --tmf "$disk"
step 'every mode page' says 'Caching' sg_modes --all "$disk"
step 'changeable values' sg_modes --all --control=1 "$disk"
step 'default values' sg_modes --all --control=2 "$disk"
step 'saved values' sg_modes --all --control=3 "$disk"
step 'every log page' each_log 8
step 'SET TIMESTAMP' sg_timestamp --milliseconds=1700000000000 --no-timestamp "$disk"
step 'REPORT TIMESTAMP' says '^17000000' sg_timestamp "$disk"
step 'SET IDENTIFYING INFORMATION' eval 'printf "the blue one" | sg_ident --set "$disk"'
step 'REPORT IDENTIFYING INFORMATION' says 'the blue one' sg_ident --ascii "$disk"
step 'SEND DIAGNOSTIC' sg_senddiag --test "$disk"
step 'RECEIVE DIAGNOSTIC RESULTS' says 'Supported diagnostic pages' sg_senddiag --list "$disk"
step 'READ BUFFER, descriptor' sg_read_buffer --mode=desc "$disk"
step 'WRITE BUFFER and READ BUFFER' sg_test_rwbuf --size=4096 --times=2 "$disk"
step 'echo buffer' sg_read_buffer --mode=echo_desc "$disk"
step 'REQUEST SENSE' says 'No Sense' sg_requests "$disk"
step 'GET LBA STATUS' says 'LBA' sg_get_lba_status --lba=0 --maxlen=64 "$disk"
step 'read defect data' sg_raw --request=4 "$disk" 37 00 0d 00 00 00 00 00 04 00
step 'logout' logout
