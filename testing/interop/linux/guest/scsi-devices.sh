#!/bin/sh
# lunkit in the guest passes scsi_debug's units through to open-iscsi in the guest: a disk, then a tape and a processor device.
# Then block-devices.sh and dm-crypt.sh. PROGRAMS: folder within /host with lunkit.js, order.js and what dm-crypt.sh wants.
. /job/lib.sh
. /job/lunkit-here.sh
debug=/sys/bus/pseudo/drivers/scsi_debug

put() { echo "$2" > "$debug/$1"; }
# The unit of scsi_debug, and the file of it
address() { basename "$(echo $debug/adapter0/host*/target*/*:*:*:*)"; }
generic() { basename "$(echo $debug/adapter0/host*/target*/*:*:*:*/scsi_generic/sg*)"; }
own_disk() { echo /dev/"$(basename "$(echo $debug/adapter0/host*/target*/*:*:*:*/block/sd*)")"; }
remove() { echo 1 > "/sys/class/scsi_device/$(address)/device/delete"; }
bring() { echo '- - -' > "/sys/class/scsi_host/$(basename "$(echo $debug/adapter0/host*)")/scan"; }

logged() { dmesg | sed -n "/$1/,\$p" | grep -q "$2"; } # SINCE TEXT
mark() { echo "<5>$1" > /dev/kmsg; }

step 'this machine’s files' mount_host
step 'scsi_debug' modprobe scsi_debug dev_size_mb=16 ndelay=20000 opts=1
own=$(own_disk) sg=/dev/$(generic)

step 'a file system on it' eval 'mkfs.ext4 -q "$own" && mount "$own" /mnt'
step 'lunkit devices shows it mounted' eval 'lunkit devices | tee /run/devices && grep "$sg.*disk.*16 MiB.*Linux scsi_debug.*$own.*mounted on /mnt" /run/devices'
step 'it is not served while it is mounted' eval '! start passthrough:$sg && grep "mounted on /mnt" /run/lunkit'
step 'unmount' umount /mnt

step 'serve the disk, and memory' start passthrough:$sg,timeout=3,wait=1 memory:1M
configure
step 'login' eval 'add_record && login'
step 'the memory appears' eval 'LUN=1 find_disk'
memory=$disk
step 'the disk appears' find_disk
step 'it has its own names' eval 'sg_inq "$disk" | grep "Product identification: scsi_debug" && [ "$(sg_vpd -p sn "$disk")" = "$(sg_vpd -p sn "$own")" ]'
head -c 4194304 /dev/urandom > /run/data
step 'write through lunkit' dd if=/run/data of="$disk" bs=256k oflag=direct
step 'it is on the unit' eval 'dd if="$own" bs=256k count=16 iflag=direct | cmp - /run/data'
step 'read through lunkit' eval 'dd if="$disk" bs=64k count=64 iflag=direct | cmp - /run/data'
step 'a command that only the unit knows' eval 'sg_raw -r 64 "$disk" 4d 00 40 00 00 00 00 00 40 00'
step 'one that it does not know' ends 9 sg_raw "$disk" e7 00 00 00 00 00

mark order
step 'commands in their order' eval '$node /host/$PROGRAMS/order.js iscsi://$PORTAL/$IQN/0 64'
dmesg | sed -n '/order/,$p' | sed -n 's/.*cmd 28 00 00 00 0\(.\) \(..\) 00 00 01 00.*/\1\2/p' > /run/order
step 'the unit had them in this order' eval '[ $(wc -l < /run/order) = 64 ] && sort -c /run/order'

mark reset
step 'LOGICAL UNIT RESET' sg_reset --device "$disk"
step 'it reached the unit' logged reset scsi_debug_device_reset
step 'read after it' eval 'dd if="$disk" bs=64k count=16 iflag=direct | cmp -n 1048576 - /run/data'

mark abort
echo 1 > "/sys/block/${disk##*/}/device/timeout"
put opts 5
put every_nth -1
dd if="$disk" of=/run/read bs=4k count=1 iflag=direct 2> /dev/null &
reader=$!
step 'a command that the unit swallows' until_true logged abort 'scsi_debug: .*cmd 28 00'
put every_nth 0
put opts 1
step 'it is aborted at the unit' until_true logged abort scsi_debug_abort
step 'and succeeds the next time' eval 'wait $reader && cmp -n 4096 /run/read /run/data'
echo 30 > "/sys/block/${disk##*/}/device/timeout"

# Who has its file open keeps its name from being given again
exec 7<> "$sg"
step 'the unit is taken away' remove
step 'NOT READY' ends 2 sg_turs "$disk"
step 'the other unit is there' eval 'dd if=/run/data of="$memory" bs=64k count=16 oflag=direct && dd if="$memory" bs=64k count=16 iflag=direct | cmp -n 1048576 - /run/data'
step 'lunkit says so' grep 'is away' /run/lunkit
step 'the unit is brought back' bring
step 'it is ready again' until_true sg_turs "$disk"
step 'under another name' [ ! -e "$sg" ]
exec 7>&-
step 'with what was on it' eval 'dd if="$disk" bs=64k count=64 iflag=direct | cmp - /run/data'
step 'logout' logout
step 'lunkit says that it is back' grep 'is back after' /run/lunkit
step 'end' stop

type_is() { [ "$(cat /sys/class/iscsi_session/session*/device/target*/*:0/type)" = "$1" ]; }
initiators_generic() { echo /dev/"$(basename /sys/class/iscsi_session/session*/device/target*/*:0/scsi_generic/*)"; }
for kind in 1:tape 3:processor; do
  name=${kind#*:}
  step "$name: another type" eval 'remove && put ptype ${kind%:*} && bring && until_true [ -c /dev/$(generic) ]'
  step "$name: serve" start passthrough:/dev/$(generic)
  configure
  step "$name: login" eval 'add_record && login'
  step "$name: it is one" until_true type_is ${kind%:*}
  step "$name: it answers" eval 'there=$(initiators_generic) && until_true sg_turs $there && sg_inq $there | grep -i $name'
  step "$name: a command that only the unit knows" eval 'sg_raw -r 36 $there 1a 00 3f 00 24 00'
  step "$name: logout" logout
  step "$name: end" stop
done

. /job/block-devices.sh
