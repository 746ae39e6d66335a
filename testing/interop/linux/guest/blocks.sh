#!/bin/sh
# The block commands of sg3_utils on one disk, each judged by what a plain read finds afterwards. Variables as in lib.sh.
. /job/lib.sh

# fill CHARACTER BLOCKS FILE
fill() { head -c $(($2 * 512)) /dev/zero | tr '\000' "$1" > "$3"; }
put() { dd if="$1" of="$disk" bs=512 seek="$2" oflag=direct conv=notrunc; } # FILE LBA
# is FILE LBA [LENGTH-IN-BLOCKS]: these blocks hold the file
is() {
  blocks=${3:-$(($(stat -c %s "$1") / 512))}
  dd if="$disk" bs=512 skip="$2" count="$blocks" iflag=direct > /run/read && cmp -s -n $((blocks * 512)) "$1" /run/read
}
ends() { # STATUS COMMAND...
  wanted=$1
  shift
  "$@"
  [ $? = "$wanted" ]
}
MISCOMPARE=14 # sg_lib's exit status for the sense key
generic() { sg=/dev/$(ls "/sys/block/${disk##*/}/device/scsi_generic") && [ -c "$sg" ]; }

configure_right
step 'login' eval 'add_record && login'
step 'the disk appears' find_disk
for name in A B C; do fill $name 8 /run/$name; fill $name 1 /run/${name}1; done
head -c 4096 /dev/zero > /run/zero
fill '\377' 8 /run/ones

step 'write A' put /run/A 0
step 'COMPARE AND WRITE of 8 blocks' sg_compare_and_write --in=/run/A --inw=/run/B --lba=0 --num=8 --xferlen=8192 "$disk"
step 'B is there' is /run/B 0
step 'COMPARE AND WRITE that miscompares' ends $MISCOMPARE sg_compare_and_write --in=/run/A --inw=/run/C --lba=0 --num=8 --xferlen=8192 "$disk"
step 'B is there still' is /run/B 0
step 'WRITE SAME (16)' sg_write_same --in=/run/C1 --lba=64 --num=8 --16 "$disk"
step 'C is there' is /run/C 64
step 'WRITE SAME (10)' sg_write_same --in=/run/A1 --lba=64 --num=8 --10 "$disk"
step 'A is there' is /run/A 64
step 'WRITE SAME (16), NDOB' sg_write_same --ndob --lba=64 --num=8 --16 "$disk"
step 'zeros are there' is /run/zero 64
step 'WRITE SAME (32)' sg_write_same --in=/run/B1 --lba=72 --num=8 --32 "$disk"
step 'B is there' is /run/B 72
step 'UNMAP' sg_unmap --lba=72 --num=8 --force "$disk"
step 'zeros are there' is /run/zero 72
step 'WRITE SAME (16) with UNMAP' eval 'put /run/A 72 && sg_write_same --unmap --in=/run/zero --xferlen=512 --lba=72 --num=8 --16 "$disk"'
step 'zeros are there' is /run/zero 72
step 'WRITE (32)' sg_write_x --normal --32 --in=/run/A --lba=80 --num=8 "$disk"
step 'A is there' is /run/A 80
step 'WRITE ATOMIC (16)' sg_write_x --atomic=0 --in=/run/B --lba=80 --num=8 "$disk"
step 'B is there' is /run/B 80
step 'ORWRITE (16)' sg_write_x --or --in=/run/ones --lba=80 --num=8 "$disk"
step 'ones are there' is /run/ones 80
step 'WRITE AND VERIFY (10)' sg_write_verify --in=/run/C --lba=88 --num=8 "$disk"
step 'WRITE AND VERIFY (16)' sg_write_verify --16 --in=/run/C --lba=88 --num=8 "$disk"
step 'C is there' is /run/C 88
step 'VERIFY (10)' sg_verify --lba=0 --count=1024 "$disk"
step 'VERIFY (16)' sg_verify --16 --lba=0 --count=1024 "$disk"
step 'VERIFY (10) against data' sg_verify --lba=88 --count=8 --ndo=4096 --in=/run/C "$disk"
step 'VERIFY (10) against other data' ends $MISCOMPARE sg_verify --lba=88 --count=8 --ndo=4096 --in=/run/A "$disk"
step 'SYNCHRONIZE CACHE' sg_sync "$disk"
step 'its generic device' generic
step 'EXTENDED COPY' sg_xcopy if="$sg" of="$sg" bs=512 skip=88 seek=4096 count=8
step 'C is there' is /run/C 4096
step 'its operating parameters' sg_copy_results --params "$disk"
step 'stop' sg_start --stop "$disk"
step 'not ready' not sg_turs "$disk"
step 'start' sg_start --start "$disk"
step 'ready' sg_turs "$disk"
step 'SANITIZE, cryptographic erase' sg_sanitize --crypto --quick --wait "$disk"
step 'zeros are there' is /run/zero 4096
step 'logout' logout
