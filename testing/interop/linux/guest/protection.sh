#!/bin/sh
# Protection information of type 1, and formatting to others: what the kernel and sg3_utils see of it. Variables as in lib.sh.
. /job/lib.sh

capacity() { sg_readcap --16 "$disk" | grep -q "$1"; }
checks() { sg_vpd --page=ei "$disk" | grep -q 'SPT=7 GRD_CHK=1 APP_CHK=1 REF_CHK=1'; }
# block BYTES FILE: a block of zeros, and these eight bytes behind it
block() { { head -c 512 /dev/zero && printf "$1"; } > "$2"; }
same() { sg_write_same --verbose --16 --wrprotect=1 --xferlen=520 --in="$1" --lba=64 --num=8 "$disk"; }
# told FILE COMMAND...: it fails, with this in what it says
told() { text=$1; shift; "$@" > /run/told 2>&1 && return 1; grep -qi "$text" /run/told; }
read_tags() { sg_raw --request=520 --outfile=/run/read "$disk" 88 20 0 0 0 0 0 0 0 47 0 0 0 1 0 0; }
tags_are() { tail -c 8 /run/read | od -An -tx1 | tr -d ' \n' | grep -qx "$1"; }
files() { dd if=/dev/urandom of=/mnt/big bs=1M count=8 && sync && sha256sum /mnt/big > /run/sum; }

configure_right
step 'login' eval 'add_record && login'
step 'the disk appears' find_disk
step 'the kernel sees the type' eval 'dmesg | grep -q "DIF Type 1 protection"'
step 'READ CAPACITY tells it' capacity 'prot_en=1, p_type=0'
step 'page 86h tells what is checked' checks
step 'a file system' mkfs.ext4 -q -F "$disk"
step 'mount' mount -t ext4 "$disk" /mnt
step 'write' files
step 'umount and mount' eval 'umount /mnt && mount -t ext4 "$disk" /mnt'
step 'read' sha256sum -c /run/sum
step 'umount' umount /mnt
step 'e2fsck' e2fsck -fn "$disk"
step 'all of it fits its tags' sg_verify --16 --vrprotect=1 --bpc=2048 --count=16384 "$disk"
block '\000\000\022\064\000\000\000\100' /run/good
block '\000\001\022\064\000\000\000\100' /run/guard
block '\000\000\022\064\000\000\000\101' /run/reference
block '\377\377\377\377\377\377\377\377' /run/escape
step 'WRITE SAME of a block and its tags' same /run/good
step 'READ with tags' read_tags
step 'the reference tag counts up' tags_are 0000123400000047
step 'a wrong guard is refused' told 'guard check failed' same /run/guard
step 'a wrong reference tag is refused' told 'reference tag check failed' same /run/reference
step 'nothing of that was written' eval 'read_tags && tags_are 0000123400000047'
step 'tags that say nothing are taken' eval 'same /run/escape && read_tags && tags_are ffffffffffffffff'
step 'format to type 2' sg_format --format --fmtpinfo=3 --quick --early "$disk"
step 'it is' eval 'sleep 2; capacity "prot_en=1, p_type=1"'
step 'format to type 3' sg_format --format --fmtpinfo=3 --pfu=1 --quick --early "$disk"
step 'it is' eval 'sleep 2; capacity "prot_en=1, p_type=2"'
step 'format to none' sg_format --format --fmtpinfo=0 --quick --early "$disk"
step 'it is' eval 'sleep 2; capacity "prot_en=0"'
step 'tags are refused now' told 'illegal' same /run/good
step 'logout' logout
