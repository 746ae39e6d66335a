#!/bin/sh
# Formats and sanitizes the disk with sg3_utils, waiting for the end and asking how far it is. Variables as in lib.sh.
. /job/lib.sh

fill() { yes 0123456789abcde | dd of="$disk" bs=1M count=2 iflag=fullblock oflag=direct; }
# filled BYTE: the first and the last MiB hold nothing but this byte, given in octal
filled() {
  for skip in 0 $((mib - 1)); do
    dd if="$disk" bs=1M skip=$skip count=1 iflag=direct | tr -d "\\$1" | cmp - /dev/null || return
  done
}
ready() {
  tries=0
  until sg_turs "$disk"; do
    sg_turs --progress "$disk" || sg_requests --progress "$disk" || :
    tries=$((tries + 1))
    [ $tries -lt 300 ] || return
    usleep 100000
  done
}

configure_right
step 'login' eval 'add_record && login'
step 'the disk appears' find_disk
mib=$(($(blockdev --getsize64 "$disk") >> 20))
printf '\245\245\245\245' > /run/pattern
step 'fill some of it' fill
step 'sg_format, waiting' sg_format --format --quick --wait "$disk"
step 'zeros there' filled 000
step 'fill some of it' fill
step 'sg_format, not waiting' sg_format --format --quick --early "$disk"
step 'until it is ready' ready
step 'zeros there' filled 000
step 'fast format' sg_format --format --quick --wait --ffmt=1 "$disk"
step 'fill some of it' fill
step 'sg_sanitize --overwrite, waiting' sg_sanitize --overwrite --pattern=/run/pattern --quick --wait "$disk"
step 'the pattern there' filled 245
step 'sg_sanitize --overwrite, three passes, not waiting' \
  sg_sanitize --overwrite --pattern=/run/pattern --count=3 --invert --quick --early "$disk"
step 'until it is ready' ready
step 'the pattern there' filled 245
step 'sg_sanitize --block' sg_sanitize --block --quick --wait "$disk"
step 'zeros there' filled 000
step 'leave a failure that there is not' sg_sanitize --fail --quick --wait "$disk"
step 'the disk still works' fill
step 'logout' logout
